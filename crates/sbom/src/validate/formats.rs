//! The formats that the schemas ask of strings: times (RFC 3339), IRIs (RFC 3987), URIs (RFC 3986), mail addresses.
//!
//! Also the values of XML Schema's types (Part 2, second edition) that have another shape than those.
//!
//! They decide shape alone: whether somebody can be reached there is another question. A format that is not known is an
//! error of the schemas, found by a test.

/// Whether `text` is of `format`; `None`: no such format is known.
pub(super) fn conforms(format: &str, text: &str) -> Option<bool> {
    Some(match format {
        "date-time" => is_date_time(text),
        "date" => is_date(text),
        "iri-reference" => is_reference(text, Letters::International),
        "uri" => text.contains(':') && scheme(text).is_some() && is_reference(text, Letters::Ascii),
        // As the reference library reads it: RFC 6531 allows nearly everything around the sign.
        "idn-email" => text.contains('@'),
        _ => return None,
    })
}

/// RFC 3339, section 5.6, without leap seconds.
fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_once(['T', 't']) else { return false };
    let Some(clock) = time.get(..8) else { return false };
    let clock_is_good = clock.bytes().enumerate().all(|(i, b)| match i {
        2 | 5 => b == b':',
        _ => b.is_ascii_digit(),
    }) && number(clock, 0) < 24
        && number(clock, 3) < 60
        && number(clock, 6) < 60;
    let rest = time.get(8..).unwrap_or_default();
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
        None => rest,
    };
    let zone_is_good = match zone.as_bytes() {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', a, b, b':', c, d] => {
            [a, b, c, d].iter().all(|digit| digit.is_ascii_digit())
                && number(zone, 1) < 24
                && number(zone, 4) < 60
        }
        _ => false,
    };
    is_date(date) && clock_is_good && zone_is_good
}

/// XML Schema, 3.2.7 and 3.2.9: a date, and with `T` a time of day; years of four digits or more, 24:00:00 for the end of a
/// day, a zone of up to 14 hours or none.
pub(super) fn is_xml_time(text: &str, shape: XmlTime) -> bool {
    let (zoneless, zone) = match text.strip_suffix('Z') {
        Some(rest) => (rest, ""),
        None => match text.len().checked_sub(6).and_then(|at| text.split_at_checked(at)) {
            Some((rest, zone)) if zone.starts_with(['+', '-']) && zone.get(3..4) == Some(":") => (rest, zone),
            _ => (text, ""),
        },
    };
    let zone_is_good = zone.is_empty()
        || zone.bytes().skip(1).enumerate().all(|(i, b)| i == 2 || b.is_ascii_digit())
            && number(zone, 4) < 60
            && number(zone, 1) * 60 + number(zone, 4) <= 14 * 60;
    let (date, time) = match (shape, zoneless.split_once('T')) {
        (XmlTime::Date, None) => (zoneless, None),
        (XmlTime::DateTime, Some((date, time))) => (date, Some(time)),
        _ => return false,
    };
    zone_is_good && is_xml_date(date) && time.is_none_or(is_xml_clock)
}

/// Which of XML Schema's two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum XmlTime {
    Date,
    DateTime,
}

fn is_xml_date(text: &str) -> bool {
    let years = text.strip_prefix('-').unwrap_or(text);
    let Some((year, rest)) = years.split_at_checked(years.len().saturating_sub(6)) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let long = year.len() > 4 && !year.starts_with('0') || year.len() == 4 && year != "0000";
    let [b'-', _, _, b'-', _, _] = rest.as_bytes() else { return false };
    if !digits(year) || !long || !rest.get(1..3).is_some_and(digits) || !rest.get(4..6).is_some_and(digits) {
        return false;
    }
    // Four digits say of any year whether it is a leap year: 10,000 is a multiple of 400. The year before the first is -1.
    let last: u32 = year.get(year.len() - 4..).and_then(|y| y.parse().ok()).unwrap_or_default();
    let year = if years.len() == text.len() { last } else { (last + 9_999) % 10_000 };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match number(rest, 1) {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&number(rest, 4))
}

fn is_xml_clock(text: &str) -> bool {
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let [h, i, b':', m, n, b':', s, t] = clock.as_bytes() else { return false };
    let fraction_is_good = fraction.is_none_or(|f| !f.is_empty() && f.bytes().all(|b| b.is_ascii_digit()));
    if ![h, i, m, n, s, t].iter().all(|b| b.is_ascii_digit()) || !fraction_is_good {
        return false;
    }
    let (hour, minute, second) = (number(clock, 0), number(clock, 3), number(clock, 6));
    let last =
        hour == 24 && minute == 0 && second == 0 && fraction.is_none_or(|f| f.bytes().all(|b| b == b'0'));
    last || hour < 24 && minute < 60 && second < 60
}

