//! Who may sign, and what must be proven besides, as the flags of `verify` and `verify-blob` say it.
//!
//! Named as cosign names them. One difference cannot be switched off: a pattern must match the whole text, and
//! one that leaves open whose host or domain it is about is refused (docs/reference/policy.md).

use crate::exit::{Exit, Failure, Outcome};
use crate::pki_args::PrivateCas;
use clap::Args;
use seaworthy_oci::OpenOptions;
use seaworthy_verifier::trust_file::{Line, Named, TrustedIdentity};
use seaworthy_verifier::{Asked, Authority, Claim, IdentityError, IdentityRule, ImageName, Quorum, Trust};
use std::path::{Path, PathBuf};

/// What the signer's certificate must say.
#[derive(Debug, Args)]
#[group(id = "certificate", multiple = true)]
pub(crate) struct Certificate {
    /// Identity that must have signed, exactly as in the certificate
    #[arg(long, value_name = "IDENTITY", conflicts_with = "certificate_identity_regexp")]
    pub(crate) certificate_identity: Option<String>,
    /// Instead: a regular expression that must match the whole identity
    #[arg(long, value_name = "REGEXP")]
    pub(crate) certificate_identity_regexp: Option<String>,
    /// Issuer that must have vouched for the identity; not needed with --ca-roots or --certificate-chain
    #[arg(long, value_name = "URL", conflicts_with = "certificate_oidc_issuer_regexp")]
    pub(crate) certificate_oidc_issuer: Option<String>,
    /// Instead: a regular expression that must match the whole issuer
    #[arg(long, value_name = "REGEXP")]
    pub(crate) certificate_oidc_issuer_regexp: Option<String>,
    /// Workflow that must have run: its name, or its file as .github/workflows/NAME.yml
    #[arg(long, value_name = "NAME")]
    pub(crate) certificate_github_workflow_name: Option<String>,
    /// Branch or tag that it must have run for: refs/heads/main
    #[arg(long, value_name = "REF")]
    pub(crate) certificate_github_workflow_ref: Option<String>,
    /// Repository that it must have run in: owner/name, or its URL
    #[arg(long, value_name = "REPOSITORY")]
    pub(crate) certificate_github_workflow_repository: Option<String>,
    /// Commit that it must have run for
    #[arg(long, value_name = "SHA")]
    pub(crate) certificate_github_workflow_sha: Option<String>,
    /// Event that must have started it: push
    #[arg(long, value_name = "EVENT")]
    pub(crate) certificate_github_workflow_trigger: Option<String>,
}

/// What must be proven besides the signature.
#[derive(Debug, Args)]
pub(crate) struct Proofs {
    /// Trusted root of certificates, logs and timestamps: a file (trusted_root.json), or public-good, staging or
    /// github, which come with this program. For identities, public-good without it
    #[arg(long, value_name = "FILE|NAME")]
    pub(crate) trusted_root: Option<PathBuf>,
    /// Transparency logs of the trusted root that must hold the signature: none, required, or N-of-M distinct
    /// ones. Required without it, where there is a trusted root
    #[arg(long, value_name = "LOGS")]
    pub(crate) transparency: Option<Quorum>,
    /// Timestamps that must be on the signature: none, required, or by N-of-M distinct authorities. Required
    /// without it for identities where no log is
    #[arg(long, value_name = "STAMPS")]
    pub(crate) timestamp: Option<Quorum>,
}

impl Certificate {
    /// Identity and issuer where they are given exactly.
    fn exact(&self) -> (Option<&str>, Option<&str>) {
        (self.certificate_identity.as_deref(), self.certificate_oidc_issuer.as_deref())
    }

    /// Whether anything else is asked for.
    fn more_than_exact(&self) -> bool {
        [
            &self.certificate_identity_regexp,
            &self.certificate_oidc_issuer_regexp,
            &self.certificate_github_workflow_name,
            &self.certificate_github_workflow_ref,
            &self.certificate_github_workflow_repository,
            &self.certificate_github_workflow_sha,
            &self.certificate_github_workflow_trigger,
        ]
        .iter()
        .any(|value| value.is_some())
    }

    /// The identity as an entry of a trust file.
    pub(crate) fn named(&self, name: &str, owner: Option<String>) -> Outcome<TrustedIdentity> {
        let named = |exact: &Option<String>, pattern: &Option<String>| {
            let pattern = || pattern.clone().map(Named::Regexp);
            exact.clone().map(Named::Exact).or_else(pattern)
        };
        let (Some(identity), Some(issuer)) = (
            named(&self.certificate_identity, &self.certificate_identity_regexp),
            named(&self.certificate_oidc_issuer, &self.certificate_oidc_issuer_regexp),
        ) else {
            return Err(Failure::usage("an identity is whom a certificate names, and by whose word")
                .hint("give --certificate-identity and --certificate-oidc-issuer"));
        };
        let claims = self.claims().into_iter();
        let claims =
            claims.filter_map(|(claim, value)| Some((claim.name().to_owned(), value.clone()?))).collect();
        let found =
            TrustedIdentity { name: name.to_owned(), owner, issuer, identity, claims, line: Line::default() };
        found.rule().map_err(|(why, hint)| Failure::usage(why).hint(hint))?;
        Ok(found)
    }

