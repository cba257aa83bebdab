//! The trust file as it is written: names of fields, and where in the file each entry stands.
//!
//! `docs/reference/trust.schema.json` is generated from these types, descriptions included; what the fields
//! mean is decided in the module above.

use crate::policy::At;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Whose keys, certificates, logs and timestamps count, and from when until when.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TrustDoc {
    /// Always `seaworthy.dev/v1alpha1`.
    pub(super) api_version: At<String>,
    /// Always `Trust`.
    pub(super) kind: At<String>,
    /// What the file is called.
    pub(super) metadata: MetadataDoc,
    /// Who is trusted.
    pub(super) spec: SpecDoc,
}

/// What the file is called.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MetadataDoc {
    /// A name of lower-case letters, digits, `-` and `.`.
    pub(super) name: At<String>,
}

/// Who is trusted.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SpecDoc {
    /// Where `trust update` takes certificates, logs and timestamp authorities from: `public-good`, `staging`,
    /// `github`, or the URL or directory of a TUF mirror. Nothing is fetched by any other command.
    pub(super) source: Option<At<String>>,
    /// Managed public keys.
    #[serde(default)]
    pub(super) keys: Vec<At<KeyDoc>>,
    /// Identities that sign, by the certificate authorities and logs of this file.
    #[serde(default)]
    pub(super) identities: Vec<At<IdentityDoc>>,
    /// Certificate authorities: Fulcio, one like it, or a private root.
    #[serde(default)]
    pub(super) certificate_authorities: Vec<At<ChainDoc>>,
    /// Certificate transparency logs.
    #[serde(default)]
    pub(super) ct_logs: Vec<At<LogDoc>>,
    /// Transparency logs: Rekor, or one like it.
    #[serde(default)]
    pub(super) transparency_logs: Vec<At<LogDoc>>,
    /// Timestamp authorities (RFC 3161).
    #[serde(default)]
    pub(super) timestamp_authorities: Vec<At<ChainDoc>>,
    /// Where to sign. Verification does not read it.
    pub(super) services: Option<ServicesDoc>,
}

/// A managed public key: P-256, P-384, P-521, Ed25519, or RSA of 2048, 3072 or 4096 bits.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeyDoc {
    /// The keyring it belongs to. Keys that take turns share one keyring, and policies name the keyring.
    pub(super) keyring: At<String>,
    /// Who holds the private key, for people.
    pub(super) owner: Option<At<String>>,
    /// What bundles call the key; the base64 of the SHA-256 of the key by itself.
    pub(super) hint: Option<At<String>>,
    /// RFC 3339: signatures made before do not count.
    pub(super) start: Option<At<String>>,
    /// RFC 3339: signatures made after do not count.
    pub(super) end: Option<At<String>>,
    /// PEM, one block `PUBLIC KEY`.
    pub(super) public_key: At<String>,
}

/// Whoever has a certificate that says so.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct IdentityDoc {
    /// What the file calls them; `verify --keyring` takes it, too.
    pub(super) name: At<String>,
    /// Who they are, for people.
    pub(super) owner: Option<At<String>>,
    /// The OpenID Connect issuer, exactly.
    pub(super) issuer: Option<At<String>>,
    /// Instead: a regular expression that must match the whole issuer.
    pub(super) issuer_regexp: Option<At<String>>,
    /// The mail address or URI in the certificate, exactly.
    pub(super) identity: Option<At<String>>,
    /// Instead: a regular expression that must match the whole identity.
    pub(super) identity_regexp: Option<At<String>>,
    /// What the certificate must say about the CI run, each exactly, as in policies.
    #[serde(default)]
    pub(super) claims: BTreeMap<String, At<String>>,
}

/// An authority that is trusted by its certificates.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ChainDoc {
    /// Where it is reached, or a name.
    pub(super) uri: At<String>,
    /// Who runs it.
    pub(super) owner: Option<At<String>>,
    /// The organisation in its certificates, for people.
    pub(super) organization: Option<At<String>>,
    /// The common name in its certificates, for people.
    pub(super) common_name: Option<At<String>>,
    /// RFC 3339: what it issued before does not count.
    pub(super) start: At<String>,
    /// RFC 3339: what it issued after does not count.
    pub(super) end: Option<At<String>>,
    /// PEM blocks `CERTIFICATE`: the one that issues first, the root last.
    pub(super) certificates: At<String>,
}

/// A log that is trusted by its key.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LogDoc {
    /// Where it is reached; of a log with tiles, its host is the origin of the checkpoints.
    pub(super) uri: At<String>,
    /// Who runs it.
    pub(super) owner: Option<At<String>>,
    /// Base64. The SHA-256 of the key where it is left out, which is right for all but tile logs.
    pub(super) log_id: Option<At<String>>,
    /// Base64: the id of the key in checkpoints, where it differs from `logId`.
    pub(super) checkpoint_key_id: Option<At<String>>,
    /// Sigstore's name of the algorithm; the usual one for the key where it is left out.
    pub(super) key_details: Option<At<String>>,
    /// RFC 3339: entries from before do not count.
    pub(super) start: At<String>,
    /// RFC 3339: entries from after do not count.
    pub(super) end: Option<At<String>>,
    /// PEM, one block `PUBLIC KEY` (or `RSA PUBLIC KEY`).
    pub(super) public_key: At<String>,
}

/// Where to sign.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ServicesDoc {
    /// Certificate authorities.
    #[serde(default)]
    pub(super) certificate_authorities: Vec<At<ServiceDoc>>,
    /// Issuers of identity tokens.
    #[serde(default)]
    pub(super) oidc_issuers: Vec<At<ServiceDoc>>,
    /// Transparency logs.
    #[serde(default)]
    pub(super) transparency_logs: Vec<At<ServiceDoc>>,
    /// How many operators of logs are told: `any`, `all`, or a number in quotes.
    pub(super) logs_wanted: Option<At<String>>,
    /// Timestamp authorities.
    #[serde(default)]
    pub(super) timestamp_authorities: Vec<At<ServiceDoc>>,
    /// How many operators of timestamp authorities are asked: `any`, `all`, or a number in quotes.
    pub(super) timestamps_wanted: Option<At<String>>,
}

/// A service under one URL.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ServiceDoc {
    /// Its URL.
    pub(super) url: At<String>,
    /// The major version of its interface.
    pub(super) version: At<u32>,
    /// Who runs it.
    pub(super) owner: Option<At<String>>,
    /// RFC 3339: not used before.
    pub(super) start: At<String>,
    /// RFC 3339: not used after.
    pub(super) end: Option<At<String>>,
}

#[cfg(test)]
mod tests {
    use super::TrustDoc;

    /// The published schema is the one of these types. `UPDATE_SCHEMA=1 cargo test` writes it.
    #[test]
    fn the_published_schema_is_true() {
        let mut schema = serde_json::to_value(schemars::schema_for!(TrustDoc)).unwrap();
        schema["properties"]["apiVersion"]["const"] = "seaworthy.dev/v1alpha1".into();
        schema["properties"]["kind"]["const"] = "Trust".into();
        schema["$id"] = "https://seaworthy.dev/schemas/trust.v1alpha1.json".into();
        schema["title"] = "Trust".into();
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/trust.schema.json");
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert_eq!(committed, text, "run the tests with UPDATE_SCHEMA=1 and commit the schema");
    }
}
