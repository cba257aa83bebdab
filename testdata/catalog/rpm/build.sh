#!/bin/sh
# Makes the RPM databases beside this file, and truth.tsv, which is what rpm itself says about them.
#
# Needs Debian 12's rpm, db5.3-util, sqlite3 and python3-packaging; writes here and in a temporary
# directory. The packages are our own and empty of anything but names: one with an epoch, one with a header
# that does not fit a page, one that owns a Python distribution, dependencies by name, capability and file.
# Debian's rpm writes SQLite alone. Berkeley DB is loaded by db5.3_load with the same headers; where this rpm
# can read that form it must list the same packages. No tool of Debian writes ndb: that file is laid out here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=1700000000

spec() { # name epoch version arch licence, further lines from stdin
    {
        printf 'Name: %s\nVersion: %s\nRelease: 3.sw1\nSummary: The %s of the test\nLicense: %s\n' "$1" "$3" "$1" "$5"
        [ "$2" = - ] || printf 'Epoch: %s\n' "$2"
        [ "$4" = noarch ] && printf 'BuildArch: noarch\n'
        printf 'Vendor: Harbour Works\nPackager: Ada <ada@example.org>\nURL: https://example.org/%s\n' "$1"
        cat
    } > "$work/$1.spec"
    rpmbuild --quiet -bb --define "_topdir $work/top" --define "_build_id_links none" \
        --define "__brp_compress %{nil}" --define "_buildhost example.org" --define "__pythondist_requires %{nil}" --define "__pythondist_provides %{nil}" \
        --define "use_source_date_epoch_as_buildtime 1" --define "clamp_mtime_to_source_date_epoch 1" \
        "$work/$1.spec"
}

spec basesystem - 12 noarch 'Public Domain' <<'SPEC'
Provides: harbour(base) = 12
%description
Base.
%files
SPEC
spec shell 1 5.2.15 x86_64 'GPLv3+' <<'SPEC'
Requires: harbour(base)
%description
A shell.
%install
mkdir -p %{buildroot}/usr/bin
echo sh > %{buildroot}/usr/bin/lighthouse-sh
%files
/usr/bin/lighthouse-sh
SPEC
spec many-files 0 1.0~rc2 x86_64 'MIT and (BSD-3-Clause or ASL 2.0)' <<'SPEC'
Requires: shell, /usr/bin/lighthouse-sh, /nowhere/to/be/found
%description
A header of more than one page.
%install
for i in $(seq 1000 1120); do
    mkdir -p %{buildroot}/usr/share/harbour/crate-number-$i
    echo $i > %{buildroot}/usr/share/harbour/crate-number-$i/manifest-of-the-crate.txt
done
%files
/usr/share/harbour
SPEC
spec python3-tide - 2.4.1 noarch 'Apache-2.0' <<'SPEC'
Requires: many-files
%description
A Python distribution.
%install
d=%{buildroot}/usr/lib/python3.12/site-packages/tide-2.4.1.dist-info
mkdir -p $d
printf 'Metadata-Version: 2.1\nName: tide\nVersion: 2.4.1\n' > $d/METADATA
%files
/usr/lib/python3.12/site-packages/tide-2.4.1.dist-info
SPEC

format='%{NAME}\t%{EPOCH}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\t%{LICENSE}\n'
rpm --dbpath "$work/sqlite" --initdb
rpm --dbpath "$work/sqlite" -i --force-debian --justdb --nodeps --noscripts --ignorearch --ignoreos --nosignature \
    $(find "$work/top/RPMS" -name '*.rpm' | sort) 2> "$work/log" || { cat "$work/log"; exit 1; }
sqlite3 "$work/sqlite/rpmdb.sqlite" 'PRAGMA journal_mode=DELETE; VACUUM;' > /dev/null
cp "$work/sqlite/rpmdb.sqlite" "$here/rpmdb.sqlite"

# key: the header's number in the machine's byte order; number 0 holds the highest one.
{
    printf 'VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=4096\nHEADER=END\n'
    printf ' 00000000\n 04000000\n'
    sqlite3 "$here/rpmdb.sqlite" "select ' ' || printf('%02x000000', hnum) || char(10) || ' ' || lower(hex(blob)) from Packages"
    printf 'DATA=END\n'
} | db5.3_load "$work/Packages"
cp "$work/Packages" "$here/Packages"

# Laid out as rpm's lib/backend/ndb/rpmpkg.c says: a page of slots, then blobs in blocks of 16 bytes.
sqlite3 "$here/rpmdb.sqlite" "select hnum || ' ' || hex(blob) from Packages" | python3 -c '
import struct, sys, zlib
slots, blobs, at = b"", b"", 4096 // 16
for line in sys.stdin:
    number, blob = line.split()
    number, blob = int(number), bytes.fromhex(blob)
    body = struct.pack("<4sIII", b"BlbS", number, 1, len(blob)) + blob
    body += bytes(-(len(body) + 12) % 16)
    body += struct.pack("<II4s", zlib.adler32(body), len(blob), b"BlbE")
    slots += struct.pack("<4sIII", b"Slot", number, at, len(body) // 16)
    blobs, at = blobs + body, at + len(body) // 16
head = struct.pack("<4sIIII12x", b"RpmP", 0, 1, 1, 9)
slots += struct.pack("<4s12x", b"Slot") * ((4096 - 32 - len(slots)) // 16)
sys.stdout.buffer.write(head + slots + blobs)' > "$here/Packages.db"

mkdir "$work/bdb"
cp "$here/Packages" "$work/bdb/Packages"
rpm --dbpath "$work/sqlite" -qa --qf "$format" | LC_ALL=C sort > "$here/truth.tsv"
if rpm --dbpath "$work/bdb" --define '_db_backend bdb_ro' -qa --qf "$format" 2> "$work/log" | LC_ALL=C sort > "$work/bdb.tsv" &&
    ! grep -q 'invalid %_db_backend' "$work/log"; then
    cmp "$work/bdb.tsv" "$here/truth.tsv"
    echo 'rpm reads the Berkeley DB form as well'
fi