/// XML Schema, 3.2.17: a reference by RFC 2396 and RFC 2732, once what those do not know is escaped (XLink 1.0, 5.4).
pub(super) fn is_any_uri(text: &str) -> bool {
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    // RFC 2732 has brackets in queries and fragments, RFC 3986 has not.
    let written = format!("{rest}?{query}#{fragment}");
    let escaped: String = written
        .char_indices()
        .map(|(at, c)| match c {
            '[' | ']' if at > rest.len() => '_',
            c if c <= ' ' || c >= '\u{7f}' || "<>\"{}|\\^`".contains(c) => '_',
            c => c,
        })
        .collect();
    is_reference(&escaped, Letters::Ascii)
}

/// The two digits at `at`.
fn number(text: &str, at: usize) -> u32 {
    text.get(at..at + 2).and_then(|digits| digits.parse().ok()).unwrap_or(u32::MAX)
}

/// RFC 3339, full-date: a day that the calendar has.
fn is_date(text: &str) -> bool {
    let shape = text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| match i {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    shape && !text.starts_with("0000") && text.parse::<jiff::civil::Date>().is_ok()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Letters {
    Ascii,
    International,
}

/// The scheme before the first colon, if it is one.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let mut bytes = scheme.bytes();
    let good = bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    good.then_some(scheme)
}

/// RFC 3986, section 4.1, and RFC 3987, section 2.2.
fn is_reference(text: &str, letters: Letters) -> bool {
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let first = text.get(..end).unwrap_or_default();
    let rest = match (first.contains(':'), scheme(text)) {
        (false, _) => text,
        (true, Some(scheme)) => text.get(scheme.len() + 1..).unwrap_or_default(),
        (true, None) => return false,
    };
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            if !is_authority(authority, letters) {
                return false;
            }
            path
        }
        None => rest,
    };
    all(path, ":@/", letters, Private::No)
        && all(query, ":@/?", letters, Private::Yes)
        && all(fragment, ":@/?", letters, Private::No)
}

fn is_authority(text: &str, letters: Letters) -> bool {
    let (user, place) = text.rsplit_once('@').unwrap_or(("", text));
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let Some((literal, port)) = rest.split_once(']') else { return false };
            let future = literal.strip_prefix(['v', 'V']).is_some_and(|rest| {
                rest.split_once('.').is_some_and(|(version, rest)| {
                    !version.is_empty()
                        && version.bytes().all(|b| b.is_ascii_hexdigit())
                        && !rest.is_empty()
                        && !rest.contains('%')
                        && all(rest, ":", Letters::Ascii, Private::No)
                })
            });
            if !future && literal.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("", port)
        }
        None => match place.split_once(':') {
            Some((host, _)) => (host, place.get(host.len()..).unwrap_or_default()),
            None => (place, ""),
        },
    };
    let port_is_good =
        port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    all(user, ":", letters, Private::No) && all(host, "", letters, Private::No) && port_is_good
}

/// Whether the characters for private use may stand there, too (RFC 3987: in queries).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Private {
    Yes,
    No,
}

/// Whether all is unreserved, a sub-delimiter, percent-encoded or among `more`.
fn all(text: &str, more: &str, letters: Letters, private: Private) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let good = match c {
            '%' => {
                let hex = |c: Option<char>| c.is_some_and(|c| c.is_ascii_hexdigit());
                hex(chars.next()) && hex(chars.next())
            }
            c if c.is_ascii() => {
                c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=".contains(c) || more.contains(c)
            }
            c => {
                letters == Letters::International && (is_ucs(c) || (private == Private::Yes && is_private(c)))
            }
        };
        if !good {
            return false;
        }
    }
    true
}

/// `ucschar` of RFC 3987.
fn is_ucs(c: char) -> bool {
    let code = u32::from(c);
    match code {
        0xa0..=0xd7ff | 0xf900..=0xfdcf | 0xfdf0..=0xffef => true,
        0xe_0000..=0xe_0fff => false,
        0x1_0000..=0xe_ffff => code & 0xffff <= 0xfffd,
        _ => false,
    }
}

/// `iprivate` of RFC 3987.
fn is_private(c: char) -> bool {
    let code = u32::from(c);
    matches!(code, 0xe000..=0xf8ff) || (code >= 0xf_0000 && code & 0xffff <= 0xfffd)
}

#[cfg(test)]
mod tests {
    use super::{XmlTime, conforms, is_any_uri, is_xml_time};

