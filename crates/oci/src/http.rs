//! What every HTTP client of this project has in common: how a failure is told, which hosts are this machine,
//! and how long is waited before another try.
//!
//! Nothing here talks to anybody. Texts that come back are an outsider's, and are made safe for a terminal.

use std::error::Error as _;
use std::time::Duration;
use url::Url;

/// Characters of an outsider's text that are shown.
pub const SHOWN_CHARS: usize = 300;

/// An outsider's text as it may be shown: one line, no control characters, at most [`SHOWN_CHARS`].
pub fn escaped(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(SHOWN_CHARS) {
        // Quotes read better plain, and harm nobody.
        if matches!(c, '"' | '\'') { shown.push(c) } else { shown.extend(c.escape_debug()) }
    }
    shown
}

/// The cause at the bottom: the outer layers say only that sending failed, and repeat the URL.
pub fn innermost(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut next: Option<&dyn std::error::Error> = error.source();
    while let Some(error) = next {
        text = error.to_string();
        next = error.source();
    }
    if text.is_empty() { "the HTTP client failed".into() } else { escaped(&text) }
}

/// Whether `url` leads to this machine, by its name alone: nothing is looked up.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Something between half of `duration` and all of it, so that clients that failed together do not come back
/// together.
pub fn jitter(duration: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    duration.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}

/// The wait after try number `tried`: `first` after the first one, doubled each time up to `most`, with
/// [`jitter`].
pub fn backoff(first: Duration, tried: u32, most: Duration) -> Duration {
    jitter(first.saturating_mul(1 << tried.saturating_sub(1).min(16)).min(most))
}

/// The value of `Retry-After`, as seconds or as an HTTP date (RFC 9110 section 10.2.3), seen from `now`.
pub fn retry_after(text: &str, now: jiff::Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let then = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_in_both_forms() {
        let now: jiff::Timestamp = "1994-11-06T08:49:30Z".parse().unwrap();
        let parse = |text| retry_after(text, now).map(|d| d.as_secs());
        assert_eq!(parse("7"), Some(7));
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7));
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:20 GMT"), Some(0));
        assert_eq!(parse("-1"), None);
        assert_eq!(parse("soon"), None);
    }

    #[test]
    fn waits_double_up_to_the_most_and_never_fall_below_half() {
        let ms = Duration::from_millis;
        for (tried, whole) in [(1, 100), (2, 200), (4, 800), (5, 1000), (u32::MAX, 1000)] {
            let wait = backoff(ms(100), tried, ms(1000));
            assert!(wait >= ms(whole / 2) && wait <= ms(whole), "{tried}: {wait:?}");
        }
    }

    #[test]
    fn this_machine_by_its_names() {
        let here = |url: &str| is_loopback(&url.parse().unwrap());
        for yes in ["http://localhost", "http://a.localhost:1", "http://127.8.9.1", "http://[::1]:9"] {
            assert!(here(yes), "{yes}");
        }
        for no in ["http://localhost.example", "http://128.0.0.1", "http://[::2]", "http://127.0.0.1.example"]
        {
            assert!(!here(no), "{no}");
        }
    }

    #[test]
    fn texts_of_outsiders_stay_on_one_short_line() {
        assert_eq!(escaped("no\u{1b}[2J\nway \u{202e} 'yes'"), r"no\u{1b}[2J\nway \u{202e} 'yes'");
        assert_eq!(escaped(&"y".repeat(SHOWN_CHARS + 1)).len(), SHOWN_CHARS);
    }
}
