//! Paths and lists made on the spot, judged at fixed times.

use super::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CrlIssuingDistributionPoint, CrlScope, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints, RevocationReason,
    RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

const LEAF_SERIAL: &[u8] = &[0x12, 0x34];
const CA_SERIAL: &[u8] = &[0x77];

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn at(day: &str) -> Timestamp {
    format!("{day}T12:00:00Z").parse().unwrap()
}

fn named(name: &str) -> DistinguishedName {
    let mut dn = DistinguishedName::new();
    dn.push(DnType::CommonName, name);
    dn
}

/// A certificate authority with its key.
struct Authority {
    params: CertificateParams,
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: Vec<u8>,
}

impl Authority {
    fn params(name: &str, edit: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = date_time_ymd(2025, 1, 1);
        params.not_after = date_time_ymd(2030, 1, 1);
        params.serial_number = Some(SerialNumber::from_slice(CA_SERIAL));
        edit(&mut params);
        params
    }

    fn root(name: &str, edit: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = Self::params(name, edit);
        let certificate = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params.clone(), key);
        Self { params, issuer, pem: certificate.pem(), der: certificate.der().to_vec() }
    }

    fn child(&self, name: &str, edit: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = Self::params(name, edit);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let issuer = Issuer::new(params.clone(), key);
        Self { params, issuer, pem: certificate.pem(), der: certificate.der().to_vec() }
    }

    fn leaf(&self, edit: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = named("release");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        params.subject_alt_names = vec![SanType::Rfc822Name("release@example.org".try_into().unwrap())];
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        params.serial_number = Some(SerialNumber::from_slice(LEAF_SERIAL));
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, &self.issuer).unwrap().der().to_vec()
    }

    /// A list of this authority, in date on the day of judging.
    fn list(&self, edit: impl FnOnce(&mut CertificateRevocationListParams)) -> Vec<u8> {
        let mut params = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 5, 20),
            next_update: date_time_ymd(2026, 6, 20),
            crl_number: SerialNumber::from(7u64),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        edit(&mut params);
        params.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    fn revoking(&self, serial: &[u8], day: (i32, u8, u8), reason: Option<RevocationReason>) -> Vec<u8> {
        self.list(|list| {
            list.revoked_certs.push(RevokedCertParams {
                serial_number: SerialNumber::from_slice(serial),
                revocation_time: date_time_ymd(day.0, day.1, day.2),
                reason_code: reason,
                invalidity_date: None,
            });
        })
    }
}

/// What is on the administrator's disk.
#[derive(Default)]
struct Disk {
    roots: Vec<String>,
    intermediates: Vec<String>,
    crls: Vec<Vec<u8>>,
}

impl Disk {
    fn of(roots: &[&Authority], intermediates: &[&Authority]) -> Self {
        Self {
            roots: roots.iter().map(|ca| ca.pem.clone()).collect(),
            intermediates: intermediates.iter().map(|ca| ca.pem.clone()).collect(),
            crls: Vec::new(),
        }
    }

    fn crl(mut self, der: Vec<u8>) -> Self {
        self.crls.push(der);
        self
    }

    fn try_load(&self) -> Result<CertificateAuthorities, PkiError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut builder = CertificateAuthorities::builder();
        for pem in &self.roots {
            std::fs::write(&path, pem).unwrap();
            builder.roots(&path)?;
        }
        for pem in &self.intermediates {
            std::fs::write(&path, pem).unwrap();
            builder.intermediates(&path)?;
        }
        for der in &self.crls {
            std::fs::write(&path, der).unwrap();
            builder.crls(&path)?;
        }
        builder.build()
    }

    fn ask(
        &self,
        names: Vec<CertificateName>,
        chain: &[Vec<u8>],
        signed: Signed<'_>,
    ) -> Result<String, Explanation> {
        let authorities = self.try_load().unwrap();
        Certified { authorities, names, oidc_issuer: None }.certifies(chain, signed, now())
    }

    fn release(&self, chain: &[Vec<u8>], signed: Signed<'_>) -> Result<String, Explanation> {
        self.ask(vec![CertificateName::Email("release@example.org".into())], chain, signed)
    }
}

