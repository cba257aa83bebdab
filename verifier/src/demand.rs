//! How much proof an authority's signatures need besides the signature: logs and timestamps.
//!
//! `none`, `required`, or `n-of-m`: n *distinct* logs (or timestamp authorities) out of the m that the trusted root
//! has. Distinct means another address and another key: one log that is listed twice, under two names or with an
//! old and a new key, is one (see `trust`). The m stands there for the people who read the policy; a root that has
//! another number is refused, so that a log added to a root does not quietly weaken a policy.
//!
//! Refused as well is what could never be met or has no effect: a quorum larger than what there is, a demand
//! without a trusted root, a certificate without anything that proves when it was used.

use crate::trust::Trust;
use std::fmt;
use std::str::FromStr;

/// How many of something are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Quorum {
    /// None is asked for. Of logs: none is believed either, and entries are only checked for belonging.
    #[default]
    None,
    /// One at least.
    Required,
    /// So many distinct ones.
    Of {
        /// How many.
        need: usize,
        /// Of how many in the trusted root.
        all: usize,
    },
}

impl Quorum {
    /// How many distinct ones are needed.
    pub(crate) fn need(self) -> usize {
        match self {
            Self::None => 0,
            Self::Required => 1,
            Self::Of { need, .. } => need,
        }
    }
}

impl FromStr for Quorum {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            text.parse::<usize>().ok().filter(|n| (1..=99).contains(n) && !text.starts_with(['0', '+']))
        };
        match text {
            "none" => Ok(Self::None),
            "required" => Ok(Self::Required),
            _ => match text.split_once("-of-").map(|(need, all)| (number(need), number(all))) {
                Some((Some(need), Some(all))) if need <= all => Ok(Self::Of { need, all }),
                Some((Some(need), Some(all))) => Err(format!("{need} of {all} can never be met")),
                _ => Err(format!("'{}' is not none, required or n-of-m", text.escape_debug())),
            },
        }
    }
}

impl fmt::Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Required => f.write_str("required"),
            Self::Of { need, all } => write!(f, "{need}-of-{all}"),
        }
    }
}

/// What is asked for besides the signature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Demands {
    pub(crate) transparency: Quorum,
    pub(crate) timestamp: Quorum,
}

/// What is wrong with a demand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct DemandError {
    /// Which of the two it is about.
    pub about: About,
    /// What is wrong.
    pub why: String,
    /// What to do.
    pub hint: String,
}

/// The two demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Transparency logs.
    Transparency,
    /// Timestamp authorities.
    Timestamp,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transparency => "transparency",
            Self::Timestamp => "timestamp",
        })
    }
}

/// By what somebody signs: certificates need a proven time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Key,
    Certificate,
}

impl Demands {
    /// The demands as somebody wrote them, completed and checked against `trust`.
    ///
    /// Without a word about logs, one is asked for wherever there is a trusted root. Without a word about
    /// timestamps, one is asked for where a certificate has nothing else that proves when it was used.
    pub(crate) fn complete(
        by: By,
        trust: Option<&Trust>,
        transparency: Option<Quorum>,
        timestamp: Option<Quorum>,
    ) -> Result<Self, DemandError> {
        let error = |about, why: String, hint: &str| Err(DemandError { about, why, hint: hint.to_owned() });
        let transparency = transparency.unwrap_or(match trust {
            Some(_) => Quorum::Required,
            None => Quorum::None,
        });
        let timestamp = timestamp.unwrap_or(match (by, transparency) {
            (By::Certificate, Quorum::None) => Quorum::Required,
            _ => Quorum::None,
        });
        let wanted = Self { transparency, timestamp };
        let Some(trust) = trust else {
            for (about, quorum) in [(About::Transparency, transparency), (About::Timestamp, timestamp)] {
                if quorum != Quorum::None {
                    return error(
                        about,
                        format!("{about}: {quorum} cannot be met without a trusted root"),
                        "name the trusted root that has the logs and timestamp authorities",
                    );
                }
            }
            return Ok(wanted);
        };
        for (about, quorum, there, what) in [
            (About::Transparency, transparency, trust.logs(), "transparency logs"),
            (About::Timestamp, timestamp, trust.timestamp_authorities(), "timestamp authorities"),
        ] {
            match quorum {
                Quorum::Of { all, .. } if all != there => {
                    return error(
                        about,
                        format!("{about}: {quorum}, and the trusted root has {there} distinct {what}"),
                        "write the number that there is, after a look at the trusted root",
                    );
                }
                Quorum::Required if there == 0 => {
                    return error(
                        about,
                        format!(
                            "{about} is required, and the trusted root has no {what}: nobody could meet it"
                        ),
                        match about {
                            About::Transparency => {
                                "say transparency: none if no log is wanted, or name another root"
                            }
                            About::Timestamp => "name a trusted root with timestamp authorities",
                        },
                    );
                }
                _ => {}
            }
        }
        if wanted == Self::default() {
            return match by {
                By::Certificate => error(
                    About::Timestamp,
                    "neither log nor timestamp: nothing would prove when a certificate was used".into(),
                    "say timestamp: required, or leave it out",
                ),
                By::Key => error(
                    About::Transparency,
                    "neither log nor timestamp is asked for: the trusted root has no effect".into(),
                    "leave out the trusted root, or ask for one of them",
                ),
            };
        }
        Ok(wanted)
    }
}

