//! Reading a video as pictures with the program `ffmpeg`.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::anyhow;
use bytes::Bytes;

use crate::console::Failure;

/// The maximum number of pictures that are read; cameras repeat them.
const MAX_FRAMES: u32 = 300;

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
    // An absolute path is never taken for an option or a protocol.
    let input = std::path::absolute(file).map_err(|error| Failure::Usage(error.into()))?;
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(input)
        .args(["-an", "-vf", &filter, "-frames:v", &maximum, "-pix_fmt", "yuvj420p", "-q:v", "3"])
        .args(["-f", "image2pipe", "-c:v", "mjpeg", "pipe:1"])
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return Failure::Usage(anyhow!(
                "{shown} looks like a video, and reading videos needs ffmpeg: install ffmpeg (apt-get install \
                 ffmpeg), or give pictures",
            ));
        }
        Failure::Failed(anyhow!("cannot run ffmpeg: {error}"))
    })?;
    let pictures = split(&Bytes::from(output.stdout));
    if pictures.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().last().unwrap_or("it contains no pictures").trim().to_owned();
        return Err(Failure::Usage(anyhow!("ffmpeg cannot read {shown}: {said}")));
    }
    Ok(pictures)
}

/// Splits JPEG pictures that follow one another, after each end marker. A picture that ffmpeg
/// writes has no other end marker: entropy-coded data escapes 0xFF, and no picture is embedded. An
/// incomplete last picture is left out.
fn split(run: &Bytes) -> Vec<Bytes> {
    let mut pictures = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while let Some(found) =
        run.get(at..).and_then(|rest| rest.windows(2).position(|pair| pair == [0xFF, 0xD9]))
    {
        at += found + 2;
        let picture = run.slice(start..at);
        if picture.starts_with(&[0xFF, 0xD8]) {
            pictures.push(picture);
        }
        start = at;
    }
    pictures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_split_after_their_end_markers() {
        let one: &[u8] = &[0xFF, 0xD8, 1, 0xFF, 0, 2, 0xFF, 0xD9];
        let run = Bytes::from([one, one, &one[..5]].concat());
        assert_eq!(split(&run), [one, one]);
        assert!(split(&Bytes::new()).is_empty());
    }
}
