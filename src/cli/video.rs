//! A video as pictures, through the `ffmpeg` program where it is installed.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::anyhow;
use bytes::Bytes;

use crate::cli::Failure;

/// Pictures that are read; they are shown over and over.
const MOST_FRAMES: u32 = 300;

/// The first pictures of a video, as JPEG, at `fps` a second, fitted into `size`.
///
/// # Errors
/// `ffmpeg` is not there, or cannot read the file.
pub(super) fn frames(file: &Path, fps: u32, (width, height): (u32, u32)) -> Result<Vec<Bytes>, Failure> {
    let shown = file.display();
    let filter = format!(
        "fps={fps},scale={width}:{height}:force_original_aspect_ratio=decrease:force_divisible_by=2:out_range=full"
    );
    let most = MOST_FRAMES.to_string();
    // As a path, a name that begins with a dash or holds a colon is no option or protocol.
    let input = std::path::absolute(file).map_err(|error| Failure::Usage(error.into()))?;
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(input)
        .args(["-an", "-vf", &filter, "-frames:v", &most, "-pix_fmt", "yuvj420p", "-q:v", "3"])
        .args(["-f", "image2pipe", "-c:v", "mjpeg", "pipe:1"])
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return Failure::Usage(anyhow!(
                "{shown} looks like a video, which needs ffmpeg, and that is not installed: install it (apt-get install \
                 ffmpeg), or give pictures",
            ));
        }
        Failure::Failed(anyhow!("cannot run ffmpeg: {error}"))
    })?;
    let pictures = split(&Bytes::from(output.stdout));
    if pictures.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().last().unwrap_or("it holds no pictures").trim().to_owned();
        return Err(Failure::Usage(anyhow!("ffmpeg cannot read {shown}: {said}")));
    }
    Ok(pictures)
}

/// Cuts a run of JPEG pictures apart. Within a picture of ffmpeg's no end marker occurs: entropy-coded data escapes 0xFF,
/// and there are no embedded pictures. What is cut off at the end is left out.
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
    fn pictures_are_cut_at_their_ends() {
        let one: &[u8] = &[0xFF, 0xD8, 1, 0xFF, 0, 2, 0xFF, 0xD9];
        let run = Bytes::from([one, one, &one[..5]].concat());
        assert_eq!(split(&run), [one, one]);
        assert!(split(&Bytes::new()).is_empty());
    }
}
