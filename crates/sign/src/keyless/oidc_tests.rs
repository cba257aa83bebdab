use super::*;

fn token(claims: &str) -> String {
    format!("eyJhbGciOiJub25lIn0.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
}

fn parse(claims: &str) -> Result<Token> {
    Token::parse(Secret::from(token(claims)))
}

fn detect(given: Option<&str>, provider: Option<Provider>, env: &[(&str, &str)]) -> Result<TokenSource> {
    let env = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    TokenSource::detect(Wanted { given, provider, env: &env, ambient: Ambient::Asked, login: None })
}

#[test]
fn what_is_signed_as_proof_is_the_verified_address_or_the_subject() {
    let subject = |claims: &str| parse(claims).and_then(|t| t.proof_subject().map(str::to_owned));
    assert_eq!(subject(r#"{"iss":"i","sub":"s","exp":9}"#).unwrap(), "s");
    assert_eq!(
        subject(r#"{"iss":"i","sub":"s","exp":9,"email":"a@b","email_verified":true}"#).unwrap(),
        "a@b"
    );
    assert_eq!(
        subject(r#"{"iss":"i","sub":"s","exp":9,"email":"a@b","email_verified":"true"}"#).unwrap(),
        "a@b"
    );
    assert!(subject(r#"{"iss":"i","sub":"s","exp":9,"email":"a@b"}"#).is_err());
    assert!(subject(r#"{"iss":"i","sub":"s","exp":9,"email":"a@b","email_verified":"yes"}"#).is_err());
    assert!(subject(r#"{"iss":"i","exp":9}"#).is_err());
}

#[test]
fn a_token_is_over_before_it_is_over() {
    let token = parse(r#"{"iss":"i","sub":"s","exp":1000,"nbf":900}"#).unwrap();
    assert!(token.check(1000 - EXPIRY_MARGIN - 1).is_ok());
    assert!(token.check(1000 - EXPIRY_MARGIN).is_err());
    assert!(token.check(840).is_ok());
    assert!(token.check(839).is_err());
}

#[test]
fn only_tokens_are_tokens() {
    for text in ["", "a.b", "a.b.c.d", "eyJ.!!.x", "..", "\u{fffd}.e30.x"] {
        assert!(Token::parse(Secret::from(text)).is_err(), "{text}");
    }
    // No issuer, no expiry, a claim twice.
    assert!(parse(r#"{"sub":"s","exp":9}"#).is_err());
    assert!(parse(r#"{"iss":"i","sub":"s"}"#).is_err());
    assert!(parse(r#"{"iss":"i","iss":"j","sub":"s","exp":9}"#).is_err());
    let long = "x".repeat(TOKEN_BYTES + 1);
    let error = Token::parse(Secret::from(long)).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::LimitExceeded { limit: "TOKEN_BYTES", .. }));
}

#[test]
fn a_token_is_never_printed() {
    let text = token(r#"{"iss":"https://i.example","sub":"s","exp":9}"#);
    let parsed = Token::parse(Secret::from(text.as_str())).unwrap();
    assert!(!format!("{parsed:?}").contains("eyJ"));
    let source = detect(Some(&text), None, &[]).unwrap();
    assert!(!format!("{source:?}").contains("eyJ"));
    // A token that is broken is not taken for the name of a file, which an error would print.
    let error = detect(Some("eyJhbGciOiJub25lIn0.e30.x"), None, &[]).unwrap_err();
    assert!(!format!("{error:?}").contains("eyJ"));
}

#[test]
fn sources_are_found_in_a_fixed_order_and_one_can_be_named() {
    let given = token(r#"{"iss":"i","sub":"s","exp":9}"#);
    let github =
        [("ACTIONS_ID_TOKEN_REQUEST_URL", "https://t.example/?a=b"), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "x")];
    let env = [&github[..], &[("SIGSTORE_ID_TOKEN", "y"), ("CIRCLE_OIDC_TOKEN_V2", "z")]].concat();
    assert!(matches!(detect(Some(&given), None, &env).unwrap(), TokenSource::Given(_)));
    assert!(matches!(detect(Some("token.jwt"), None, &env).unwrap(), TokenSource::File(_)));
    assert!(matches!(detect(None, None, &env).unwrap(), TokenSource::Given(_)));
    assert!(matches!(detect(None, None, &github).unwrap(), TokenSource::Github { .. }));
    let one = |p, env: &[(&str, &str)]| detect(None, Some(p), env);
    assert!(matches!(one(Provider::GithubActions, &env).unwrap(), TokenSource::Github { .. }));
    assert!(matches!(
        one(Provider::Google, &[("GCE_METADATA_HOST", "127.0.0.1:9")]).unwrap(),
        TokenSource::Google { .. }
    ));
    assert!(matches!(one(Provider::Spiffe, &[("SPIFFE_JWT_SVID_FILE", "f")]).unwrap(), TokenSource::File(_)));
    assert!(matches!(
        one(Provider::Buildkite, &[("BUILDKITE_AGENT_ACCESS_TOKEN", "t")]).unwrap(),
        TokenSource::Agent(Agent::Buildkite)
    ));
    assert!(one(Provider::Buildkite, &env).is_err());
    // Half of what GitHub sets is nothing.
    assert!(one(Provider::GithubActions, &github[..1]).is_err());
    assert!(one(Provider::CircleCi, &[("CIRCLE_OIDC_TOKEN_V2", "")]).is_err());
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[a-zA-Z0-9._-]{0,120}") {
        let _ = Token::parse(Secret::from(text.as_str()));
    }
}