#[track_caller]
fn refused(result: Result<String, Explanation>, code: Refusal, words: &str) {
    let why = result.unwrap_err();
    assert!(why.code == code && why.message.contains(words), "{why:?}");
}

#[track_caller]
fn invalid(result: Result<String, Explanation>, words: &str) {
    refused(result, Refusal::CertificateInvalid, words);
}

const UNPROVEN: Signed<'static> = Signed::Unproven;

#[test]
fn a_path_leads_to_a_root_through_what_is_on_disk_or_travelled() {
    let root = Authority::root("root", |_| {});
    let ca = root.child("ca", |_| {});
    let leaf = ca.leaf(|_| {});
    let disk = Disk::of(&[&root], &[&ca]);
    assert_eq!(
        disk.release(std::slice::from_ref(&leaf), UNPROVEN).unwrap(),
        "release@example.org (by certificate)"
    );
    // Intermediates that travel are as good; the root alone is a matter of trust.
    let bare = Disk::of(&[&root], &[]);
    bare.release(&[leaf.clone(), ca.der.clone()], UNPROVEN).unwrap();
    invalid(bare.release(std::slice::from_ref(&leaf), UNPROVEN), "none of the roots");
    // A root that travels is nobody's: the same name with another key, and an unrelated one.
    let other = Disk::of(&[&Authority::root("root", |_| {})], &[]);
    invalid(other.release(&[leaf.clone(), ca.der.clone(), root.der.clone()], UNPROVEN), "");
    // An intermediate may be the anchor.
    Disk::of(&[&ca], &[]).release(&[leaf], UNPROVEN).unwrap();
}

#[test]
fn names_are_compared_exactly_and_by_their_kind() {
    let root = Authority::root("root", |_| {});
    let disk = Disk::of(&[&root], &[]);
    let leaf = root.leaf(|p| {
        p.subject_alt_names = vec![
            SanType::Rfc822Name("a@example.org".try_into().unwrap()),
            SanType::URI("https://ci.example.org/release".try_into().unwrap()),
            SanType::DnsName("build.example.org".try_into().unwrap()),
        ];
    });
    let chain = [leaf];
    let text = |t: &str| t.to_owned();
    for good in [
        CertificateName::Email(text("a@example.org")),
        CertificateName::Uri(text("https://ci.example.org/release")),
        CertificateName::Dns(text("build.example.org")),
        CertificateName::Subject(text("CN=release")),
        CertificateName::Any(text("a@example.org")),
        CertificateName::Any(text("build.example.org")),
    ] {
        let id = disk.ask(vec![CertificateName::Any(text("x")), good.clone()], &chain, UNPROVEN).unwrap();
        assert_eq!(id, good.id());
    }
    for bad in [
        CertificateName::Email(text("A@example.org")),
        CertificateName::Email(text("https://ci.example.org/release")),
        CertificateName::Uri(text("a@example.org")),
        CertificateName::Dns(text("example.org")),
        CertificateName::Subject(text("release")),
        CertificateName::Any(text("CN=release")),
    ] {
        refused(disk.ask(vec![bad], &chain, UNPROVEN), Refusal::IdentityMismatch, "a@example.org");
    }
    let authorities = disk.try_load().unwrap();
    let names = vec![CertificateName::Email(text("a@example.org"))];
    let issuer = Certified { authorities, names, oidc_issuer: Some("https://issuer.example".into()) };
    refused(issuer.certifies(&chain, UNPROVEN, now()), Refusal::IdentityMismatch, "https://issuer.example");
}

#[test]
fn certificates_count_in_their_time() {
    let root = Authority::root("root", |_| {});
    let disk = Disk::of(&[&root], &[]);
    let short = [root.leaf(|p| {
        p.not_before = date_time_ymd(2026, 5, 1);
        p.not_after = date_time_ymd(2026, 5, 10);
    })];
    invalid(disk.release(&short, UNPROVEN), "expired");
    disk.release(&short, Signed::At(&[at("2026-05-05")])).unwrap();
    invalid(disk.release(&short, Signed::At(&[at("2026-04-05")])), "not valid yet");
    // Every proven time has to be inside.
    invalid(disk.release(&short, Signed::At(&[at("2026-05-05"), at("2026-05-11")])), "expired");
    invalid(disk.release(&short, Signed::At(&[])), "no time");
    let old = Authority::root("root", |p| p.not_after = date_time_ymd(2026, 3, 1));
    let leaf = [old.leaf(|_| {})];
    invalid(Disk::of(&[&old], &[]).release(&leaf, UNPROVEN), "root 'CN=root' is not valid");
    Disk::of(&[&old], &[]).release(&leaf, Signed::At(&[at("2026-02-01")])).unwrap();
}

