//! An independent client, oci-client, reads what we wrote, and we read what it wrote.

use super::*;
use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::manifest::OciImageManifest;
use oci_client::secrets::RegistryAuth;
use seaworthy_oci::manifest::media_type;
use seaworthy_tests::image::{self, Compression, Layer, TinyImage};
use seaworthy_tests::registry::{Auth, ReferrersApi};

fn peer() -> oci_client::Client {
    // Fails where another test was faster, and then there is one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() };
    oci_client::Client::try_from(config).unwrap()
}

#[tokio::test]
async fn the_peer_reads_what_we_wrote() {
    for api in [ReferrersApi::Paged(10), ReferrersApi::Absent] {
        let lab = Lab::builder().auth(Auth::bearer("me", "secret")).referrers(api).start();
        let mut options = options();
        options.credentials = Credentials::Basic {
            username: "me".into(),
            password: seaworthy_oci::registry::Secret::new("secret"),
        };
        let registry = client_with(&lab, "app", &options);
        let layers = vec![
            Layer::compressed(&[("a", b"a")], Compression::Gzip),
            Layer::compressed(&[("b", b"b")], Compression::None),
        ];
        let raw = TinyImage::new(layers.clone()).push(&registry, Some("v1")).await.unwrap();
        let attached = image::attach(&registry, &raw.descriptor, "application/test", b"x").await.unwrap();
        let login = RegistryAuth::Basic("me".into(), "secret".into());
        let name: oci_client::Reference = lab.reference("app:v1").parse().unwrap();
        let accepted = vec![media_type::LAYER_GZIP, media_type::LAYER_TAR];
        let pulled = peer().pull(&name, &login, accepted).await.unwrap();
        assert_eq!(pulled.digest, Some(raw.descriptor.digest.to_string()));
        for layer in &layers {
            assert!(pulled.layers.iter().any(|l| l.data == layer.bytes));
        }
        let by_digest: oci_client::Reference =
            lab.reference(&format!("app@{}", raw.descriptor.digest)).parse().unwrap();
        let peer = peer();
        peer.store_auth_if_needed(&lab.host(), &login).await;
        peer.pull_manifest(&by_digest, &login).await.unwrap();
        let found = peer.pull_referrers(&by_digest, None).await.unwrap();
        let digests: Vec<&str> = found.manifests.iter().map(|m| m.digest.as_str()).collect();
        assert_eq!(digests, [attached.descriptor.digest.to_string()]);
    }
}

#[tokio::test]
async fn we_read_what_the_peer_wrote() {
    let lab = Lab::start();
    let name: oci_client::Reference = lab.reference("app:v1").parse().unwrap();
    let layer = Layer::of(&[("hello", b"from the peer")]);
    let config = TinyImage::new(vec![layer.clone()]).config();
    let layers = [ImageLayer::oci_v1_gzip(layer.bytes.clone(), None)];
    let described = Config::oci_v1(config.clone(), None);
    let mut manifest = OciImageManifest::build(&layers, &described, None);
    let anonymous = RegistryAuth::Anonymous;
    let registry = client(&lab, "app");
    // The peer leaves the media type out unless told, and such a manifest could be read two ways (A05).
    peer().push(&name, &layers, described.clone(), &anonymous, Some(manifest.clone())).await.unwrap();
    let error = kind(registry.manifest(Selector::Tag("v1")).await);
    assert!(matches!(&error, ErrorKind::Malformed(why) if why.contains("mediaType")), "{error:?}");
    manifest.media_type = Some(media_type::MANIFEST.into());
    peer().push(&name, &layers, described, &anonymous, Some(manifest)).await.unwrap();
    let raw = registry.manifest(Selector::Tag("v1")).await.unwrap().unwrap();
    let Manifest::Image(read) = raw.parse().unwrap() else { panic!("no image") };
    assert_eq!(registry.blob_bytes(&read.config, 1 << 20).await.unwrap(), config);
    assert_eq!(registry.blob_bytes(&read.layers[0], 1 << 20).await.unwrap(), layer.bytes);
}
