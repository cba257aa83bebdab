//! The policy file as it is written: names of fields, and where in the file each value stands.
//!
//! The shape is that of a Kubernetes resource (`metadata`, `spec`, camelCase, lists of objects), so that the
//! same document can later be one. Unknown fields are errors; what the fields mean is decided in `lint`.
//! `docs/reference/policy.schema.json` is generated from these types, descriptions included.

use super::Mode;
use super::conditions::ConditionDoc;
use super::image::ImageDoc;
use super::provenance::ProvenanceDoc;
use super::supply::{AllowDoc, SuppliersDoc};
use super::vulnerabilities::VulnerabilitiesDoc;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A value and the place where it stands.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct At<T>(seaworthy_yaml::Spanned<T>);

impl<T> At<T> {
    pub(crate) fn line(&self) -> u64 {
        self.0.place.line
    }
    pub(crate) fn column(&self) -> u64 {
        self.0.place.column
    }
    pub(crate) fn get(&self) -> &T {
        &self.0.value
    }
}

#[cfg(test)]
impl<T: schemars::JsonSchema> schemars::JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}

/// A Seaworthy policy for images.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ImagePolicy {
    /// Always `seaworthy.dev/v1alpha1`.
    pub(super) api_version: At<String>,
    /// `ImagePolicy`, or `ClusterImagePolicy` for one that can belong to no namespace.
    pub(super) kind: At<String>,
    /// What the policy is called.
    pub(super) metadata: Metadata,
    /// What it says.
    pub(super) spec: At<Spec>,
}

/// What a policy is called.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Metadata {
    /// A name of lower-case letters, digits, `-` and `.`, unique among the policies that are used together.
    pub(super) name: At<String>,
    /// The namespace that the policy belongs to: it applies there alone, and only adds to what other policies ask.
    pub(super) namespace: Option<At<String>>,
    /// Labels, for Kubernetes. They decide nothing.
    #[serde(default, rename = "labels")]
    pub(super) _labels: BTreeMap<String, String>,
    /// Annotations, for Kubernetes. They decide nothing.
    #[serde(default, rename = "annotations")]
    pub(super) _annotations: BTreeMap<String, String>,
}

/// What a policy says.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Spec {
    /// What a "no" does: `enforce` denies, `warn` allows and warns, `audit` allows and records.
    #[serde(default)]
    pub(super) mode: Mode,
    /// Other modes for some namespaces and registries; of several that apply, the strictest counts.
    pub(super) modes: Option<At<Vec<At<ModeDoc>>>>,
    /// For which namespaces, by name, with `*` for any characters; all if left out.
    pub(super) namespaces: Option<At<Vec<At<String>>>>,
    /// `nothing`: the images of this policy come in unjudged, if no other policy asks for something.
    pub(super) requires: Option<At<String>>,
    /// For which images: patterns over canonical names without tag and digest, `*` within a component, `**` for
    /// one or more components.
    pub(super) images: At<Vec<At<String>>>,
    /// Who may sign.
    #[serde(default)]
    pub(super) authorities: Vec<At<AuthorityDoc>>,
    /// Signatures that the image must have, all of them.
    pub(super) signatures: Option<At<Vec<At<SignatureDoc>>>>,
    /// Attestations that the image must have, all of them.
    pub(super) attestations: Option<At<Vec<At<AttestationDoc>>>>,
    /// What the SBOM of each platform must be like.
    pub(super) sbom: Option<At<SbomDoc>>,
    /// Built by whom, from which source, how well (SLSA provenance).
    pub(super) provenance: Option<At<ProvenanceDoc>>,
    /// What the configuration of each platform must be like.
    pub(super) image: Option<At<ImageDoc>>,
    /// What vulnerability scans of each platform may find.
    pub(super) vulnerabilities: Option<At<VulnerabilitiesDoc>>,
    /// Conditions in CEL that the image of each platform must meet, all of them (feature `cel`).
    pub(super) conditions: Option<At<Vec<At<ConditionDoc>>>>,
}

/// Another mode for some places.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ModeDoc {
    /// Namespaces by name, with `*` for any characters; all if left out.
    pub(super) namespaces: Option<At<Vec<At<String>>>>,
    /// Registries, as `host`, `host:port` or `*.domain`; all if left out.
    pub(super) registries: Option<At<Vec<At<String>>>>,
    /// The mode there.
    pub(super) mode: At<Mode>,
}