    fn claims(&self) -> [(Claim, &Option<String>); 5] {
        [
            (Claim::Workflow, &self.certificate_github_workflow_name),
            (Claim::Ref, &self.certificate_github_workflow_ref),
            (Claim::Repository, &self.certificate_github_workflow_repository),
            (Claim::Sha, &self.certificate_github_workflow_sha),
            (Claim::Trigger, &self.certificate_github_workflow_trigger),
        ]
    }

    /// What is asked for, if anything is.
    fn rule(&self) -> Outcome<Option<IdentityRule>> {
        let name = |exact: &Option<String>, pattern: &Option<String>| -> Option<(bool, String)> {
            let exact = exact.clone().map(|text| (true, text));
            exact.or_else(|| pattern.clone().map(|text| (false, text)))
        };
        let identity = name(&self.certificate_identity, &self.certificate_identity_regexp);
        let issuer = name(&self.certificate_oidc_issuer, &self.certificate_oidc_issuer_regexp);
        let claims = self.claims();
        let (identity, issuer) = match (&identity, &issuer) {
            (Some(identity), Some(issuer)) => (asked(identity), asked(issuer)),
            (None, None) if claims.iter().all(|(_, value)| value.is_none()) => return Ok(None),
            (Some(_), None) => {
                return Err(Failure::usage(
                    "--certificate-identity says who, and nothing says by whose word",
                )
                .hint("give --certificate-oidc-issuer"));
            }
            (None, _) => {
                return Err(Failure::usage("nothing says whose certificate it must be")
                    .hint("give --certificate-identity and --certificate-oidc-issuer"));
            }
        };
        let mut rule = IdentityRule::new(issuer, identity).map_err(|e| refused(&e))?;
        for (claim, value) in claims {
            if let Some(value) = value {
                rule = rule.claiming(claim, value).map_err(|e| refused(&e))?;
            }
        }
        Ok(Some(rule))
    }
}

fn asked((exact, text): &(bool, String)) -> Asked<'_> {
    if *exact { Asked::Exact(text) } else { Asked::Regexp(text) }
}

fn refused(error: &IdentityError) -> Failure {
    Failure::usage(error).hint(error.hint.clone())
}

impl Proofs {
    /// Whether anything is said here.
    pub(crate) fn any(&self) -> bool {
        self.trusted_root.is_some() || self.transparency.is_some() || self.timestamp.is_some()
    }

    /// The same for somebody of a trust file: an identity has its root already.
    pub(crate) fn demand_of_file(&self, authority: Authority) -> Outcome<Authority> {
        if self.transparency.is_none() && self.timestamp.is_none() && authority.has_trust() {
            return Ok(authority);
        }
        self.demand(authority)
    }

    pub(crate) fn demand(&self, authority: Authority) -> Outcome<Authority> {
        authority
            .demanding(self.transparency, self.timestamp)
            .map_err(|error| Failure::usage(&error).hint(error.hint.clone()))
    }
}

/// The root that `--trusted-root` names: a file, or one that comes with the program.
pub(crate) fn trusted_root(named: &Path) -> Outcome<Trust> {
    let found = match named.to_str() {
        Some(name) => Trust::named(name, Path::new("")),
        None => Trust::load(named),
    };
    found.map_err(|why| Failure::new(Exit::Local, why).hint("a file, or one of public-good, staging, github"))
}

/// Trust files, for commands that verify.
#[derive(Debug, Args)]
pub(crate) struct TrustFiles {
    /// Trust file: a key of its keyrings or an identity in it must have signed; with --certificate-identity, that
    /// identity, by the authorities and logs of the file. Several at once: by any of them
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "trusted_root"])]
    pub(crate) trust: Vec<PathBuf>,
    /// Of the trust files, this keyring or identity alone; several at once
    #[arg(long, value_name = "NAME", requires = "trust", conflicts_with = "certificate")]
    pub(crate) keyring: Vec<String>,
}

/// Who counts, for commands that look and do not judge.
#[derive(Debug, Args)]
pub(crate) struct Counted {
    /// Public key to check signatures with: a PEM file, env://VARIABLE, NAME://RESOURCE or pkcs11:…
    #[arg(long, value_name = "KEY", conflicts_with = "certificate")]
    pub(crate) key: Vec<PathBuf>,
    /// Policy file: the signers of those of its policies that match the image
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "certificate", "trust", "trusted_root"])]
    pub(crate) policy: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) files: TrustFiles,
    #[command(flatten)]
    pub(crate) certificate: Certificate,
    #[command(flatten)]
    pub(crate) cas: PrivateCas,
    #[command(flatten)]
    pub(crate) proofs: Proofs,
}

