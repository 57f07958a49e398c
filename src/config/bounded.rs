//! Reads small text files: configurations and secrets.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The maximum size of a file. A configuration is thousands of times smaller.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Reads a file that must contain text.
///
/// # Errors
/// Returns the reason why the file cannot be used: unreadable, too large, not UTF-8 or empty.
pub(super) fn read(file: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(|error| format!("cannot be read: {error}"))?;
    let read = opened.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("is larger than {} KiB", MAX_FILE_BYTES >> 10));
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())?;
    if text.trim().is_empty() { Err("is empty".to_owned()) } else { Ok(text) }
}

/// Reads a secret. One line end after it is ignored.
///
/// # Errors
/// Returns the reason why the file cannot be used.
pub(super) fn read_secret(file: &Path) -> Result<String, String> {
    let text = read(file)?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.contains('\n') {
        return Err("has more than one line: it must contain the value only".to_owned());
    }
    Ok(secret.to_owned())
}
