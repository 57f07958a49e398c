use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::ByteSize;
use crate::domain::ValidationError;
use crate::domain::limits::{self, RequestLimits};

/// The limits of a request.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Maximum size of a picture, encoded or raw.
    #[arg(long, env = "FRAMEWAY_MAX_PICTURE_BYTES", value_name = "SIZE",
          default_value_t = ByteSize(limits::MAX_PICTURE_BYTES as u64))]
    pub max_picture_bytes: ByteSize,

    /// Maximum size of a request message. Each call that is being received may take as much memory.
    #[arg(long, env = "FRAMEWAY_MAX_MESSAGE_BYTES", value_name = "SIZE",
          default_value_t = ByteSize(limits::MAX_MESSAGE_BYTES as u64))]
    pub max_message_bytes: ByteSize,

    /// Maximum frames in one batch.
    #[arg(long, env = "FRAMEWAY_MAX_BATCH_FRAMES", value_name = "N", default_value_t = limits::MAX_BATCH_FRAMES,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    pub max_batch_frames: usize,

    /// Maximum pixels of a picture.
    #[arg(long, env = "FRAMEWAY_MAX_PIXELS", value_name = "N", default_value_t = limits::MAX_PIXELS,
          value_parser = clap::value_parser!(u64).range(1..=1 << 32))]
    pub max_pixels: u64,

    /// Maximum width and height of a picture in pixels.
    #[arg(long, env = "FRAMEWAY_MAX_SIDE", value_name = "N", default_value_t = limits::MAX_SIDE,
          value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub max_side: u32,
}

/// The maximum value of a size limit. It is well below 4 GiB, since gRPC counts the length of a
/// message in 32 bits.
const HIGHEST_MESSAGE_BYTES: u64 = 1 << 30;

impl LimitArgs {
    pub(super) fn check(self) -> Result<RequestLimits, ValidationError> {
        let (picture, message) = (self.max_picture_bytes.0, self.max_message_bytes.0);
        let within = |flag: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(ValidationError::new(flag, format!("must be from {least} to {most}")))
            }
        };
        within("--max-picture-bytes", picture, 1024, HIGHEST_MESSAGE_BYTES)?;
        within("--max-message-bytes", message, picture, HIGHEST_MESSAGE_BYTES)?;
        Ok(RequestLimits {
            max_picture_bytes: picture as usize,
            max_message_bytes: message as usize,
            max_batch_frames: self.max_batch_frames,
            max_pixels: self.max_pixels,
            max_side: self.max_side,
        })
    }
}
