use super::*;

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn service(url: &str, version: u32, operator: &str, start: &str, end: Option<&str>) -> String {
    let end = end.map(|e| format!(r#","end":"{e}""#)).unwrap_or_default();
    format!(
        r#"{{"url":"{url}","majorApiVersion":{version},"validFor":{{"start":"{start}"{end}}},"operator":"{operator}"}}"#
    )
}

fn config(logs: &[String], selector: &str) -> String {
    format!(
        r#"{{"mediaType":"{SIGNING_CONFIG}","caUrls":[{}],"rekorTlogUrls":[{}],"rekorTlogConfig":{selector}}}"#,
        service("https://ca.example", 1, "a", "2020-01-01T00:00:00Z", None),
        logs.join(",")
    )
}

fn urls(selection: &Selection) -> Vec<Vec<&str>> {
    selection.groups.iter().map(|g| g.iter().map(|e| e.url.as_str()).collect()).collect()
}

const OLD: &str = "2020-01-01T00:00:00Z";
const NEW: &str = "2026-01-01T00:00:00Z";

#[test]
fn one_operator_is_one_group_and_the_newest_of_it_is_first() {
    let logs = [
        service("https://v1.a.example/", 1, "a", OLD, None),
        service("https://old.a.example/", 2, "a", OLD, None),
        service("https://new.a.example/", 2, "a", NEW, None),
        service("https://b.example/", 1, "b", OLD, None),
        service("https://over.example/", 2, "c", OLD, Some("2026-05-31T00:00:00Z")),
        service("https://future.example/", 2, "c", "2026-06-02T00:00:00Z", None),
        service("https://v3.example/", 3, "d", OLD, None),
    ];
    let any =
        Services::from_signing_config(config(&logs, r#"{"selector":"ANY"}"#).as_bytes(), now()).unwrap();
    assert_eq!(
        urls(&any.logs),
        [
            vec!["https://new.a.example/", "https://old.a.example/", "https://v1.a.example/"],
            vec!["https://b.example/"]
        ]
    );
    assert_eq!(any.logs.wanted, 1);
    let wanted = |selector: &str| {
        Services::from_signing_config(config(&logs, selector).as_bytes(), now()).map(|s| s.logs.wanted)
    };
    assert_eq!(wanted(r#"{"selector":"ALL"}"#).unwrap(), 2);
    assert_eq!(wanted(r#"{"selector":"EXACT","count":2}"#).unwrap(), 2);
    // One more than there are operators.
    assert!(wanted(r#"{"selector":"EXACT","count":3}"#).unwrap_err().to_string().contains("EXACT 3"));
    assert!(wanted(r#"{"selector":"EXACT"}"#).is_err());
    assert!(wanted("{}").unwrap_err().to_string().contains("undefined"));
}

#[test]
fn services_that_are_all_over_are_an_error_and_not_no_services() {
    let logs = [service("https://over.example/", 2, "c", OLD, Some("2026-05-31T00:00:00Z"))];
    let error = Services::from_signing_config(config(&logs, r#"{"selector":"ANY"}"#).as_bytes(), now());
    assert!(error.unwrap_err().to_string().contains("none of them is valid now"));
    let none = Services::from_signing_config(config(&[], r#"{"selector":"ANY"}"#).as_bytes(), now()).unwrap();
    assert_eq!(none.logs, Selection::default());
}

#[test]
fn the_numbers_have_a_limit_and_other_documents_are_refused() {
    let of = |n: usize| {
        let logs: Vec<_> =
            (0..n).map(|i| service(&format!("https://l{i}.example/"), 2, "", OLD, None)).collect();
        Services::from_signing_config(config(&logs, r#"{"selector":"ALL"}"#).as_bytes(), now())
    };
    assert_eq!(of(ENDPOINTS).unwrap().logs.wanted, ENDPOINTS);
    assert!(matches!(
        of(ENDPOINTS + 1).unwrap_err().kind,
        ErrorKind::LimitExceeded { limit: "ENDPOINTS", .. }
    ));
    let long = vec![b' '; CONFIG_BYTES + 1];
    let error = Services::from_signing_config(&long, now()).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::LimitExceeded { limit: "CONFIG_BYTES", .. }));
    let other = config(&[], "{}").replace("v0.2+json", "v0.1+json");
    assert!(Services::from_signing_config(other.as_bytes(), now()).is_err());
}

#[test]
fn a_client_trust_config_holds_both() {
    let json = format!(
        r#"{{"mediaType":"{TRUST_CONFIG}","trustedRoot":{{"mediaType":"x"}},"signingConfig":{}}}"#,
        config(&[], "{}")
    );
    let read = TrustConfig::from_json(json.as_bytes(), now()).unwrap();
    assert_eq!(read.trusted_root, r#"{"mediaType":"x"}"#);
    assert_eq!(read.services.authorities.wanted, 1);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let _ = Services::from_signing_config(&bytes, now());
        let _ = TrustConfig::from_json(&bytes, now());
    }
}
