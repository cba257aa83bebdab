//! Rows D01 to D06 of the list of attacks, by `sbom`: manifests, bodies and registries that lie. Whatever happens, there
//! is no inventory of what was not read, strangers get no credentials, and each trouble has its own exit code.
//! Rows D07 to D09 are in `hostile`.

use super::hostile::{DPKG, OS, Tar};
use super::world::{Ran, World};
use seaworthy_oci::limits;
use seaworthy_tests::image::{Compression, Layer, TinyImage};
use seaworthy_tests::registry::{Anonymous, Auth, Delivery, Fault, Lab};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn put(lab: &Lab, layer: Layer) -> TinyImage {
    lab.put_blob("app", &layer.bytes);
    let image = TinyImage::new(vec![layer]);
    let raw = image.manifest();
    lab.put_blob("app", &image.config());
    lab.put_manifest("app", Some("1"), &raw.descriptor.media_type, &raw.bytes);
    image
}

/// An honest image in a registry: its manifest.
fn honest(lab: &Lab) -> String {
    let tar = Tar::default().file(OS.0, OS.1).file(b"var/lib/dpkg/status", DPKG);
    String::from_utf8(put(lab, tar.layer(Compression::Gzip)).manifest().bytes.to_vec()).unwrap()
}

/// A manifest of somebody's own making, under the same tag.
fn manifest(lab: &Lab, text: &str) {
    lab.put_manifest("app", Some("1"), MANIFEST, text.as_bytes());
}

fn sbom(lab: &Lab, world: &World) -> Ran {
    world.run(&format!("sbom --no-cache {} --output json", lab.reference("app:1")))
}

/// No inventory, and that exit code.
#[track_caller]
fn refused(ran: Ran, code: i32) -> Ran {
    let ran = ran.expect(code);
    assert!(!ran.stdout.contains("\"packages\""), "{}", ran.transcript());
    ran
}

#[test]
fn d01_as_many_referrers_as_anybody_likes() {
    let (lab, world) = (Lab::start(), World::new());
    honest(&lab);
    lab.fault(seaworthy_tests::registry::endless_pages());
    sbom(&lab, &world).expect(0).says("\"good\"");
    // Evidence is nobody's business here, so that no number of it can do anything.
    assert!(lab.requests_to("GET", "/referrers/").is_empty());
    assert!(lab.requests_to("GET", "/manifests/sha256-").is_empty());
}

#[test]
fn d01_layers_at_one_more_than_the_limit() {
    let (lab, world) = (Lab::start(), World::new());
    let good = honest(&lab);
    let at = good.find("\"layers\":[").unwrap() + "\"layers\":[".len();
    let layer = &good[at..at + good[at..].find(']').unwrap()];
    let many = |count: usize| {
        format!("{}{}{}", &good[..at], vec![layer; count].join(","), &good[at + layer.len()..])
    };
    manifest(&lab, &many(limits::IMAGE_LAYERS + 1));
    refused(sbom(&lab, &world), 4).says("IMAGE_LAYERS");
    // As many as there may be are read; that the configuration names one alone is another matter.
    manifest(&lab, &many(limits::IMAGE_LAYERS));
    sbom(&lab, &world).never_says("IMAGE_LAYERS");
}

#[test]
fn d02_bodies_that_are_longer_shorter_or_endless() {
    let (lab, world) = (Lab::start(), World::new());
    honest(&lab);
    for (fault, code) in [
        (Fault::on("GET", "/blobs/").longer(1), 4),
        (Fault::on("GET", "/blobs/").longer(10_000_000), 4),
        (Fault::on("GET", "/blobs/").deliver(Delivery::Announce(9)), 4),
        (Fault::on("GET", "/blobs/").deliver(Delivery::Announce(1 << 62)), 4),
        (Fault::on("GET", "/blobs/").deliver(Delivery::Endless), 4),
        (Fault::on("GET", "/blobs/").deliver(Delivery::Truncate(2)), 3),
        (Fault::on("GET", "/manifests/").deliver(Delivery::Endless), 4),
        (Fault::on("GET", "/blobs/").corrupt(), 4),
    ] {
        lab.heal();
        lab.fault(fault);
        refused(sbom(&lab, &world), code);
    }
}

#[test]
fn d02_sizes_beyond_reason() {
    let (lab, world) = (Lab::start(), World::new());
    let good = honest(&lab);
    let at = good.rfind("\"size\":").unwrap() + "\"size\":".len();
    let end = at + good[at..].find(|c: char| !c.is_ascii_digit()).unwrap();
    for size in ["-1", "1e3", "9223372036854775807", "9223372036854775808", "1.5", "\"1\"", "0"] {
        manifest(&lab, &format!("{}{size}{}", &good[..at], &good[end..]));
        refused(sbom(&lab, &world), 4);
    }
}

#[test]
fn d03_json_that_is_deep_or_has_two_readings() {
    let (lab, world) = (Lab::start(), World::new());
    let good = honest(&lab);
    let rest = good.strip_prefix('{').unwrap();
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    manifest(&lab, &format!("{{\"x\":{deep},{rest}"));
    refused(sbom(&lab, &world), 4);
    manifest(&lab, &format!("{{\"layers\":[],{rest}"));
    refused(sbom(&lab, &world), 4);
    // A string as long as a manifest may be, and then some.
    let long = "x".repeat(usize::try_from(limits::MANIFEST_BYTES).unwrap());
    manifest(&lab, &format!("{{\"x\":\"{long}\",{rest}"));
    refused(sbom(&lab, &world), 4);
}

