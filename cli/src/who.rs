//! Who may sign, and what must be proven besides, as the flags of `verify` and `verify-blob` say it.
//!
//! Named as cosign names them. One difference cannot be switched off: a pattern must match the whole text, and
//! one that leaves open whose host or domain it is about is refused (docs/reference/policy.md).

use crate::exit::{Exit, Failure, Outcome};
use crate::pki_args::PrivateCas;
use clap::Args;
use seaworthy_oci::OpenOptions;
use seaworthy_verifier::{Asked, Authority, Claim, IdentityError, IdentityRule, Quorum, Trust};
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

    /// What is asked for, if anything is.
    fn rule(&self) -> Outcome<Option<IdentityRule>> {
        let name = |exact: &Option<String>, pattern: &Option<String>| -> Option<(bool, String)> {
            let exact = exact.clone().map(|text| (true, text));
            exact.or_else(|| pattern.clone().map(|text| (false, text)))
        };
        let identity = name(&self.certificate_identity, &self.certificate_identity_regexp);
        let issuer = name(&self.certificate_oidc_issuer, &self.certificate_oidc_issuer_regexp);
        let claims = [
            (Claim::Workflow, &self.certificate_github_workflow_name),
            (Claim::Ref, &self.certificate_github_workflow_ref),
            (Claim::Repository, &self.certificate_github_workflow_repository),
            (Claim::Sha, &self.certificate_github_workflow_sha),
            (Claim::Trigger, &self.certificate_github_workflow_trigger),
        ];
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

/// Everybody whom the flags name; `otherwise` is the trusted root if they name none.
pub(crate) async fn authorities(
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