#[test]
fn a_certificate_must_be_for_signing_code_and_authorities_for_certificates() {
    let root = Authority::root("root", |_| {});
    let disk = Disk::of(&[&root], &[]);
    let leaf = |edit: &dyn Fn(&mut CertificateParams)| disk.release(&[root.leaf(edit)], UNPROVEN);
    invalid(leaf(&|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]), "extendedKeyUsage");
    invalid(leaf(&|p| p.extended_key_usages.clear()), "extendedKeyUsage");
    invalid(leaf(&|p| p.key_usages = vec![KeyUsagePurpose::KeyEncipherment]), "may not sign");
    leaf(&|p| p.key_usages.clear()).unwrap();
    invalid(leaf(&|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), "certificate authority's");
    let no_signer = root.child("ca", |p| p.key_usages = vec![KeyUsagePurpose::CrlSign]);
    invalid(
        Disk::of(&[&root], &[&no_signer]).release(&[no_signer.leaf(|_| {})], UNPROVEN),
        "sign certificates",
    );
    let server = root.child("ca", |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    invalid(Disk::of(&[&root], &[&server]).release(&[server.leaf(|_| {})], UNPROVEN), "extendedKeyUsage");
}

#[test]
fn paths_have_a_length() {
    let constrained =
        |n| move |p: &mut CertificateParams| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(n));
    // By the root, which webpki leaves alone, and by an intermediate.
    for (root_allows, ca_allows, good) in [(1, 0, false), (2, 1, true), (2, 0, false)] {
        let root = Authority::root("root", constrained(root_allows));
        let one = root.child("one", constrained(ca_allows));
        let two = one.child("two", |_| {});
        let result = Disk::of(&[&root], &[&one, &two]).release(&[two.leaf(|_| {})], UNPROVEN);
        match good {
            true => drop(result.unwrap()),
            false => invalid(result, "pathLenConstraint"),
        }
    }
    // Six intermediates are the most.
    let root = Authority::root("root", |_| {});
    let mut path = vec![root.child("ca0", |_| {})];
    for at in 1..7 {
        let next = path[at - 1].child(&format!("ca{at}"), |_| {});
        path.push(next);
    }
    let all: Vec<&Authority> = path.iter().collect();
    Disk::of(&[&root], &all).release(&[path[5].leaf(|_| {})], UNPROVEN).unwrap();
    invalid(Disk::of(&[&root], &all).release(&[path[6].leaf(|_| {})], UNPROVEN), "");
}

#[test]
fn authorities_are_held_to_their_name_constraints() {
    let only = |base: GeneralSubtree| {
        move |p: &mut CertificateParams| {
            p.name_constraints = Some(NameConstraints {
                permitted_subtrees: vec![base.clone()],
                excluded_subtrees: Vec::new(),
            });
        }
    };
    let root = Authority::root("root", |_| {});
    let dns = |name: &str| {
        let name = name.to_owned();
        move |p: &mut CertificateParams| {
            p.subject_alt_names = vec![SanType::DnsName(name.clone().try_into().unwrap())];
        }
    };
    let ca = root.child("ca", only(GeneralSubtree::DnsName("example.org".into())));
    let disk = Disk::of(&[&root], &[&ca]);
    let ask = |name: &str| disk.ask(vec![CertificateName::Dns(name.into())], &[ca.leaf(dns(name))], UNPROVEN);
    ask("build.example.org").unwrap();
    invalid(ask("build.example.com"), "constraints");
    // Constraints on what nobody here compares refuse all names of that kind.
    let mail = root.child("mail", only(GeneralSubtree::Rfc822Name("example.org".into())));
    invalid(Disk::of(&[&root], &[&mail]).release(&[mail.leaf(|_| {})], UNPROVEN), "constraints");
}

