//! Pictures from videos, which the program `ffmpeg` decodes, and from pipes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::anyhow;
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::console::Failure;
use crate::picture::{Mjpeg, MjpegError};

/// The file name extensions of videos. Those of MJPEG are read without ffmpeg.
const VIDEO_EXTENSIONS: [&str; 15] = [
    "mp4", "mkv", "avi", "mov", "webm", "m4v", "mpg", "mpeg", "ts", "mts", "wmv", "flv", "3gp", "mjpeg",
    "mjpg",
];
const MJPEG_EXTENSIONS: [&str; 2] = ["mjpeg", "mjpg"];
/// The maximum number of pictures that are read for [`frames`]; cameras repeat them.
const MAX_FRAMES: u32 = 300;
/// The number of pictures that are read ahead.
const PICTURES_AHEAD: usize = 4;
/// The last bytes of ffmpeg's messages that are kept.
const MESSAGE_BYTES: usize = 4096;

/// The pictures of a video or a pipe, which a thread reads ahead. The last item may be the reason
/// why there are no more.
pub(crate) type Flow = mpsc::Receiver<Result<Bytes, Failure>>;

/// Reports whether a file has the file name extension of a video.
pub(crate) fn is_video(file: &Path) -> bool {
    has_extension(file, &VIDEO_EXTENSIONS)
}

fn has_extension(file: &Path, extensions: &[&str]) -> bool {
    let extension = file.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|extension| extensions.contains(&extension.as_str()))
}

/// Reads JPEG pictures that follow one another from standard input.
pub(crate) fn standard_input() -> Flow {
    read_ahead("standard input".to_owned(), io::stdin(), None)
}

