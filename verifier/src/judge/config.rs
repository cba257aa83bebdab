//! Image configurations: fetched once where a policy asks, bounded, and judged for each platform.

use super::{Facts, Inspected, Piece, Standing};
use crate::error::Error;
use crate::evidence;
use crate::limits;
use crate::policy::Policy;
use crate::policy::image::config::Config;
use crate::policy::image::{BaseFrom, ImageRule, Judged};
use crate::policy::provenance::Summarized;
use crate::policy::provenance::read::ImageUsed;
use crate::policy::scope::Matching;
use crate::verdict::{Explanation, Refusal, RequirementVerdict, Role};
use crate::walk::Subject;
use jiff::Timestamp;
use seaworthy_oci::Source;
use std::collections::BTreeMap;

impl Inspected {
    /// Fetches the configuration of every platform, if one of `policies` asks for it.
    pub(super) async fn fetch_configs(
        &mut self,
        source: &dyn Source,
        policies: &[Matching<'_>],
    ) -> Result<(), Error> {
        if !policies.iter().any(|p| p.asks_config()) {
            return Ok(());
        }
        for subject in self.subjects.iter_mut().filter(|s| s.role != Role::Index) {
            let unreadable = |why: String| {
                let text = format!("the image configuration cannot be read: {why}");
                Explanation::new(Refusal::ConfigUnreadable, text)
            };
            let bytes = match (subject.fetched.take(), &subject.config) {
                (Some(bytes), _) => Ok(bytes),
                (None, Some(config)) => match source.blob_bytes(config, limits::IMAGE_CONFIG_BYTES).await {
                    Ok(bytes) => Ok(bytes),
                    Err(error) => match evidence::own_fault(&error, &config.digest) {
                        Some(why) => Err(unreadable(why.message).about(&config.digest)),
                        None => return Err(error.into()),
                    },
                },
                (None, None) => Err(unreadable("the manifest names none".into())),
            };
            let read = bytes.and_then(|bytes| Config::parse(&bytes).map_err(unreadable));
            self.configs.insert(subject.digest.clone(), read);
        }
        Ok(())
    }

    /// What `rule` says of the configuration of `subject`.
    pub(super) fn image(
        &self,
        policy: &Policy,
        rule: &ImageRule,
        subject: &Subject,
        pieces: &[Piece],
        now: Timestamp,
    ) -> RequirementVerdict {
        let nothing = BTreeMap::new();
        let around = self.subjects.first().filter(|s| s.role == Role::Index).map(|s| &s.annotations);
        let provenances = match &rule.base {
            Some(base) if base.from == BaseFrom::Provenance => self.bases(policy, subject, pieces),
            _ => Vec::new(),
        };
        let refusals = rule.judge(Judged {
            config: self.configs.get(&subject.digest),
            annotations: &subject.annotations,
            around: around.unwrap_or(&nothing),
            provenances: &provenances,
            now,
        });
        RequirementVerdict {
            met: refusals.is_empty(),
            refusals,
            ..RequirementVerdict::unmet("image configuration")
        }
    }

    /// The images that went into the build, by each provenance that counts for `subject` or for the index around it and
    /// fulfils the policy's rule.
    fn bases<'p>(&self, policy: &Policy, subject: &Subject, pieces: &'p [Piece]) -> Vec<&'p [ImageUsed]> {
        let Some(rule) = &policy.provenance else { return Vec::new() };
        let asked_for = self.subjects.first().map(|s| &s.digest);
        let mut all = Vec::new();
        for piece in pieces {
            if let Standing::Good { about, facts: Facts::Provenance(found), .. } = &piece.standing
                && about.iter().any(|d| *d == subject.digest || Some(d) == asked_for)
                // The level is judged with the provenance itself; here it is about what went in.
                && rule.judge(found, Summarized::Yes).is_empty()
            {
                all.push(found.images.as_slice());
            }
        }
        all
    }
}