    #[test]
    fn times_are_those_of_the_calendar() {
        for (text, wanted) in [
            ("2020-01-01T00:00:00Z", true),
            ("2020-01-01t23:59:59z", true),
            ("2020-02-29T12:00:00.123+01:00", true),
            ("2021-02-29T12:00:00Z", false),
            ("2020-13-01T00:00:00Z", false),
            ("2020-01-01T24:00:00Z", false),
            ("2020-01-01T00:00:60Z", false),
            ("2020-01-01T00:00:00", false),
            ("2020-01-01T00:00:00.Z", false),
            ("2020-01-01T00:00:00+24:00", false),
            ("2020-01-01 00:00:00Z", false),
            ("", false),
            ("2020-01-01T0é:00:00Z", false),
        ] {
            assert_eq!(conforms("date-time", text), Some(wanted), "{text}");
        }
        assert_eq!(conforms("date", "2024-02-29"), Some(true));
        assert_eq!(conforms("date", "2024-2-29"), Some(false));
    }

    /// Part 2 of XML Schema, with libxml2's answers beside it where both were asked.
    #[test]
    fn xml_times_are_those_of_xml_schema() {
        for (text, wanted) in [
            ("2020-01-01T00:00:00Z", true),
            ("2020-01-01T00:00:00", true),
            ("2020-01-01T24:00:00Z", true),
            ("2020-01-01T24:00:00.0Z", true),
            ("2020-01-01T24:00:00.1Z", false),
            ("2020-01-01T24:00:01Z", false),
            ("2020-01-01T00:00:60Z", false),
            ("2021-02-29T00:00:00Z", false),
            ("1900-02-29T00:00:00Z", false),
            ("-0001-01-01T00:00:00Z", true),
            ("-0005-02-29T00:00:00Z", true),
            ("-0004-02-29T00:00:00Z", false),
            ("0000-01-01T00:00:00Z", false),
            ("12020-01-01T00:00:00Z", true),
            ("12020-02-29T00:00:00Z", true),
            ("02020-01-01T00:00:00Z", false),
            ("202-01-01T00:00:00Z", false),
            ("+2020-01-01T00:00:00Z", false),
            ("2020-01-01T00:00:00+14:00", true),
            ("2020-01-01T00:00:00-14:00", true),
            ("2020-01-01T00:00:00+14:01", false),
            ("2020-01-01T00:00:00+1:00", false),
            ("2020-01-01T00:00:00.Z", false),
            ("2020-01-01T00:00:00.123456789123", true),
            ("2020-01-01T00:00Z", false),
            ("2020-01-01t00:00:00z", false),
            ("2020-00-01T00:00:00Z", false),
            ("2020-04-31T00:00:00Z", false),
            ("2020-01-01", false),
            ("é", false),
            ("T", false),
            ("", false),
        ] {
            assert_eq!(is_xml_time(text, XmlTime::DateTime), wanted, "{text}");
        }
        for (text, wanted) in [
            ("2020-01-01", true),
            ("2020-01-01Z", true),
            ("2020-01-01-05:00", true),
            ("2020-01-01T00:00:00", false),
        ] {
            assert_eq!(is_xml_time(text, XmlTime::Date), wanted, "{text}");
        }
    }

    #[test]
    fn any_uri_takes_what_can_be_escaped() {
        for (text, wanted) in [
            ("a b", true),
            ("a|b<é>\\\"{}", true),
            ("", true),
            ("?", true),
            ("#", true),
            ("http://[::1]", true),
            ("a?[b]#[c]", true),
            ("a/[b]", false),
            ("%zz", false),
            ("%", false),
            ("a#b#c", false),
            ("1:", false),
            ("::", false),
            ("http://x:y/", false),
        ] {
            assert_eq!(is_any_uri(text), wanted, "{text}");
        }
    }

    #[test]
    fn references_are_those_of_the_grammar() {
        for (text, wanted) in [
            ("https://x.example/a?b=c#d", true),
            ("https://user:pw@x.example:80/", true),
            ("https://[::1]:8080/a", true),
            ("//x.example", true),
            ("mailto:x", true),
            ("urn:uuid:1", true),
            ("a/b:c", true),
            ("é", true),
            ("%C3%A9", true),
            ("", true),
            ("#", true),
            ("a b", false),
            ("<x>", false),
            ("%zz", false),
            ("%c", false),
            ("https://x.example/a|b", false),
            ("[", false),
            (":a", false),
            ("1:", false),
            ("http://[::1", false),
            ("http://x:y/", false),
            ("a\\b", false),
            ("a#b#c", false),
        ] {
            assert_eq!(conforms("iri-reference", text), Some(wanted), "{text}");
        }
        assert_eq!(conforms("uri", "https://x.example"), Some(true));
        assert_eq!(conforms("uri", "x.example"), Some(false));
        assert_eq!(conforms("uri", "https://x.example/é"), Some(false));
        assert_eq!(conforms("idn-email", "a@b"), Some(true));
        assert_eq!(conforms("idn-email", "a"), Some(false));
        assert_eq!(conforms("colour", "red"), None);
    }
}
