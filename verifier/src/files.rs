//! Reading the administrator's files: bounded, and with the path in every message.

use std::io::Read;
use std::path::Path;

/// The text of the file at `path`, if it is at most `limit` bytes.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String, String> {
    let shown = path.display();
    let file = std::fs::File::open(path).map_err(|e| format!("cannot read {shown}: {e}"))?;
    let mut text = String::new();
    file.take(limit + 1).read_to_string(&mut text).map_err(|e| format!("cannot read {shown}: {e}"))?;
    if text.len() as u64 > limit {
        return Err(format!("cannot read {shown}: larger than {limit} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn limit_plus_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(super::read_text(&path, 5).unwrap(), "12345");
        assert!(super::read_text(&path, 4).unwrap_err().contains("larger than 4"));
        assert!(super::read_text(&dir.path().join("y"), 4).unwrap_err().contains("cannot read"));
    }
}