/// Somebody who may sign: keys, a keyring, a keyless identity, or whoever a private PKI certifies.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AuthorityDoc {
    /// The name that rules use.
    pub(super) name: At<String>,
    /// Public keys; a signature by any of them is the authority's.
    pub(super) keys: Option<At<Vec<At<KeyDoc>>>>,
    /// The keys of a trust file, instead of `keys`: who takes over from whom, and when, is said there.
    pub(super) keyring: Option<At<KeyringDoc>>,
    /// With `keys` or `keyring`: a transparency log must hold the signature; the older way to write `trustedRoot` with
    /// `transparency: required`.
    pub(super) transparency_log: Option<At<LogDoc>>,
    /// With `keys`: the sigstore `trusted_root.json` of logs and timestamp authorities, relative to the policy
    /// file, or `public-good`, `staging` or `github`.
    pub(super) trusted_root: Option<At<String>>,
    /// A keyless identity.
    pub(super) keyless: Option<At<KeylessDoc>>,
    /// Transparency logs that must hold the signature: `none`, `required`, or `n-of-m` distinct ones of the trusted
    /// root. `required` if left out, where there is a trusted root.
    pub(super) transparency: Option<At<String>>,
    /// RFC 3161 timestamps on the signature: `none`, `required`, or `n-of-m` distinct authorities of the trusted
    /// root. If left out, `required` for `keyless` with `transparency: none`.
    pub(super) timestamp: Option<At<String>>,
    /// Whoever a private PKI certifies.
    pub(super) certificate_authorities: Option<At<CertificateAuthoritiesDoc>>,
}

/// A private PKI: certificates that lead to roots of one's own.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CertificateAuthoritiesDoc {
    /// Files with the root certificates, relative to the policy file, PEM or DER.
    pub(super) roots: At<Vec<At<String>>>,
    /// Files with certificates between a root and the signers. They are trusted for nothing by themselves.
    pub(super) intermediates: Option<At<Vec<At<String>>>>,
    /// Files with revocation lists, PEM or DER. With any, every certificate below the root needs one that is in date.
    pub(super) crls: Option<At<Vec<At<String>>>>,
    /// Who may sign.
    pub(super) identities: At<Vec<At<CertificateNameDoc>>>,
    /// A sigstore `trusted_root.json`, relative to the policy file: its timestamp authorities or logs must prove when
    /// something was signed. Without it, certificates count as long as they are valid.
    pub(super) trusted_root: Option<At<String>>,
}

/// A name in a certificate, compared exactly: one of the four.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CertificateNameDoc {
    /// A mail address among the subject alternative names.
    pub(super) email: Option<At<String>>,
    /// A URI among the subject alternative names.
    pub(super) uri: Option<At<String>>,
    /// A DNS name among the subject alternative names.
    pub(super) dns: Option<At<String>>,
    /// The subject, as RFC 4514 writes it: `CN=Release,O=Example`.
    pub(super) subject: Option<At<String>>,
}

/// A public key (PEM, P-256 or Ed25519) and the time for which it is trusted.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeyDoc {
    /// A PEM file, relative to the policy file.
    pub(super) path: Option<At<String>>,
    /// The PEM text itself.
    pub(super) data: Option<At<String>>,
    /// RFC 3339: signatures made before do not count.
    pub(super) not_before: Option<At<String>>,
    /// RFC 3339: signatures made after do not count.
    pub(super) not_after: Option<At<String>>,
}

/// A keyring of a trust file (`seaworthy trust`).
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeyringDoc {
    /// The trust file, relative to the policy file.
    pub(super) trust: At<String>,
    /// The keyring's name in it.
    pub(super) name: At<String>,
}

/// A transparency log.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LogDoc {
    /// A sigstore `trusted_root.json` or a trust file, relative to the policy file.
    pub(super) trusted_root: At<String>,
}

/// A keyless identity: what its certificate must say.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeylessDoc {
    /// The OpenID Connect issuer, exactly.
    pub(super) issuer: Option<At<String>>,
    /// Instead of `issuer`: a regular expression that must match the whole of it.
    pub(super) issuer_regexp: Option<At<String>>,
    /// The certificate's subject alternative name, exactly: a mail address or URI.
    pub(super) identity: Option<At<String>>,
    /// Instead of `identity`: a regular expression that must match the whole of it.
    pub(super) identity_regexp: Option<At<String>>,
    /// What the certificate must say about the CI run: `repository`, `workflow`, `ref`, `trigger`, `sha`, `runner`,
    /// `environment`, `repositoryId`, `ownerId`, `visibility`.
    pub(super) claims: Option<At<BTreeMap<String, At<String>>>>,
    /// A sigstore `trusted_root.json` or a trust file, relative to the policy file, or `public-good`, `staging` or
    /// `github`.
    pub(super) trusted_root: At<String>,
}

