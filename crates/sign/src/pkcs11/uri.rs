//! `pkcs11:` URIs (RFC 7512): which object of which token, through which module, and where its PIN is.
//!
//! Read: `token`, `manufacturer`, `serial`, `model`, `slot-id`, `object`, `id` and `type=private` in the path;
//! `module-path` and `pin-source` in the query. Refused: attributes that are unknown or given twice, because a
//! filter that is passed over could choose another key; `module-name`, which leaves to the machine what is
//! loaded; and `pin-value`, because everybody on the machine can read a command line.

use crate::error::{Error, ErrorKind, Result};
use crate::pem::shown;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The longest URI that is looked at.
const URI_BYTES: usize = 4 << 10;

/// A key of a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uri {
    /// The token's label.
    pub(crate) token: Option<String>,
    /// The token's manufacturer.
    pub(crate) manufacturer: Option<String>,
    /// The token's serial number.
    pub(crate) serial: Option<String>,
    /// The token's model.
    pub(crate) model: Option<String>,
    /// The slot's number.
    pub(crate) slot: Option<u64>,
    /// The key's label (`CKA_LABEL`).
    pub(crate) object: Option<String>,
    /// The key's id (`CKA_ID`).
    pub(crate) id: Option<Vec<u8>>,
    module: Option<PathBuf>,
    pin: Option<PathBuf>,
    text: String,
}

impl Uri {
    /// The module to load, where the URI names it.
    pub fn module(&self) -> Option<&PathBuf> {
        self.module.as_ref()
    }

    /// The file with the PIN, where the URI names one.
    pub fn pin_source(&self) -> Option<&PathBuf> {
        self.pin.as_ref()
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn bad(why: impl Into<String>) -> Error {
    // Never the URI itself: it could hold a PIN.
    Error::new("read", "pkcs11 URI", ErrorKind::BadInput(why.into()))
        .hint("pkcs11:token=NAME;object=NAME?module-path=/path/to/module.so&pin-source=/path/to/pin")
}

fn decode(text: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| char::from(b?).to_digit(16);
        match (digit(bytes.next()), digit(bytes.next())) {
            (Some(high), Some(low)) => out.push((high << 4 | low) as u8),
            _ => return Err(bad("'%' stands before something else than two hexadecimal digits")),
        }
    }
    Ok(out)
}

fn text(name: &str, value: &str) -> Result<String> {
    let decoded = String::from_utf8(decode(value)?).map_err(|_| bad(format!("{name} is no text")))?;
    if decoded.is_empty() || decoded.contains('\0') {
        return Err(bad(format!("{name} is empty or holds a zero")));
    }
    Ok(decoded)
}

fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(bad(format!("{name} is given twice"))),
    }
}

impl FromStr for Uri {
    type Err = Error;