#[test]
fn a_list_speaks_for_its_issuer_and_in_its_time() {
    let root = Authority::root("root", |_| {});
    let leaf = [root.leaf(|_| {})];
    let with = |list: Vec<u8>| Disk::of(&[&root], &[]).crl(list).release(&leaf, UNPROVEN);
    with(root.list(|_| {})).unwrap();
    let unknown = |result, words: &str| refused(result, Refusal::RevocationUnknown, words);
    unknown(with(root.list(|l| l.next_update = date_time_ymd(2026, 5, 31))), "out of date since 2026-05-31");
    unknown(
        with(root.list(|l| {
            (l.this_update, l.next_update) = (date_time_ymd(2026, 6, 2), date_time_ymd(2026, 7, 1))
        })),
        "from the future",
    );
    // Somebody else's, and one by another key under the same name.
    unknown(with(Authority::root("other", |_| {}).list(|_| {})), "no revocation list of 'CN=root'");
    unknown(with(Authority::root("root", |_| {}).list(|_| {})), "not signed by the key");
    // Beside a good one, neither matters.
    let forged = Authority::root("root", |_| {}).revoking(LEAF_SERIAL, (2026, 5, 1), None);
    Disk::of(&[&root], &[]).crl(forged).crl(root.list(|_| {})).release(&leaf, UNPROVEN).unwrap();
    // Every certificate below the root needs one.
    let ca = root.child("ca", |_| {});
    let below = [ca.leaf(|_| {})];
    let disk = || Disk::of(&[&root], &[&ca]);
    unknown(disk().crl(ca.list(|_| {})).release(&below, UNPROVEN), "no revocation list of 'CN=root'");
    unknown(disk().crl(root.list(|_| {})).release(&below, UNPROVEN), "no revocation list of 'CN=ca'");
    disk().crl(root.list(|_| {})).crl(ca.list(|_| {})).release(&below, UNPROVEN).unwrap();
    // A flipped bit in the list is a list by nobody.
    let mut list = root.list(|_| {});
    let last = list.len() - 1;
    list[last] ^= 1;
    unknown(with(list), "not signed by the key");
}

#[test]
fn revoked_is_revoked_with_serial_date_and_reason() {
    let root = Authority::root("root", |_| {});
    let ca = root.child("ca", |_| {});
    let leaf = [ca.leaf(|_| {})];
    let disk = |root_list, ca_list| Disk::of(&[&root], &[&ca]).crl(root_list).crl(ca_list);
    let quiet = || root.list(|_| {});
    let no = |result, words: &str| refused(result, Refusal::CertificateRevoked, words);
    let why = Some(RevocationReason::KeyCompromise);
    no(
        disk(quiet(), ca.revoking(LEAF_SERIAL, (2026, 5, 1), why)).release(&leaf, UNPROVEN),
        "serial 1234) was revoked on 2026-05-01T00:00:00Z, reason keyCompromise",
    );
    no(disk(quiet(), ca.revoking(LEAF_SERIAL, (2026, 5, 1), None)).release(&leaf, UNPROVEN), "unspecified");
    no(
        disk(root.revoking(CA_SERIAL, (2026, 5, 1), why), ca.list(|_| {})).release(&leaf, UNPROVEN),
        "'CN=ca' (serial 77)",
    );
    disk(quiet(), ca.revoking(&[0x12, 0x35], (2026, 5, 1), why)).release(&leaf, UNPROVEN).unwrap();
    // By a list that is out of date, too: revocation is not taken back.
    let old = ca.list(|list| {
        list.next_update = date_time_ymd(2026, 5, 25);
        list.revoked_certs.push(RevokedCertParams {
            serial_number: SerialNumber::from_slice(LEAF_SERIAL),
            revocation_time: date_time_ymd(2026, 5, 21),
            reason_code: why,
            invalidity_date: None,
        });
    });
    no(disk(quiet(), old).crl(ca.list(|_| {})).release(&leaf, UNPROVEN), "keyCompromise");
}

