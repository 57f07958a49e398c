//! A file that changes the levels of the log while the process runs.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing_subscriber::EnvFilter;

/// The time between two looks at the file.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The maximum size of the file, in bytes.
const MAX_BYTES: u64 = 4096;

/// Follows `file` on a thread that lives as long as the process. `set` installs a filter. Without the
/// file, `usual` is in force. A filter that does not parse changes nothing and is reported once.
pub(super) fn follow(file: PathBuf, usual: String, set: impl Fn(EnvFilter) -> bool + Send + 'static) {
    let run = move || {
        let mut last = Ok(usual.clone());
        loop {
            let found = read(&file).map(|text| text.unwrap_or_else(|| usual.clone()));
            let found = found.map_err(|error| error.to_string());
            if found != last {
                match &found {
                    Ok(text) => apply(text, &set),
                    Err(error) => {
                        tracing::warn!(file = %file.display(), error, "cannot read the log filter; the present one stays");
                    }
                }
                last = found;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("log-filter".to_owned()).spawn(run) {
        tracing::error!(%error, "cannot follow the log filter file");
    }
}

fn apply(text: &str, set: &impl Fn(EnvFilter) -> bool) {
    match EnvFilter::try_new(text) {
        Ok(filter) => {
            let is_set = set(filter);
            tracing::info!(filter = text, is_set, "log filter changed");
        }
        Err(error) => tracing::warn!(filter = text, %error, "not a log filter; the present one stays"),
    }
}

/// Returns the filter in the file; `None` if there is no file, or it is empty.
fn read(file: &Path) -> io::Result<Option<String>> {
    let file = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it is larger than {MAX_BYTES} bytes")));
    }
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}
