//! PEM files of certificates and revocation lists (RFC 7468): several blocks, text between them, one label.

use super::PkiError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Every block `label` of `text`, in its order. Blocks with other labels are refused: a private key in a file of
/// roots is a mistake that should be heard of.
pub(super) fn blocks(text: &str, label: &str, origin: &str) -> Result<Vec<Vec<u8>>, PkiError> {
    let bad = |why: String| PkiError::new(format!("{origin}: {why}"));
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let (name, after) =
            after.split_once("-----").ok_or_else(|| bad("a PEM block without an end".into()))?;
        if name != label {
            let name: String = name.chars().take(40).collect();
            return Err(bad(format!("a PEM block '{}', not '{label}'", name.escape_debug())));
        }
        let (body, after) = after
            .split_once(&format!("-----END {label}-----"))
            .ok_or_else(|| bad("a PEM block without an end".into()))?;
        let body: String = body.split_ascii_whitespace().collect();
        found.push(STANDARD.decode(body).map_err(|e| bad(format!("a PEM block is no base64: {e}")))?);
        rest = after;
    }
    Ok(found)
}

/// The DER values of a file: PEM blocks `label`, or one value in DER.
pub(super) fn values(bytes: Vec<u8>, label: &str, origin: &str) -> Result<Vec<Vec<u8>>, PkiError> {
    // DER of both begins with a SEQUENCE, which no text does ('0' aside, and that is no PEM).
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes]);
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| PkiError::new(format!("{origin}: neither PEM nor DER of a {label}")))?;
    let found = blocks(&text, label, origin)?;
    if found.is_empty() {
        return Err(PkiError::new(format!("{origin}: there is no PEM block '{label}' in it")));
    }
    Ok(found)
}