#[test]
fn what_was_provably_signed_before_survives_some_revocations() {
    let root = Authority::root("root", |_| {});
    let leaf = [root.leaf(|_| {})];
    let ask = |reason, signed: Signed<'_>| {
        Disk::of(&[&root], &[]).crl(root.revoking(LEAF_SERIAL, (2026, 5, 1), reason)).release(&leaf, signed)
    };
    let (before, after) = ([at("2026-04-01")], [at("2026-05-02")]);
    let both = [before[0], after[0]];
    for reason in [
        RevocationReason::Superseded,
        RevocationReason::CessationOfOperation,
        RevocationReason::AffiliationChanged,
        RevocationReason::PrivilegeWithdrawn,
    ] {
        ask(Some(reason), Signed::At(&before)).unwrap();
        for signed in [UNPROVEN, Signed::At(&after), Signed::At(&both)] {
            refused(ask(Some(reason), signed), Refusal::CertificateRevoked, "2026-05-01");
        }
    }
    for reason in [
        None,
        Some(RevocationReason::Unspecified),
        Some(RevocationReason::KeyCompromise),
        Some(RevocationReason::CaCompromise),
        Some(RevocationReason::CertificateHold),
        Some(RevocationReason::AaCompromise),
    ] {
        refused(ask(reason, Signed::At(&before)), Refusal::CertificateRevoked, "2026-05-01");
    }
}

#[test]
fn an_expired_certificate_needs_the_list_of_its_last_day() {
    let root = Authority::root("root", |_| {});
    let leaf = [root.leaf(|p| p.not_after = date_time_ymd(2026, 4, 1))];
    let signed = [at("2026-03-01")];
    let with = |list| Disk::of(&[&root], &[]).crl(list).release(&leaf, Signed::At(&signed));
    let of_march = |l: &mut CertificateRevocationListParams| {
        (l.this_update, l.next_update) = (date_time_ymd(2026, 3, 20), date_time_ymd(2026, 4, 20));
    };
    with(root.list(of_march)).unwrap();
    refused(with(root.list(|_| {})), Refusal::RevocationUnknown, "expired on 2026-04-01");
}

#[test]
fn a_list_of_a_part_speaks_for_that_part() {
    let root = Authority::root("root", |_| {});
    let point = |uri: &str| CrlDistributionPoint { uris: vec![uri.to_owned()] };
    let leaf = [root.leaf(|p| p.crl_distribution_points = vec![point("http://crl.example.org/1")])];
    let with = |uri: &str, scope| {
        let list = root.list(|l| {
            l.issuing_distribution_point =
                Some(CrlIssuingDistributionPoint { distribution_point: point(uri), scope });
        });
        Disk::of(&[&root], &[]).crl(list).release(&leaf, UNPROVEN)
    };
    with("http://crl.example.org/1", None).unwrap();
    with("http://crl.example.org/1", Some(CrlScope::UserCertsOnly)).unwrap();
    for (uri, scope) in
        [("http://crl.example.org/2", None), ("http://crl.example.org/1", Some(CrlScope::CaCertsOnly))]
    {
        refused(with(uri, scope), Refusal::RevocationUnknown, "other certificates");
    }
}

#[test]
fn an_authority_that_may_not_sign_lists_signs_none() {
    let root = Authority::root("root", |_| {});
    let leaf = [root.leaf(|_| {})];
    // The same key, with a certificate that says less.
    let mut params = root.params.clone();
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let pem = params.self_signed(root.issuer.key()).unwrap().pem();
    let disk = Disk { roots: vec![pem], ..Disk::default() }.crl(root.list(|_| {}));
    refused(disk.release(&leaf, UNPROVEN), Refusal::RevocationUnknown, "may not sign revocation lists");
}