/// A signature that the image must have.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SignatureDoc {
    /// Names of authorities.
    pub(super) by: Option<At<Vec<At<String>>>>,
    /// How many distinct signers among them; 1 if left out.
    pub(super) threshold: Option<At<u32>>,
}

/// An attestation that the image must have.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AttestationDoc {
    /// The predicate type: `sbom` (either format), `spdx`, `cyclonedx`, `slsaprovenance1`, `slsaprovenance02`,
    /// `vuln`, `openvex`, `link`, `custom`, or a URI.
    #[serde(rename = "type")]
    pub(super) kind: At<String>,
    /// Names of authorities.
    pub(super) by: Option<At<Vec<At<String>>>>,
    /// How many distinct signers among them; 1 if left out.
    pub(super) threshold: Option<At<u32>>,
}

/// What the SBOM of each platform must be like.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SbomDoc {
    /// Names of authorities.
    pub(super) by: Option<At<Vec<At<String>>>>,
    /// How many distinct signers among them; 1 if left out.
    pub(super) threshold: Option<At<u32>>,
    /// How old the newest good SBOM may be: `30d`, `12h`, `2w`.
    pub(super) max_age: Option<At<String>>,
    /// What no SBOM by these signers may list.
    pub(super) deny: Option<At<DenyDoc>>,
    /// What every SBOM by these signers may list, and nothing else.
    pub(super) allow: Option<At<AllowDoc>>,
    /// Who may supply what these SBOMs list.
    pub(super) suppliers: Option<At<SuppliersDoc>>,
    /// What one SBOM by these signers must have.
    pub(super) require: Option<At<RequireDoc>>,
}

/// What an SBOM may not list.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DenyDoc {
    /// Packages.
    pub(super) packages: Option<At<Vec<At<PackageDoc>>>>,
    /// SPDX licence ids; `GPL-3.0-*` for a family.
    pub(super) licenses: Option<At<Vec<At<String>>>>,
}

/// A package: by `purl`, or by `ecosystem` and `name`.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PackageDoc {
    /// A package URL without qualifiers.
    pub(super) purl: Option<At<String>>,
    /// `deb`, `apk`, `rpm`, `pypi`, `npm`, `maven`, `golang`, `cargo`, `gem`, `nuget`, `composer`,
    /// or the type of another ecosystem's purls: `alpm`, `conda`, `cran`, `hex`, ….
    pub(super) ecosystem: Option<At<String>>,
    /// The name as the ecosystem writes it.
    pub(super) name: Option<At<String>>,
    /// Which versions, in the ecosystem's own order: `<1.2`, `>=1.0, <2.0`, `<1 || >=2, <3`. All if left out.
    pub(super) versions: Option<At<String>>,
}

/// What an SBOM must have.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RequireDoc {
    /// A set of minimum elements: `ntia`, `cisa`, `bsi` (TR-03183-2 v2.1) or `telco` (OpenChain guide 1.1).
    pub(super) minimum_elements: Option<At<String>>,
}

#[cfg(test)]
mod tests {
    use super::super::exceptions::PolicyException;
    use super::ImagePolicy;

    /// The published schemas are those of these types. `UPDATE_SCHEMA=1 cargo test` writes them.
    #[test]
    fn the_published_schemas_are_true() {
        let of_policy = schemars::schema_for!(ImagePolicy);
        let of_exception = schemars::schema_for!(PolicyException);
        for (schema, kinds, name) in [
            (of_policy, vec!["ImagePolicy", "ClusterImagePolicy"], "policy"),
            (of_exception, vec!["PolicyException"], "exception"),
        ] {
            let mut schema = serde_json::to_value(schema).unwrap();
            schema["properties"]["apiVersion"]["const"] = "seaworthy.dev/v1alpha1".into();
            schema["properties"]["kind"]["enum"] = kinds.into();
            schema["$id"] = format!("https://seaworthy.dev/schemas/{name}.v1alpha1.json").into();
            let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
            let path = format!("{}/../docs/reference/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
            if std::env::var_os("UPDATE_SCHEMA").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            let committed = std::fs::read_to_string(path).unwrap_or_default();
            assert_eq!(committed, text, "run the tests with UPDATE_SCHEMA=1 and commit the schema");
        }
    }
}
