package main

import (
	"os"

	bolt "go.etcd.io/bbolt"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	db, err := bolt.Open(os.Args[1], 0600, nil)
	must(err)
	must(db.Update(func(tx *bolt.Tx) error {
		put := func(path []string, key, value string) {
			b, err := tx.CreateBucketIfNotExists([]byte(path[0]))
			must(err)
			for _, p := range path[1:] {
				b, err = b.CreateBucketIfNotExists([]byte(p))
				must(err)
			}
			must(b.Put([]byte(key), []byte(value)))
		}
		put([]string{"data-source"}, "debian 12", `{"ID":"debian","Name":"Debian Security Tracker","URL":"https://salsa.debian.org/security-tracker-team/security-tracker"}`)
		put([]string{"debian 12", "openssl"}, "CVE-2026-1001", `{"FixedVersion":"3.0.20-1~deb12u1"}`)
		put([]string{"debian 12", "zlib"}, "CVE-2026-1002", `{"Status":7}`)
		put([]string{"debian 12", "xz-utils"}, "CVE-2026-1003", `{"FixedVersion":"5.6.2-1"}`)
		put([]string{"vulnerability"}, "CVE-2026-1001", `{"Title":"made up for this recording","Description":"d","Severity":"CRITICAL","VendorSeverity":{"nvd":4,"debian":1},"CVSS":{"nvd":{"V3Vector":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:H","V3Score":9.1}}}`)
		put([]string{"vulnerability"}, "CVE-2026-1002", `{"Title":"made up for this recording","Description":"d","Severity":"CRITICAL","VendorSeverity":{"nvd":4}}`)
		put([]string{"vulnerability"}, "CVE-2026-1003", `{"Title":"made up for this recording","Description":"d","Severity":"CRITICAL","VendorSeverity":{"nvd":4}}`)
		return nil
	}))
	must(db.Close())
}
