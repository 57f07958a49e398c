//! Peers that process pictures.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use serde_json::Value;
use tokio::process::Command;

use super::{Attempt, Reached};
use crate::bench::failed;
use crate::bench::program::{self, Ran};
use crate::console::Failure;
use crate::picture::{Limits, SourcePicture, probe};

const SCRIPT: &str = include_str!("../../../benches/peers/opencv_redis.py");
/// The qualities of ffmpeg that are tried; 2 is the best.
const FFMPEG_QUALITIES: std::ops::RangeInclusive<u8> = 2..=8;

/// A folder with the pictures as files.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    count: usize,
    size: (u32, u32),
}

impl Files {
    /// Writes the pictures, repeated until there are `count` files.
    pub(super) fn write(pictures: &[Bytes], count: usize) -> Result<Self, Failure> {
        let first = pictures.first().and_then(|picture| SourcePicture::encoded(picture));
        let info = first.and_then(|first| probe(&first, &Limits::default()).ok());
        let info = info.ok_or_else(|| failed("the first picture cannot be read"))?;
        let folder = std::env::temp_dir().join(format!("frameway-peers-{:016x}", rand::random::<u64>()));
        let files = Self { folder, count, size: (info.width, info.height) };
        files.fill(pictures).context("writing the pictures for the peers").map_err(Failure::Failed)?;
        Ok(files)
    }

    fn fill(&self, pictures: &[Bytes]) -> std::io::Result<()> {
        for name in ["in", "out", "once"] {
            fs::create_dir_all(self.folder.join(name))?;
        }
        for (number, picture) in pictures.iter().cycle().take(self.count).enumerate() {
            fs::write(self.folder.join(format!("in/{number}.jpg")), picture)?;
        }
        for (number, picture) in pictures.iter().enumerate() {
            fs::write(self.folder.join(format!("once/{number:06}.jpg")), picture)?;
        }
        Ok(())
    }

    /// Runs libvips on one thread.
    pub(super) async fn vips(&self) -> Result<Attempt, Failure> {
        let out = self.folder.join("out/%s.jpg");
        let mut command = Command::new("vipsthumbnail");
        command.env("VIPS_CONCURRENCY", "1").args(["--size", &format!("{}x{}", self.size.0, self.size.1)]);
        command.arg("-o").arg(format!("{}[Q=85,strip]", out.display()));
        command.args((0..self.count).map(|number| self.folder.join(format!("in/{number}.jpg"))));
        let ran = program::run(&mut command, "apt-get install libvips-tools").await?;
        Ok(ran.map(|ran| self.reached(&ran, bytes_of(&self.folder.join("out")))))
    }

    /// Runs ffmpeg on one thread, with the quality whose bytes are the nearest to `wanted_bytes`.
    pub(super) async fn ffmpeg(&self, pictures: usize, wanted_bytes: u64) -> Result<Attempt, Failure> {
        let mut best: Option<(u64, u8)> = None;
        for quality in FFMPEG_QUALITIES {
            match self.ffmpeg_run(quality, pictures.min(self.count)).await? {
                Err(why) => return Ok(Err(why)),
                Ok((_, bytes)) => {
                    let off = (bytes / pictures.min(self.count) as u64).abs_diff(wanted_bytes);
                    best = best.filter(|(least, _)| *least <= off).or(Some((off, quality)));
                }
            }
        }
        let quality = best.map_or(*FFMPEG_QUALITIES.start(), |(_, quality)| quality);
        let ran = self.ffmpeg_run(quality, self.count).await?;
        Ok(ran.map(|(ran, bytes)| self.reached(&ran, bytes)))
    }

    async fn ffmpeg_run(&self, quality: u8, frames: usize) -> Result<Result<(Ran, u64), String>, Failure> {
        let out = self.folder.join("out.mjpeg");
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y", "-threads", "1", "-f", "image2", "-i"]);
        command.arg(self.folder.join("in/%d.jpg")).args(["-frames:v", &frames.to_string()]);
        command.args(["-c:v", "mjpeg", "-threads", "1", "-q:v", &quality.to_string()]);
        command.args(["-huffman", "default", "-f", "mjpeg"]).arg(&out);
        let ran = program::run(&mut command, "apt-get install ffmpeg").await?;
        let bytes = fs::metadata(&out).map_or(0, |file| file.len());
        Ok(ran.map(|ran| (ran, bytes)))
    }

    fn reached(&self, ran: &Ran, bytes: u64) -> Reached {
        let frames = self.count as f64;
        Reached {
            cpu_ms_per_frame: ran.cpu.as_secs_f64() * 1e3 / frames,
            fps: frames / ran.elapsed.as_secs_f64(),
            bytes: bytes as f64 / frames,
        }
    }

    /// Runs OpenCV on one thread.
    pub(super) async fn opencv(&self, python: &str, time: Duration) -> Result<Attempt, Failure> {
        self.script(python, "codec", time, None).await
    }

    /// Runs the pipeline written by hand.
    pub(super) async fn by_hand(&self, python: &str, time: Duration, url: &str) -> Result<Attempt, Failure> {
        self.script(python, "pipeline", time, Some(url)).await
    }

    async fn script(
        &self,
        python: &str,
        mode: &str,
        time: Duration,
        url: Option<&str>,
    ) -> Result<Attempt, Failure> {
        let mut command = Command::new(python);
        command.args(["-c", SCRIPT, mode]).arg(self.folder.join("once"));
        command.arg(time.as_secs().to_string()).args(url);
        let ran = program::run(&mut command, "give another one with --python").await?;
        let ran = match ran {
            Ok(ran) => ran,
            Err(why) => return Ok(Err(why)),
        };
        let told: Value = serde_json::from_slice(&ran.output.stdout)
            .context("reading what the script of OpenCV measured")
            .map_err(Failure::Failed)?;
        let number = |name: &str| told[name].as_f64().unwrap_or_default();
        let (cpu_ms_per_frame, fps) = (number("cpu_ms_per_frame"), number("fps"));
        Ok(Ok(Reached { cpu_ms_per_frame, fps, bytes: number("bytes") }))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _left_behind = fs::remove_dir_all(&self.folder);
    }
}

/// Returns the bytes of all files of a folder.
fn bytes_of(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}
