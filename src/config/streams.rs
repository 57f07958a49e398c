use std::fmt;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::domain::limits::THUMBNAIL_SIZES;
use crate::domain::{HuffmanTables, OutputPolicy, StreamPolicies};

/// The defaults of streams. All servers and workers of a store should have the same.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Streams")]
pub struct StreamArgs {
    /// Quality of processed pictures in streams that set none: 1 (worst) to 100. All servers and
    /// workers of a Redis should have the same.
    #[arg(long, env = "FRAMEWAY_DEFAULT_QUALITY", value_name = "N", default_value_t = OutputPolicy::default().rendition.quality,
          value_parser = clap::value_parser!(u8).range(1..=100))]
    pub default_quality: u8,

    /// Maximum width and height of processed pictures, in pixels, in streams that set none; 0 =
    /// that of the submitted picture. All servers and workers of a Redis should have the same.
    #[arg(long, env = "FRAMEWAY_DEFAULT_MAX_SIDE", value_name = "N", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(0..=65_535))]
    pub default_max_side: u32,

    /// Longer side of the thumbnail, in pixels, in streams that set none: 16 to 1024; 0 = no
    /// thumbnail. All servers and workers of a Redis should have the same.
    #[arg(long, env = "FRAMEWAY_DEFAULT_THUMBNAIL_SIZE", value_name = "N",
          default_value_t = ThumbnailSide(OutputPolicy::default().thumbnail_size))]
    pub default_thumbnail_size: ThumbnailSide,

    /// Huffman tables of processed JPEG pictures in streams that set none. Tables of the stream take
    /// fewer bytes; with the standard ones, the same picture always becomes the same bytes. All
    /// servers and workers of a Redis should have the same.
    #[arg(long, env = "FRAMEWAY_DEFAULT_HUFFMAN", value_name = "TABLES", value_enum, default_value_t = Huffman::Standard)]
    pub default_huffman: Huffman,
}

/// The Huffman tables of JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Huffman {
    /// Those that almost all encoders use.
    Standard,
    /// Those that fit the pictures of the stream.
    Stream,
}

/// The longer side of a thumbnail in pixels; 0 = no thumbnail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThumbnailSide(u32);

impl FromStr for ThumbnailSide {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = text.parse::<u32>().ok().filter(|side| *side == 0 || THUMBNAIL_SIZES.contains(side));
        let (least, most) = (THUMBNAIL_SIZES.start(), THUMBNAIL_SIZES.end());
        side.map(Self).ok_or_else(|| format!("must be 0 (none) or from {least} to {most}"))
    }
}

impl fmt::Display for ThumbnailSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StreamArgs {
    /// Returns the policies of a stream without settings.
    #[must_use]
    pub fn policies(&self) -> StreamPolicies {
        let mut policies = StreamPolicies::default();
        let output = &mut policies.output;
        output.rendition.quality = self.default_quality;
        (output.rendition.max_width, output.rendition.max_height) =
            (self.default_max_side, self.default_max_side);
        output.thumbnail_size = self.default_thumbnail_size.0;
        output.huffman = match self.default_huffman {
            Huffman::Standard => HuffmanTables::Standard,
            Huffman::Stream => HuffmanTables::Stream,
        };
        policies
    }
}
