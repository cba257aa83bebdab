//! What goes over: version `v1` of the plugin protocol (sigstore, `pkg/signature/kms/cliplugin`).
//!
//! The plugin gets the version and one JSON object as its two arguments, the message on standard input, and
//! writes one JSON object to standard output. Bytes are base64, hashes are the numbers of Go's `crypto.Hash`.
//! Fields that we do not know are passed over, as every other client of the protocol does.

use crate::key::Hash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The version that we speak.
pub(super) const VERSION: &str = "v1";

/// Go's number for a hash (its package `crypto`).
fn number(hash: Hash) -> u8 {
    match hash {
        Hash::Sha256 => 5,
        Hash::Sha384 => 6,
        Hash::Sha512 => 7,
    }
}

/// What cosign always sends along: no version of the key, no remote verification.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rpc {
    key_version: &'static str,
    remote_verification: Remote,
}

/// `false`, as a type: we verify ourselves.
#[derive(Debug, Clone, Copy, Default)]
struct Remote;

impl Serialize for Remote {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(false)
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Init<'a> {
    /// When we stop waiting, RFC 3339.
    ctx_deadline: &'a str,
    protocol_version: &'static str,
    #[serde(rename = "keyResourceID")]
    resource: &'a str,
    hash_func: u8,
    rpc_options: Rpc,
}

/// A method, with its arguments.
#[derive(Debug, Clone, Copy)]
pub(super) enum Method<'a> {
    DefaultAlgorithm,
    SupportedAlgorithms,
    PublicKey,
    CreateKey {
        algorithm: &'a str,
    },
    /// The digest where the algorithm signs one; the message is on standard input in any case, because
    /// there are plugins that look at one alone.
    SignMessage {
        digest: Option<&'a [u8]>,
    },
}

impl Method<'_> {
    /// Its name, as the protocol has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DefaultAlgorithm => "defaultAlgorithm",
            Self::SupportedAlgorithms => "supportedAlgorithms",
            Self::PublicKey => "publicKey",
            Self::CreateKey { .. } => "createKey",
            Self::SignMessage { .. } => "signMessage",
        }
    }

    fn arguments(self, hash: Hash) -> serde_json::Value {
        let rpc = Rpc::default();
        match self {
            Self::DefaultAlgorithm | Self::SupportedAlgorithms => serde_json::json!({}),
            Self::PublicKey => serde_json::json!({ "publicKeyOptions": { "rpcOptions": rpc } }),
            Self::CreateKey { algorithm } => serde_json::json!({ "algorithm": algorithm }),
            Self::SignMessage { digest } => {
                let message = match digest {
                    Some(digest) => {
                        serde_json::json!({ "digest": STANDARD.encode(digest), "hashFunc": number(hash) })
                    }
                    None => serde_json::json!({}),
                };
                serde_json::json!({ "signOptions": { "rpcOptions": rpc, "messageOptions": message } })
            }
        }
    }
}

/// The second argument.
pub(super) fn argument(
    resource: &str,
    hash: Hash,
    deadline: &str,
    method: Method<'_>,
) -> serde_json::Result<String> {
    let init = Init {
        ctx_deadline: deadline,
        protocol_version: VERSION,
        resource,
        hash_func: number(hash),
        rpc_options: Rpc::default(),
    };
    let name = method.name();
    let call = serde_json::json!({ "initOptions": init, "methodName": name, name: method.arguments(hash) });
    serde_json::to_string(&call)
}

/// What comes back: an error, or the result of the one method that was asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Response {
    pub(super) error_message: String,
    pub(super) default_algorithm: Option<DefaultAlgorithm>,
    pub(super) supported_algorithms: Option<SupportedAlgorithms>,
    pub(super) public_key: Option<Pem>,
    pub(super) create_key: Option<Pem>,
    pub(super) sign_message: Option<Signature>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DefaultAlgorithm {
    pub(super) default_algorithm: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SupportedAlgorithms {
    pub(super) supported_algorithms: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Pem {
    #[serde(rename = "publicKeyPEM")]
    pub(super) pem: Bytes,
}

#[derive(Debug, Deserialize)]
pub(super) struct Signature {
    pub(super) signature: Bytes,
}

/// Bytes as base64.
#[derive(Debug)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // What cosign 3.1.1 sends, seen with a plugin that writes down its arguments, but for the numbers of
    // the hash, which it leaves at SHA-256 for keys that sign others.
    #[test]
    fn calls_have_the_shape_that_plugins_know() {
        let sent = |method| {
            let text = argument("one", Hash::Sha256, "2026-11-21T14:54:09Z", method).unwrap();
            serde_json::from_str::<serde_json::Value>(&text).unwrap()
        };
        let rpc = serde_json::json!({ "keyVersion": "", "remoteVerification": false });
        let init = serde_json::json!({
            "ctxDeadline": "2026-11-21T14:54:09Z", "protocolVersion": "v1", "keyResourceID": "one",
            "hashFunc": 5, "rpcOptions": rpc,
        });
        assert_eq!(
            sent(Method::SignMessage { digest: Some(&[1, 2, 3]) }),
            serde_json::json!({ "initOptions": init, "methodName": "signMessage", "signMessage": {
                "signOptions": { "rpcOptions": rpc, "messageOptions": { "digest": "AQID", "hashFunc": 5 } } } })
        );
        assert_eq!(
            sent(Method::PublicKey),
            serde_json::json!({ "initOptions": init, "methodName": "publicKey",
                "publicKey": { "publicKeyOptions": { "rpcOptions": rpc } } })
        );
        assert_eq!(
            sent(Method::CreateKey { algorithm: "p256" })["createKey"],
            serde_json::json!({ "algorithm": "p256" })
        );
        assert_eq!(sent(Method::DefaultAlgorithm)["defaultAlgorithm"], serde_json::json!({}));
        assert_eq!(
            sent(Method::SignMessage { digest: None })["signMessage"]["signOptions"]["messageOptions"],
            serde_json::json!({})
        );
    }
}