impl Counted {
    /// Whether anybody is named.
    pub(crate) fn is_given(&self) -> bool {
        let named = !self.key.is_empty() || !self.policy.is_empty() || !self.files.trust.is_empty();
        let (identity, issuer) = self.certificate.exact();
        let certificate = identity.is_some() || issuer.is_some() || self.certificate.more_than_exact();
        named || certificate || self.cas.is_given() || self.proofs.any()
    }

    /// Everybody who counts for the image `name`.
    pub(crate) async fn authorities(
        &self,
        name: &ImageName,
        options: &OpenOptions,
    ) -> Outcome<Vec<Authority>> {
        if !self.policy.is_empty() {
            if self.cas.is_given() || self.proofs.any() {
                return Err(Failure::usage("roots and proofs have no effect beside --policy")
                    .hint("name them in the policy"));
            }
            let policies = crate::commands::policy::load(&self.policy)?;
            let matching = policies.policies.iter().filter(|policy| policy.matches(name));
            let found: Vec<Authority> = matching.flat_map(|policy| policy.authorities().to_vec()).collect();
            if found.is_empty() {
                return Err(Failure::usage(format!("no policy of these files matches {name}"))
                    .hint("its `images` say which images a policy is about"));
            }
            return Ok(found);
        }
        if !self.is_given() {
            return Ok(Vec::new());
        }
        let found =
            authorities(&self.key, &self.certificate, &self.cas, &self.proofs, &self.files, options).await?;
        if found.is_empty() {
            return Err(Failure::usage("a root without a signer: nobody is named")
                .hint("give --certificate-identity with --certificate-oidc-issuer, or --key"));
        }
        Ok(found)
    }
}

/// Everybody whom the flags name. A trust file is a trusted root for identities and keys of the flags; where they name
/// nobody, its own keyrings and identities count.
pub(crate) async fn authorities(
    keys: &[PathBuf],
    certificate: &Certificate,
    cas: &PrivateCas,
    proofs: &Proofs,
    files: &TrustFiles,
    options: &OpenOptions,
) -> Outcome<Vec<Authority>> {
    let roots: Vec<Option<&Path>> = match files.trust.as_slice() {
        [] => vec![None],
        files => files.iter().map(|file| Some(file.as_path())).collect(),
    };
    let mut found: Vec<Authority> = Vec::new();
    for root in &roots {
        let mut more = by_flags(keys, certificate, cas, proofs, *root, options).await?;
        if let (true, Some(path)) = (more.is_empty(), root) {
            // A name that only some of the files have is meant there.
            let names: Vec<String> = match roots.len() {
                1 => files.keyring.clone(),
                _ => crate::commands::trust::known(path, &files.keyring)?,
            };
            if names.is_empty() && !files.keyring.is_empty() {
                continue;
            }
            for authority in crate::commands::trust::authorities(path, &names)? {
                more.push(proofs.demand_of_file(authority)?);
            }
        }
        for authority in more {
            // Several files may have a keyring of one name.
            let same =
                found.iter().filter(|a| a.name().split(" of ").next() == Some(authority.name())).count();
            found.push(match (same, root) {
                (1.., Some(path)) => {
                    let name = format!("{} of {}", authority.name(), path.display());
                    authority.named(name)
                }
                _ => authority,
            });
        }
    }
    if found.is_empty() && !files.keyring.is_empty() {
        return Err(Failure::usage(format!("no trust file has {}", files.keyring.join(" or ")))
            .hint("`seaworthy trust show FILE` lists them"));
    }
    Ok(found)
}

async fn by_flags(
    keys: &[PathBuf],
    certificate: &Certificate,
    cas: &PrivateCas,
    proofs: &Proofs,
    otherwise: Option<&Path>,
    options: &OpenOptions,
) -> Outcome<Vec<Authority>> {
    let exact = certificate.exact();
    let private = cas.certified(exact.0, exact.1)?;
    if private.is_some() && certificate.more_than_exact() {
        return Err(Failure::usage("patterns and workflows are not asked of a private PKI")
            .hint("give --certificate-identity, as it stands in the certificate"));
    }
    let rule = if private.is_some() { None } else { certificate.rule()? };
    let trust = proofs.trusted_root.as_deref().or(otherwise).map(trusted_root).transpose()?;
    let mut found = Vec::new();
    for authority in crate::keys::authorities(keys, options).await? {
        let authority = match &trust {
            Some(trust) => authority.trusting(trust.clone()),
            None => authority,
        };
        found.push(proofs.demand(authority)?);
    }
    if let Some(private) = private {
        if !found.is_empty() {
            return Err(Failure::usage("a key and --ca-roots cannot both be asked for"));
        }
        return Ok(vec![proofs.demand(Authority::certified("certificate", private, trust))?]);
    }
    if let Some(rule) = rule {
        let trust = match trust {
            Some(trust) => trust,
            None => Trust::public_good().map_err(|why| Failure::new(Exit::Local, why))?,
        };
        found.push(proofs.demand(Authority::keyless("identity", rule, trust))?);
    }
    Ok(found)
}
