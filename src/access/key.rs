//! API keys: `fwk_<id>_<secret>`.
//!
//! The secret has 256 random bits, so a plain SHA-256 digest of it can be stored: nobody can find a
//! secret by trying.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::ValidationError;

const PREFIX: &str = "fwk_";
const SECRET_BYTES: usize = 32;
/// The length of a secret as text, in characters.
const SECRET_CHARS: usize = 43;
/// The number of random bytes of a new id, which is written in hexadecimal.
const ID_BYTES: usize = 6;
const MAX_ID_CHARS: usize = 32;

/// An API key as a caller sends it.
pub struct ApiKey {
    id: String,
    secret: String,
}

impl ApiKey {
    /// Creates a key with a random id and a random secret.
    #[must_use]
    pub fn generate() -> Self {
        let (id, secret): ([u8; ID_BYTES], [u8; SECRET_BYTES]) = (rand::random(), rand::random());
        Self {
            id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
            secret: URL_SAFE_NO_PAD.encode(secret),
        }
    }

    /// Returns the id, which is not secret.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the digest of the secret, as it is stored.
    #[must_use]
    pub fn digest(&self) -> KeyDigest {
        KeyDigest::of(&self.secret)
    }

    /// Returns the key as the caller sends it.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}_{}", self.id, self.secret)
    }

    /// Reads a key as a caller sends it; `None` if it is malformed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_whole = is_id(id) && secret.len() == SECRET_CHARS;
        is_whole.then(|| Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// Reports whether a text claims to be an API key.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(PREFIX)
    }
}

/// Shows the id only.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.id)
    }
}

/// Reports whether a text can be the id of a key.
pub(super) fn is_id(text: &str) -> bool {
    (1..=MAX_ID_CHARS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The SHA-256 digest of a key's secret.
#[derive(Clone, Copy)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// A digest that no secret has.
    pub(super) const NONE: Self = Self([0; 32]);

    fn of(secret: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
        Self(bytes)
    }

    /// Reports whether two digests are equal. The time that it takes does not depend on them.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest")
    }
}

/// Writes 64 hexadecimal digits.
impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for KeyDigest {
    type Err = ValidationError;

    fn from_str(text: &str) -> Result<Self, ValidationError> {
        let bad = || ValidationError::new("sha256", "must be 64 hexadecimal digits");
        if text.len() != 64 || !text.is_ascii() {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_made() {
        let key = ApiKey::generate();
        let text = key.reveal();
        let read = ApiKey::parse(&text).unwrap();
        assert_eq!(read.id(), key.id());
        assert!(read.digest().matches(&key.digest()));
        assert!(!ApiKey::generate().digest().matches(&key.digest()));
        let stored: KeyDigest = key.digest().to_string().parse().unwrap();
        assert!(stored.matches(&read.digest()));
        assert_eq!(format!("{key:?}"), format!("ApiKey({})", key.id()));
    }

    #[test]
    fn a_malformed_key_is_refused() {
        let whole = ApiKey::generate().reveal();
        let long = format!("{whole}x");
        for bad in ["", "fwk_", "fwk_a", "fwk_a_b", "fwk__", &whole[1..], &whole[..whole.len() - 1], &long] {
            assert!(ApiKey::parse(bad).is_none(), "{bad}");
        }
        let zeros = "0".repeat(63);
        for bad in ["", &zeros, &format!("{zeros}g"), &format!("{zeros}\u{fc}")] {
            assert!(bad.parse::<KeyDigest>().is_err(), "{bad}");
        }
    }
}
