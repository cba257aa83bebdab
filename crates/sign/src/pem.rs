//! PEM blocks, as far as key files need them (RFC 7468, and the headers of RFC 1421 where old keys have
//! them).
//!
//! Text before and after a block is skipped, as OpenSSL writes it there. Refused: blocks without an end, an
//! end of another label, and anything in the body that is no base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// A block: its label, whether it is encrypted by old headers, and its bytes.
pub(crate) struct Block {
    pub(crate) label: String,
    pub(crate) old_encryption: bool,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

/// The blocks of `text`, in order.
pub(crate) fn blocks(text: &[u8]) -> Result<Vec<Block>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is no text".to_owned())?;
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|l| l.strip_suffix("-----")) else {
            continue;
        };
        let end = format!("-----END {label}-----");
        let mut body = Zeroizing::new(String::with_capacity(text.len()));
        let mut old_encryption = false;
        loop {
            match lines.next() {
                None => return Err(format!("the block '{}' has no end", shown(label))),
                Some(line) if line == end => break,
                Some(line) if line.starts_with("-----") => {
                    return Err(format!("the block '{}' ends with '{}'", shown(label), shown(line)));
                }
                Some(line) if line.contains(':') => old_encryption |= line.contains("ENCRYPTED"),
                Some(line) => body.push_str(line),
            }
        }
        let der = STANDARD
            .decode(body.as_bytes())
            .map_err(|e| format!("the block '{}' holds bad base64: {e}", shown(label)))?;
        found.push(Block { label: label.to_owned(), old_encryption, der: Zeroizing::new(der) });
    }
    Ok(found)
}

/// `der` as a block, with lines of 64 characters.
pub(crate) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    // Room for everything, so that no half-filled buffer is left behind unwiped.
    let mut text = Zeroizing::new(String::with_capacity(body.len() + body.len() / 64 + 2 * label.len() + 64));
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// An outsider's text in a message: short and escaped.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(60).collect::<String>().escape_debug().to_string()
}
