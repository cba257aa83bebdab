//! What cosign and sigstore-python signed with an identity against an authority of ours, and what they and
//! @sigstore/verify accepted from us (testdata/interop/keyless-*), verifies here: offline, and long after the certificates
//! have expired, since what counts is the time that the log and the timestamps prove.

use super::world::{World, root};

const WHO: &str = "dev@example.org";

fn recorded(path: &str) -> String {
    std::fs::read_to_string(root().join("testdata/interop").join(path)).unwrap()
}

/// The flags that say whom to trust: `who`, by the recorded issuer.
fn trust(who: &str) -> String {
    let issuer = recorded("keyless-authority/issuer");
    format!(
        "--offline --trusted-root testdata/interop/keyless-authority/trusted_root.json \
         --certificate-identity {who} --certificate-oidc-issuer {}",
        issuer.trim()
    )
}

#[test]
fn files_that_peers_signed() {
    let world = World::new();
    for peer in ["cosign", "python"] {
        let at = format!("testdata/interop/keyless-{peer}");
        for bundle in ["blob", "attestation"] {
            let verify = |who: &str, file: &str| {
                let trust = trust(who);
                world.run(&format!("verify-blob {trust} --bundle {at}/{bundle}.sigstore.json {file}"))
            };
            verify(WHO, &format!("{at}/file")).expect(0);
            verify("somebody@example.org", &format!("{at}/file")).expect(1);
            verify(WHO, "testdata/keys/demo.pub").expect(1);
        }
    }
}

#[test]
fn images_that_cosign_and_we_signed() {
    let world = World::new();
    for by in ["cosign", "ours"] {
        let at = format!("oci:testdata/interop/keyless-{by}/image");
        let verify = |who: &str, tag: &str| {
            world.run(&format!("verify {} --type slsaprovenance1 {at}:{tag}", trust(who)))
        };
        verify(WHO, "image").expect(0).says("allowed");
        verify("somebody@example.org", "image").expect(1).says("unknown-signer");
        verify(WHO, "other").expect(1).says("signature-missing");
    }
}

#[test]
fn every_recording_says_who_accepted_it() {
    for (case, asked) in [
        ("cosign", &["seaworthy verify-blob", "seaworthy verify "][..]),
        ("python", &["seaworthy verify-blob"]),
        ("ours", &["cosign verify ", "cosign verify-attestation ", "verify identity", "sigstore-js "]),
    ] {
        let comment = recorded(&format!("keyless-{case}/comment"));
        for line in asked {
            assert!(
                comment.contains(&format!(" {line}")) || comment.contains(&format!("$ {line}")),
                "{case}: {line}"
            );
        }
        let exits: Vec<&str> = comment.lines().filter(|l| l.starts_with("exit ")).collect();
        assert!(exits.len() >= asked.len() && exits.iter().all(|e| *e == "exit 0"), "{case}: {exits:?}");
    }
}