impl Demands {
    /// What a private PKI asks for: by its own word as an identity does; without a word, that a log or timestamp of its
    /// trusted root, if it has one, proves when.
    pub(crate) fn of_private_pki(
        trust: Option<&Trust>,
        transparency: Option<Quorum>,
        timestamp: Option<Quorum>,
    ) -> Result<Self, DemandError> {
        if transparency.is_none() && timestamp.is_none() {
            return Ok(Self::default());
        }
        // A root of timestamps alone can only mean them.
        let logs = trust.is_some_and(|trust| trust.logs() > 0);
        let transparency = transparency.or_else(|| (!logs).then_some(Quorum::None));
        let Some(trust) = trust else {
            let about = if transparency.is_some_and(|q| q != Quorum::None) || timestamp.is_none() {
                About::Transparency
            } else {
                About::Timestamp
            };
            return Err(DemandError {
                about,
                why: format!("{about} has no effect for a private PKI without a trusted root"),
                hint: "name the trusted root that has the logs and timestamp authorities".into(),
            });
        };
        Self::complete(By::Certificate, Some(trust), transparency, timestamp)
    }

    /// Whether what logs say counts: not where timestamps alone are asked for.
    pub(crate) fn believes_logs(self) -> bool {
        self.transparency != Quorum::None || self.timestamp == Quorum::None
    }
}

impl fmt::Display for Demands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "transparency {}, timestamp {}", self.transparency, self.timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorums_are_read_and_written() {
        for good in ["none", "required", "1-of-1", "2-of-3", "99-of-99"] {
            assert_eq!(good.parse::<Quorum>().unwrap().to_string(), good);
        }
        for bad in
            ["", "0-of-1", "2-of-1", "1-of-100", "01-of-2", "+1-of-2", "1-of-", "of", "all", "2", "-1-of-2"]
        {
            assert!(bad.parse::<Quorum>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_has_no_effect_or_cannot_be_met_is_refused() {
        let public = Trust::public_good().unwrap();
        let github = Trust::embedded("github").unwrap().unwrap();
        let (none, required) = (Some(Quorum::None), Some(Quorum::Required));
        let of = |need, all| Some(Quorum::Of { need, all });
        let complete = Demands::complete;
        for (by, trust, transparency, timestamp, words) in [
            (By::Key, None, required, None, "without a trusted root"),
            (By::Key, None, None, required, "without a trusted root"),
            (By::Key, Some(&public), none, None, "no effect"),
            (By::Key, Some(&public), none, none, "no effect"),
            (By::Key, Some(&github), None, None, "nobody could meet it"),
            (By::Certificate, Some(&github), None, None, "nobody could meet it"),
            (By::Certificate, Some(&public), none, none, "prove when"),
            (By::Certificate, Some(&public), of(2, 3), None, "has 2 distinct"),
            (By::Certificate, Some(&public), None, of(1, 2), "has 1 distinct"),
            (By::Certificate, Some(&github), of(1, 1), None, "has 0 distinct"),
        ] {
            let error = complete(by, trust, transparency, timestamp).unwrap_err();
            assert!(error.why.contains(words) && !error.hint.is_empty(), "{words}: {error:?}");
        }
        let shown = |by, trust, a, b| complete(by, trust, a, b).unwrap().to_string();
        assert_eq!(shown(By::Key, None, None, None), "transparency none, timestamp none");
        assert_eq!(shown(By::Key, None, none, none), "transparency none, timestamp none");
        assert_eq!(shown(By::Key, Some(&public), None, None), "transparency required, timestamp none");
        assert_eq!(shown(By::Key, Some(&public), none, required), "transparency none, timestamp required");
        assert_eq!(
            shown(By::Certificate, Some(&github), none, None),
            "transparency none, timestamp required"
        );
        // GitHub lists one authority six times, with one certificate after the other.
        assert_eq!(github.timestamp_authorities(), 1);
        assert_eq!(
            shown(By::Certificate, Some(&public), of(2, 2), of(1, 1)),
            "transparency 2-of-2, timestamp 1-of-1"
        );
    }
}
