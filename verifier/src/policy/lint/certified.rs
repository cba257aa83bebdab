//! `certificateAuthorities` of a policy: the files of a private PKI and whom it has to certify.

use super::super::model::{At, CertificateAuthoritiesDoc, CertificateNameDoc};
use super::Lint;
use crate::authority::Authority;
use crate::pki::{
    CertificateAuthorities, CertificateAuthoritiesBuilder, CertificateName, Certified, PkiError,
};
use std::path::Path;

type Files = At<Vec<At<String>>>;
type Add = fn(&mut CertificateAuthoritiesBuilder, &Path) -> Result<(), PkiError>;

impl Lint<'_> {
    /// The authority behind `doc`, or nothing where anything is wrong with it.
    pub(in crate::policy) fn private_pki(
        &mut self,
        name: &str,
        at: &At<CertificateAuthoritiesDoc>,
    ) -> Option<Authority> {
        let doc = at.get();
        let before = self.problems.len();
        let mut builder = CertificateAuthorities::builder();
        let lists: [(&str, Option<&Files>, Add); 3] = [
            ("roots", Some(&doc.roots), CertificateAuthoritiesBuilder::roots),
            ("intermediates", doc.intermediates.as_ref(), CertificateAuthoritiesBuilder::intermediates),
            ("crls", doc.crls.as_ref(), CertificateAuthoritiesBuilder::crls),
        ];
        for (what, files, add) in lists {
            let Some(files) = files else { continue };
            if files.get().is_empty() {
                self.say(
                    files,
                    format!("an empty list of {what} has no effect"),
                    "name a file, or leave it out",
                );
            }
            for file in files.get() {
                let Some(path) = self.file(file) else { continue };
                if let Err(error) = add(&mut builder, &path) {
                    self.say(
                        file,
                        error.to_string(),
                        "give a file in PEM or DER, relative to the policy file",
                    );
                }
            }
        }
        if doc.identities.get().is_empty() {
            self.say(
                &doc.identities,
                "without an identity, everybody whom the roots certify could sign",
                "name who may sign: email, uri, dns or subject",
            );
        }
        let mut names: Vec<CertificateName> = Vec::new();
        for at in doc.identities.get() {
            match self.certificate_name(at) {
                Some(found) if names.contains(&found) => {
                    self.say(at, "the same identity twice", "leave one of them out");
                }
                found => names.extend(found),
            }
        }
        let trust = match &doc.trusted_root {
            Some(path) => Some(self.trust(path)?),
            None => None,
        };
        if self.problems.len() > before {
            return None;
        }
        match builder.build() {
            Ok(authorities) => {
                let certified = Certified { authorities, names, oidc_issuer: None };
                Some(Authority::certified(name, certified, trust))
            }
            Err(error) => {
                self.say(at, error.to_string(), "name the roots that you trust");
                None
            }
        }
    }

    fn certificate_name(&mut self, at: &At<CertificateNameDoc>) -> Option<CertificateName> {
        let doc = at.get();
        type Make = fn(String) -> CertificateName;
        let kinds: [(&Option<At<String>>, Make); 4] = [
            (&doc.email, CertificateName::Email),
            (&doc.uri, CertificateName::Uri),
            (&doc.dns, CertificateName::Dns),
            (&doc.subject, CertificateName::Subject),
        ];
        let mut given = kinds.iter().filter_map(|(text, make)| text.as_ref().map(|text| (text, make)));
        let (Some((text, make)), None) = (given.next(), given.next()) else {
            self.say(at, "an identity is one of email, uri, dns and subject", "write several list entries");
            return None;
        };
        if text.get().trim().is_empty() || text.get().chars().any(char::is_control) {
            self.say(text, "an empty name can never match", "write it exactly as in the certificate");
            return None;
        }
        if text.get().contains('*') {
            self.say(text, "names are compared exactly; a * in one can never match", "write the whole name");
            return None;
        }
        Some(make(text.get().clone()))
    }
}