#[test]
fn d03_a_bomb_as_layer() {
    let (lab, world) = (Lab::start(), World::new());
    let zeros = vec![b'\n'; 300 << 20];
    let tar = Tar::default().file(b"var/lib/dpkg/status", DPKG).file(b"zeros", &zeros);
    put(&lab, tar.layer(Compression::Zstd));
    refused(sbom(&lab, &world), 4).says("RATIO");
}

#[test]
fn d04_digests_that_are_none() {
    let (lab, world) = (Lab::start(), World::new());
    let good = honest(&lab);
    let at = good.rfind("sha256:").unwrap();
    let hex = &good[at + 7..at + 71];
    let upper = format!("sha256:{}", hex.to_uppercase());
    let short = format!("sha256:{}", &hex[..63]);
    for digest in ["sha256:../../etc", "md5:d41d8cd98f00b204e9800998ecf8427e", upper.as_str(), short.as_str()]
    {
        manifest(&lab, &format!("{}{digest}{}", &good[..at], &good[at + 71..]));
        refused(sbom(&lab, &world), 4);
        assert!(lab.requests().iter().all(|r| !r.target.contains("..") && !r.target.contains(digest)));
    }
}

/// A registry that wants a password, and a world that knows it.
fn with_password(auth: Auth) -> (Lab, World) {
    let (lab, world) = (Lab::builder().auth(auth).start(), World::new());
    let login = format!("printf %s secret | seaworthy login -u me --password-stdin {}", lab.host());
    world.shell(&login).expect(0);
    (lab, world)
}

#[track_caller]
fn got_no_password(other: &Lab) {
    for request in other.requests() {
        assert_eq!(request.header("authorization"), None, "{} {}", request.method, request.target);
        assert!(!String::from_utf8_lossy(&request.body).contains("secret"));
    }
}

#[test]
fn d05_a_redirect_takes_no_credentials_along() {
    let (lab, world) = with_password(Auth::basic("me", "secret"));
    let other = Lab::start();
    honest(&lab);
    let good = honest(&other);
    for (at, _) in good.match_indices("sha256:") {
        let digest = &good[at..at + 71];
        lab.fault(Fault::on("GET", digest).redirect(&format!("{}/v2/app/blobs/{digest}", other.base())));
    }
    sbom(&lab, &world).expect(0).says("\"good\"");
    assert!(!other.requests_to("GET", "/blobs/").is_empty());
    got_no_password(&other);
}

#[test]
fn d05_a_token_service_elsewhere_gets_no_password() {
    let other = Lab::start();
    let (lab, world) = with_password(Auth::basic("me", "secret"));
    honest(&lab);
    let realm = format!("Bearer realm=\"{}/token\",service=\"x\"", other.base());
    lab.fault(Fault::on("GET", "/v2/app/").status(401).header("WWW-Authenticate", &realm));
    // Asked as nobody, it has no token to give.
    refused(sbom(&lab, &world), 4).says("token");
    assert!(!other.requests().is_empty());
    got_no_password(&other);
    // The same by a registry whose own service is elsewhere.
    let realm = Some(other.base());
    let auth =
        Auth::Bearer { user: "me".into(), password: "secret".into(), anonymous: Anonymous::Nothing, realm };
    let (lab, world) = (Lab::builder().auth(auth).start(), World::new());
    honest(&lab);
    refused(sbom(&lab, &world), 4).says("token");
    got_no_password(&other);
}

#[test]
fn d06_each_trouble_is_its_own() {
    let (lab, world) = (Lab::start(), World::new());
    honest(&lab);
    for place in ["/manifests/", "/blobs/"] {
        for (status, code, is_asked_again) in [
            (401, 5, false),
            (403, 3, false),
            (404, 4, false),
            (429, 3, true),
            (500, 3, true),
            (503, 3, true),
        ] {
            lab.heal();
            lab.forget_requests();
            lab.fault(Fault::on("GET", place).status(status).header("Retry-After", "0"));
            let word = if status == 404 { "not found".to_owned() } else { status.to_string() };
            refused(sbom(&lab, &world), code).says(&word);
            let again = lab.requests_to("GET", place);
            let most =
                again.iter().map(|r| again.iter().filter(|other| other.target == r.target).count()).max();
            assert_eq!(
                most > Some(1),
                is_asked_again,
                "{place} {status}: what may pass is asked again, and no other"
            );
        }
        lab.heal();
        lab.fault(Fault::on("GET", place).deliver(Delivery::Reset));
        refused(sbom(&lab, &world), 3);
    }
}

/// What could not be read is in the inventory, and with `--strict` in the exit code.
#[test]
fn gaps_change_the_exit_code_under_strict() {
    let (lab, world) = (Lab::start(), World::new());
    honest(&lab);
    let command = format!("sbom --no-cache --strict {} --output json", lab.reference("app:1"));
    world.run(&command).expect(0);
    let tar = Tar::default().file(OS.0, OS.1).file(b"var/lib/dpkg/status", DPKG);
    put(&lab, tar.file(b"srv/node_modules/x/package.json", b"{").layer(Compression::Gzip));
    world.run(&command).expect(1).says("node_modules/x/package.json");
    sbom(&lab, &world).expect(0).says("node_modules/x/package.json");
}
