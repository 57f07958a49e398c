//! The credentials of calls: an API key or a token, which every call carries.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tonic::codegen::http::{HeaderValue, Uri};

use super::Error;

/// The interval between two looks at a file.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// The maximum size of a secret. Servers accept little more in the metadata of a call.
const MAX_SECRET_BYTES: u64 = 12 << 10;

/// An API key or a token, sent with every call as `authorization: Bearer ...`.
///
/// The secret does not appear in the `Debug` output. A clone shares the secret.
#[derive(Clone)]
pub struct Credentials(Arc<Source>);

enum Source {
    Text(HeaderValue),
    File { path: PathBuf, seen: Mutex<Seen> },
}

/// The contents of a file at the last look.
struct Seen {
    header: HeaderValue,
    looked: Instant,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Source::Text(_) => f.write_str("Credentials::Text"),
            Source::File { path, .. } => f.debug_tuple("Credentials::File").field(path).finish(),
        }
    }
}

impl Credentials {
    /// Takes an API key or a token. White space around it is ignored.
    ///
    /// # Errors
    /// Returns [`Error::Options`] if it is empty, larger than 12 KiB, or contains anything but
    /// printable ASCII characters.
    pub fn text(secret: &str) -> Result<Self, Error> {
        let header = header(secret).map_err(|why| Error::Options(format!("the API key or token {why}")))?;
        Ok(Self(Arc::new(Source::Text(header))))
    }

    /// Takes the file of an API key or a token. The file is read again when it changes: at each
    /// connect, and during calls every 10 s. If it cannot be read then, the secret from before is
    /// sent.
    ///
    /// # Errors
    /// Returns [`Error::Options`] if the file cannot be read or contains no usable secret.
    pub fn file(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let header = read(&path)?;
        let seen = Mutex::new(Seen { header, looked: Instant::now() });
        Ok(Self(Arc::new(Source::File { path, seen })))
    }

    /// Reads the file again, if the secret is in one.
    pub(super) fn refresh(&self) {
        self.look(Duration::ZERO);
    }

    /// Returns the value of `authorization`.
    pub(super) fn header(&self) -> HeaderValue {
        self.look(LOOK_INTERVAL)
    }

    /// Returns the value of `authorization`. Reads the file if the last look is as old as `age`.
    fn look(&self, age: Duration) -> HeaderValue {
        match &*self.0 {
            Source::Text(header) => header.clone(),
            Source::File { path, seen } => {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                if seen.looked.elapsed() >= age {
                    seen.looked = Instant::now();
                    if let Ok(header) = read(path) {
                        seen.header = header;
                    }
                }
                seen.header.clone()
            }
        }
    }
}

/// Reports whether nobody else can read what is sent to `url` in plaintext: it stays on this
/// machine.
pub(super) fn stays_here(url: &str) -> bool {
    if url.starts_with("unix:") {
        return true;
    }
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn read(path: &Path) -> Result<HeaderValue, Error> {
    let refused = |why: &str| Error::Options(format!("the file {} {why}", path.display()));
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| refused(&format!("cannot be read ({error})")))?;
    header(&text).map_err(|why| refused(&format!("contains no API key or token: the text {why}")))
}

fn header(secret: &str) -> Result<HeaderValue, &'static str> {
    let secret = secret.trim();
    if secret.is_empty() {
        return Err("is empty");
    }
    if secret.len() as u64 > MAX_SECRET_BYTES {
        return Err("is larger than 12 KiB");
    }
    if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("contains a space, a line break or another character that no key or token has");
    }
    let mut header =
        HeaderValue::try_from(format!("Bearer {secret}")).map_err(|_| "cannot be sent as metadata")?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "fwk_id_0123456789abcdef";

    #[test]
    fn a_secret_is_sent_and_never_shown() {
        let credentials = Credentials::text(&format!(" {SECRET}\n")).unwrap();
        assert_eq!(credentials.header(), format!("Bearer {SECRET}"));
        assert!(credentials.header().is_sensitive());
        let shown = format!("{credentials:?} {:?}", credentials.header());
        assert!(!shown.contains("0123"), "{shown}");
    }

    #[test]
    fn what_cannot_be_a_secret_is_refused_without_showing_it() {
        for secret in ["", " \n", "two words", "line\nbreak", "caf\u{e9}", &"x".repeat(20_000)] {
            let error = Credentials::text(secret).unwrap_err().to_string();
            let text = secret.trim();
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_file_is_read_again_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let missing = Credentials::file(&path).unwrap_err();
        assert!(missing.to_string().contains("cannot be read"), "{missing}");
        std::fs::write(&path, "first\n").unwrap();
        let credentials = Credentials::file(&path).unwrap();
        std::fs::write(&path, "second\n").unwrap();
        assert_eq!(credentials.header(), "Bearer first", "the last look is not old");
        credentials.refresh();
        assert_eq!(credentials.header(), "Bearer second");
        std::fs::write(&path, "").unwrap();
        credentials.refresh();
        assert_eq!(credentials.header(), "Bearer second");
    }

    #[test]
    fn only_this_machine_is_private_without_tls() {
        for url in
            ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1", "http://127.9.9.9:1", "unix:/a"]
        {
            assert!(stays_here(url), "{url}");
        }
        for url in ["http://10.0.0.1:1", "http://127.0.0.1:1@far.example:2", "http://localhost.example:1"] {
            assert!(!stays_here(url), "{url}");
        }
    }
}