#[test]
fn what_is_no_authority_or_no_list_is_refused_when_it_is_loaded() {
    let root = Authority::root("root", |_| {});
    let load = |disk: Disk| disk.try_load().unwrap_err().to_string();
    let mut leaf = Disk::of(&[&root], &[]);
    leaf.roots.push(super::pem_of("CERTIFICATE", &root.leaf(|_| {})));
    assert!(load(leaf).contains("no certificate authority's"));
    assert!(load(Disk::default()).contains("no root certificate"));
    let mut key = Disk::of(&[&root], &[]);
    key.roots.push("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".into());
    assert!(load(key).contains("PRIVATE KEY"));
    let mut text = Disk::of(&[&root], &[]);
    text.intermediates.push("nothing".into());
    assert!(load(text).contains("no PEM block"));
    assert!(load(Disk::of(&[&root], &[]).crl(vec![0x30, 3, 1, 1, 0])).contains("no DER revocation list"));
    let mut long = root.list(|_| {});
    long.push(0);
    assert!(load(Disk::of(&[&root], &[]).crl(long)).contains("no DER revocation list"));
    let pem = super::pem_of("X509 CRL", &root.list(|_| {}));
    Disk::of(&[&root], &[]).crl(pem.into_bytes()).try_load().unwrap();
}

#[test]
fn limits() {
    let root = Authority::root("root", |_| {});
    let leaf = root.leaf(|_| {});
    let disk = Disk::of(&[&root], &[]);
    let chain =
        |n: usize| std::iter::once(leaf.clone()).chain(vec![root.der.clone(); n - 1]).collect::<Vec<_>>();
    disk.release(&chain(CHAIN_CERTIFICATES), UNPROVEN).unwrap();
    invalid(disk.release(&chain(CHAIN_CERTIFICATES + 1), UNPROVEN), "CHAIN_CERTIFICATES");
    invalid(disk.release(&[leaf.clone(), vec![0; CERTIFICATE_BYTES + 1]], UNPROVEN), "CERTIFICATE_BYTES");
    let many = |n: usize| Disk {
        roots: vec![root.pem.clone()],
        intermediates: vec![root.pem.repeat(n)],
        crls: Vec::new(),
    };
    many(CA_CERTIFICATES - 1).try_load().unwrap();
    for n in [CA_CERTIFICATES, CA_CERTIFICATES + 1] {
        assert!(many(n).try_load().unwrap_err().to_string().contains("CA_CERTIFICATES"));
    }
    let lists = |n: usize| Disk { crls: vec![root.list(|_| {}); n], ..Disk::of(&[&root], &[]) };
    lists(CRLS).try_load().unwrap();
    assert!(lists(CRLS + 1).try_load().unwrap_err().to_string().contains("CRLS"));
    let entries = |n: usize| {
        root.list(|list| {
            list.revoked_certs = (0..n)
                .map(|at| RevokedCertParams {
                    serial_number: SerialNumber::from(at as u64 + 1_000_000),
                    revocation_time: date_time_ymd(2026, 5, 1),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect();
        })
    };
    Disk::of(&[&root], &[]).crl(entries(CRL_ENTRIES)).try_load().unwrap();
    let error = Disk::of(&[&root], &[]).crl(entries(CRL_ENTRIES + 1)).try_load().unwrap_err();
    assert!(error.to_string().contains("CRL_ENTRIES"), "{error}");
    let mut large = vec![0x30u8];
    large.resize(CRL_BYTES as usize + 1, 0);
    let error = Disk::of(&[&root], &[]).crl(large).try_load().unwrap_err();
    assert!(error.to_string().contains("CRL_BYTES"), "{error}");
}

#[test]
fn hostile_lists_never_panic() {
    let root = Authority::root("root", |_| {});
    let list = root.revoking(LEAF_SERIAL, (2026, 5, 1), Some(RevocationReason::KeyCompromise));
    for at in 0..list.len() {
        for bit in [1u8, 0x80] {
            let mut flipped = list.clone();
            flipped[at] ^= bit;
            if let Ok(crl) = crl::Crl::parse(&flipped, "flipped") {
                let spki = root_spki(&root);
                assert!(!crl.is_signed_by(&spki) || flipped == list, "byte {at}");
            }
        }
        assert!(crl::Crl::parse(&list[..at], "cut").is_err());
    }
}

fn root_spki(root: &Authority) -> Vec<u8> {
    x509_cert::Certificate::from_der(&root.der)
        .unwrap()
        .tbs_certificate
        .subject_public_key_info
        .to_der()
        .unwrap()
}
