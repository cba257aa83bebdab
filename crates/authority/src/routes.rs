//! Which path is what: the APIs of Fulcio (v2), Rekor (v2, tiles), RFC 3161 timestamps and an OIDC issuer.
//!
//! A path that is not listed is 404, a known one with another method 405, and nothing else is looked at.

use crate::folder::Log;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Certificate,
    TrustBundle,
    Configuration,
    Entry,
    Checkpoint(Which),
    Tile(Which, Tile),
    Timestamp,
    TimestampChain,
    Discovery,
    Keys,
    TrustedRoot,
    SigningConfig,
    Health,
    Ready,
    Metrics,
}

/// One of the two logs, as it is now or as it was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Which {
    pub(crate) kind: Log,
    /// The number of a log that was closed; `None` for the one that is written.
    pub(crate) closed: Option<u32>,
}

/// A tile of a log (C2SP tlog-tiles).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tile {
    /// The level of hashes; `None` for the entries themselves.
    pub(crate) level: Option<u32>,
    pub(crate) index: u64,
    /// 256, or fewer for a partial tile.
    pub(crate) width: u64,
}

impl Route {
    /// The route of a path, and whether it is one that changes something (POST) or not (GET).
    pub(crate) fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/api/v2/signingCert" => Self::Certificate,
            "/api/v2/trustBundle" => Self::TrustBundle,
            "/api/v2/configuration" => Self::Configuration,
            "/api/v2/log/entries" => Self::Entry,
            "/api/v1/timestamp" => Self::Timestamp,
            "/api/v1/timestamp/certchain" => Self::TimestampChain,
            "/.well-known/openid-configuration" => Self::Discovery,
            "/keys" => Self::Keys,
            "/trusted_root.json" => Self::TrustedRoot,
            "/signing_config.json" => Self::SigningConfig,
            "/healthz" => Self::Health,
            "/readyz" => Self::Ready,
            "/metrics" => Self::Metrics,
            _ => {
                let (which, rest) = log_of(path)?;
                match rest {
                    "checkpoint" => Self::Checkpoint(which),
                    _ => Self::Tile(which, tile(rest.strip_prefix("tile/")?)?),
                }
            }
        })
    }

    pub(crate) fn is_post(self) -> bool {
        matches!(self, Self::Certificate | Self::Entry | Self::Timestamp)
    }

    /// The label in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::TrustBundle => "trust-bundle",
            Self::Configuration => "configuration",
            Self::Entry => "entry",
            Self::Checkpoint(_) => "checkpoint",
            Self::Tile(..) => "tile",
            Self::Timestamp => "timestamp",
            Self::TimestampChain => "timestamp-chain",
            Self::Discovery => "discovery",
            Self::Keys => "keys",
            Self::TrustedRoot => "trusted-root",
            Self::SigningConfig => "signing-config",
            Self::Health => "healthz",
            Self::Ready => "readyz",
            Self::Metrics => "metrics",
        }
    }
}

fn digits(text: &str) -> Option<&str> {
    text.bytes().all(|b| b.is_ascii_digit()).then_some(text)
}

/// Which log a path is below: `/api/v2/` and `/ct/`, those that are written; `/log/N/api/v2/` and `/ct/N/`, those that
/// were closed.
fn log_of(path: &str) -> Option<(Which, &str)> {
    let numbered = |rest: &'_ str| -> Option<u32> {
        let number: u32 = digits(rest)?.parse().ok()?;
        (number > 0 && number.to_string() == rest).then_some(number)
    };
    let of = |kind, closed| Which { kind, closed };
    if let Some(rest) = path.strip_prefix("/api/v2/") {
        return Some((of(Log::Signatures, None), rest));
    }
    if let Some((number, rest)) = path.strip_prefix("/log/").and_then(|rest| rest.split_once("/api/v2/")) {
        return Some((of(Log::Signatures, Some(numbered(number)?)), rest));
    }
    let rest = path.strip_prefix("/ct/")?;
    match rest.split_once('/').and_then(|(number, rest)| Some((numbered(number)?, rest))) {
        Some((number, rest)) => Some((of(Log::Certificates, Some(number)), rest)),
        None => Some((of(Log::Certificates, None), rest)),
    }
}

/// `<level|entries>/<index>[.p/<width>]`, the index in groups of three digits, all but the last with an x.
fn tile(text: &str) -> Option<Tile> {
    let (level, rest) = text.split_once('/')?;
    let level = match level {
        "entries" => None,
        level => {
            let number: u32 = digits(level)?.parse().ok()?;
            // One form of each number, so that caches hold one copy.
            (number < 8 && number.to_string() == level).then_some(Some(number))?
        }
    };
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => {
            let number: u64 = digits(width)?.parse().ok()?;
            let partial = (1..256).contains(&number) && number.to_string() == width;
            (index, partial.then_some(number)?)
        }
        None => (rest, 256),
    };
    let mut groups = index.split('/').rev();
    let mut number: u64 = digits(groups.next().filter(|group| group.len() == 3)?)?.parse().ok()?;
    let mut scale: u64 = 1;
    let mut first = None;
    for (position, group) in groups.enumerate() {
        // Four groups are 10^12 tiles, far beyond LOG_ENTRIES.
        let group = group.strip_prefix('x').filter(|group| group.len() == 3 && position < 3)?;
        let value: u64 = digits(group)?.parse().ok()?;
        scale *= 1_000;
        number += value * scale;
        first = Some(value);
    }
    (first != Some(0)).then_some(Tile { level, index: number, width })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_that_were_closed_have_a_number() {
        let found = |path: &str| match Route::of(path) {
            Some(Route::Checkpoint(which)) => Some((which.kind, which.closed)),
            Some(Route::Tile(which, tile)) => {
                assert_eq!((tile.level, tile.index, tile.width), (Some(0), 0, 5));
                Some((which.kind, which.closed))
            }
            _ => None,
        };
        for (path, kind, closed) in [
            ("/api/v2/", Log::Signatures, None),
            ("/log/1/api/v2/", Log::Signatures, Some(1)),
            ("/ct/", Log::Certificates, None),
            ("/ct/12/", Log::Certificates, Some(12)),
        ] {
            assert_eq!(found(&format!("{path}checkpoint")), Some((kind, closed)), "{path}");
            assert_eq!(found(&format!("{path}tile/0/000.p/5")), Some((kind, closed)), "{path}");
        }
        for bad in [
            "/log/checkpoint",
            "/log/0/api/v2/checkpoint",
            "/log/01/api/v2/checkpoint",
            "/ct/0/checkpoint",
            "/ct/x/checkpoint",
        ] {
            assert_eq!(Route::of(bad), None, "{bad}");
        }
    }

    #[test]
    fn tiles_have_one_name() {
        let some = |text: &str| tile(text).map(|t| (t.level, t.index, t.width));
        assert_eq!(some("0/000"), Some((Some(0), 0, 256)));
        assert_eq!(some("entries/x001/234.p/7"), Some((None, 1_234, 7)));
        assert_eq!(some("3/x001/x234/067"), Some((Some(3), 1_234_067, 256)));
        for bad in [
            "0",
            "0/",
            "0/0",
            "0/0000",
            "0/x000/001",
            "00/000",
            "8/000",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/07",
            "0/001/001",
            "0/x1/001",
            "e/000",
            "0/+01",
            "0/x001/x001/x001/x001/001",
            "0/000/",
        ] {
            assert_eq!(some(bad), None, "{bad}");
        }
    }
}