    fn from_str(whole: &str) -> Result<Self> {
        let rest = whole.strip_prefix("pkcs11:").ok_or_else(|| bad("it does not begin with 'pkcs11:'"))?;
        if whole.len() > URI_BYTES {
            return Err(bad(format!("it is longer than {URI_BYTES} bytes")));
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self::default();
        let pair = |part: &'_ str| -> Result<(String, String)> {
            let (name, value) = part.split_once('=').ok_or_else(|| bad("an attribute has no value"))?;
            Ok((name.to_owned(), value.to_owned()))
        };
        for part in path.split(';').filter(|p| !p.is_empty()) {
            let (name, value) = pair(part)?;
            match name.as_str() {
                "token" => once(&mut uri.token, &name, text(&name, &value)?)?,
                "manufacturer" => once(&mut uri.manufacturer, &name, text(&name, &value)?)?,
                "serial" => once(&mut uri.serial, &name, text(&name, &value)?)?,
                "model" => once(&mut uri.model, &name, text(&name, &value)?)?,
                "object" => once(&mut uri.object, &name, text(&name, &value)?)?,
                "slot-id" => {
                    let number = value.parse().map_err(|_| bad("slot-id is no number"))?;
                    once(&mut uri.slot, &name, number)?;
                }
                "id" => {
                    let id = decode(&value)?;
                    if id.is_empty() {
                        return Err(bad("id is empty"));
                    }
                    once(&mut uri.id, &name, id)?;
                }
                "type" if value == "private" => {}
                "type" => return Err(bad("its type is not private, and only a private key signs")),
                other => {
                    return Err(bad(format!("'{}' is not an attribute that is used here", shown(other))));
                }
            }
        }
        for part in query.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair(part)?;
            match name.as_str() {
                "module-path" => {
                    let path = PathBuf::from(text(&name, &value)?);
                    if !path.is_absolute() {
                        return Err(bad(
                            "module-path is not absolute, and what is loaded must not depend on a folder",
                        ));
                    }
                    once(&mut uri.module, &name, path)?;
                }
                "pin-source" => {
                    let path = text(&name, &value)?;
                    let path = path.strip_prefix("file:").unwrap_or(&path);
                    // file:///path and file:/path are the same file.
                    let path = path.strip_prefix("//").unwrap_or(path);
                    if path.starts_with('|') {
                        return Err(bad("pin-source is a command, and no command is run for it"));
                    }
                    once(&mut uri.pin, &name, PathBuf::from(path))?;
                }
                "pin-value" => {
                    return Err(bad("pin-value shows the PIN to everybody on this machine")
                        .hint("give pin-source=FILE, or set SEAWORTHY_PKCS11_PIN (or COSIGN_PKCS11_PIN)"));
                }
                "module-name" => {
                    return Err(bad("module-name does not say what is loaded; give module-path"));
                }
                other => {
                    return Err(bad(format!("'{}' is not an attribute that is used here", shown(other))));
                }
            }
        }
        if uri.object.is_none() && uri.id.is_none() {
            return Err(bad("it names no key: give object=LABEL or id=%HEX"));
        }
        uri.text = format!("pkcs11:{path}");
        Ok(uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_uri_is_read_as_rfc_7512_has_it() {
        let uri: Uri =
            "pkcs11:token=The%20Software;serial=DECAFBAD;object=release%20key;id=%69%95%3E;type=private\
                        ?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/token"
                .parse()
                .unwrap();
        assert_eq!(uri.token.as_deref(), Some("The Software"));
        assert_eq!(uri.serial.as_deref(), Some("DECAFBAD"));
        assert_eq!(uri.object.as_deref(), Some("release key"));
        assert_eq!(uri.id.as_deref(), Some(&[0x69, 0x95, 0x3e][..]));
        assert_eq!(uri.module().unwrap().to_str(), Some("/usr/lib/softhsm/libsofthsm2.so"));
        assert_eq!(uri.pin_source().unwrap().to_str(), Some("/etc/token"));
        // What people are shown ends where paths to secrets begin.
        assert!(!uri.to_string().contains("pin"), "{uri}");
        let slot: Uri = "pkcs11:slot-id=7;object=k?pin-source=file:///p".parse().unwrap();
        assert_eq!((slot.slot, slot.pin_source().unwrap().to_str()), (Some(7), Some("/p")));
    }

    #[test]
    fn what_could_choose_another_key_or_show_a_pin_is_refused() {
        for uri in [
            "pkcs11:token=t",
            "pkcs11:token=t;token=u;object=k",
            "pkcs11:object=k;vendor=x",
            "pkcs11:object=%zz",
            "pkcs11:object=%0",
            "pkcs11:object",
            "pkcs11:object=",
            "pkcs11:object=a%00b",
            "pkcs11:id=",
            "pkcs11:object=k;type=cert",
            "pkcs11:object=k?module-name=softhsm",
            "pkcs11:object=k?module-path=softhsm.so",
            "pkcs11:object=k?pin-source=%7Ccat%20/etc/passwd",
            "pkcs11:object=k;slot-id=x",
            "pkcs12:object=k",
        ] {
            assert!(matches!(uri.parse::<Uri>().unwrap_err().kind, ErrorKind::BadInput(_)), "{uri}");
        }
        let shown = "pkcs11:object=k?pin-value=geheim".parse::<Uri>().unwrap_err();
        assert!(!format!("{shown} {:?}", shown.hint).contains("geheim"));
        let long = |n: usize| format!("pkcs11:object={}", "k".repeat(n - "pkcs11:object=".len()));
        assert!(long(URI_BYTES).parse::<Uri>().is_ok());
        assert!(long(URI_BYTES + 1).parse::<Uri>().is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "pkcs11:[a-z=;?&%0-9 ]{0,60}") {
            let _ = text.parse::<Uri>();
        }
    }
}