/// Reads the pictures of a video: `fps` per second, or all of them.
///
/// # Errors
/// Fails if the file cannot be opened or `ffmpeg` is not installed.
pub(crate) fn open(file: &Path, fps: Option<f64>) -> Result<Flow, Failure> {
    let shown = file.display().to_string();
    if has_extension(file, &MJPEG_EXTENSIONS) {
        let source =
            File::open(file).map_err(|error| Failure::Usage(anyhow!("cannot read {shown}: {error}")))?;
        return Ok(read_ahead(shown, source, None));
    }
    let mut command = ffmpeg(file)?;
    if let Some(fps) = fps {
        command.args(["-vf", &format!("fps={fps}")]);
    }
    command.args(["-pix_fmt", "yuvj420p", "-q:v", "3", "-f", "mjpeg", "pipe:1"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| not_run(&shown, &error))?;
    let Some(pictures) = child.stdout.take() else {
        return Err(Failure::Failed(anyhow!("ffmpeg has no output")));
    };
    Ok(read_ahead(shown, pictures, Some(child)))
}

/// Starts a thread that reads pictures until the source ends or the receiver is dropped. `decoder` is
/// the process that writes them, if there is one.
fn read_ahead(name: String, source: impl Read + Send + 'static, decoder: Option<Child>) -> Flow {
    let (sender, flow) = mpsc::channel(PICTURES_AHEAD);
    thread::spawn(move || {
        let messages = decoder.map(|mut decoder| {
            let messages = decoder.stderr.take().map(|source| thread::spawn(move || last_line(source)));
            (decoder, messages)
        });
        let mut source = Mjpeg::new(source);
        let ended = loop {
            match source.next_picture() {
                Ok(Some(picture)) => {
                    if sender.blocking_send(Ok(picture)).is_err() {
                        break None;
                    }
                }
                Ok(None) => break Some(Ok(())),
                Err(error) => break Some(Err(error)),
            }
        };
        // A decoder whose output is not read to the end would wait forever.
        let is_read = matches!(ended, Some(Ok(()) | Err(MjpegError::Incomplete { .. })));
        let said = messages.and_then(|(decoder, messages)| ended_badly(decoder, messages, !is_read));
        if let Some(failure) = ended.and_then(|ended| failure(&name, source.pictures(), ended, said)) {
            // The receiver may be gone.
            let _ = sender.blocking_send(Err(failure));
        }
    });
    flow
}

/// Waits for the end of ffmpeg, and returns what it said if it failed. `kill` ends it first.
fn ended_badly(
    mut decoder: Child,
    messages: Option<thread::JoinHandle<String>>,
    kill: bool,
) -> Option<String> {
    if kill {
        // It may have ended by itself.
        let _ = decoder.kill();
    }
    let status = decoder.wait();
    let said = messages.and_then(|messages| messages.join().ok()).unwrap_or_default();
    match status {
        Ok(status) if status.success() => None,
        Ok(status) if said.is_empty() => Some(status.to_string()),
        Ok(_) => Some(said),
        Err(error) => Some(error.to_string()),
    }
}

/// Describes the end of a source; `None` if it is complete.
fn failure(
    name: &str,
    pictures: u64,
    ended: Result<(), MjpegError>,
    ffmpeg_said: Option<String>,
) -> Option<Failure> {
    match (ended, ffmpeg_said) {
        (_, Some(said)) if pictures == 0 => {
            Some(Failure::Usage(anyhow!("{name} contains no pictures that ffmpeg can read: {said}")))
        }
        (_, Some(said)) => {
            Some(Failure::Failed(anyhow!("ffmpeg stopped after {pictures} pictures of {name}: {said}")))
        }
        (Ok(()), None) if pictures == 0 => Some(Failure::Usage(anyhow!("{name} contains no pictures"))),
        (Ok(()), None) => None,
        (Err(error), None) if pictures == 0 => Some(Failure::Usage(anyhow!("{name} {error}"))),
        (Err(error), None) => Some(Failure::Failed(anyhow!("{name} {error}"))),
    }
}

/// Returns the last line of a text, of which only the last bytes are kept.
fn last_line(mut source: impl Read) -> String {
    let (mut kept, mut piece) = (Vec::new(), [0; 1024]);
    while let Ok(count @ 1..) = source.read(&mut piece) {
        kept.extend_from_slice(&piece[..count]);
        let excess = kept.len().saturating_sub(MESSAGE_BYTES);
        kept.drain(..excess);
    }
    let text = String::from_utf8_lossy(&kept);
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

/// Prepares ffmpeg to read a file without its sound.
fn ffmpeg(file: &Path) -> Result<Command, Failure> {
    // An absolute path is never taken for an option or a protocol.
    let input = std::path::absolute(file).map_err(|error| Failure::Usage(error.into()))?;
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-i"]).arg(input).arg("-an").stdin(Stdio::null());
    Ok(command)
}

fn not_run(shown: &str, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::NotFound {
        return Failure::Usage(anyhow!(
            "{shown} looks like a video, and reading videos needs ffmpeg: install ffmpeg (apt-get install \
             ffmpeg), or give pictures"
        ));
    }
    Failure::Failed(anyhow!("cannot run ffmpeg: {error}"))
}

/// Returns the first pictures of a video as JPEG, `fps` per second, scaled to fit into `size`.
///
/// # Errors
/// Fails if `ffmpeg` is not installed or cannot read the file.
pub(super) fn frames(file: &Path, fps: u32, (width, height): (u32, u32)) -> Result<Vec<Bytes>, Failure> {
    let shown = file.display();
    let filter = format!(
        "fps={fps},scale={width}:{height}:force_original_aspect_ratio=decrease:force_divisible_by=2:out_range=full"
    );
    let maximum = MAX_FRAMES.to_string();
    let output = ffmpeg(file)?
        .args(["-vf", &filter, "-frames:v", &maximum, "-pix_fmt", "yuvj420p", "-q:v", "3"])
        .args(["-f", "mjpeg", "pipe:1"])
        .output();
    let output = output.map_err(|error| not_run(&shown.to_string(), &error))?;
    let (mut source, mut pictures) = (Mjpeg::new(&output.stdout[..]), Vec::new());
    // An incomplete last picture is left out.
    while let Ok(Some(picture)) = source.next_picture() {
        pictures.push(picture);
    }
    if pictures.is_empty() {
        let said = last_line(&output.stderr[..]);
        let said = if said.is_empty() { "it contains no pictures" } else { &said };
        return Err(Failure::Usage(anyhow!("ffmpeg cannot read {shown}: {said}")));
    }
    Ok(pictures)
}
