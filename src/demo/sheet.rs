//! The contact sheet.

use std::path::PathBuf;

use anyhow::Context as _;

use super::tally::Sample;
use crate::console::output::write_whole;
use crate::picture::{Codec, DEFAULT_JPEG_QUALITY, Limits, SourcePicture, Tile};

const TILE_WIDTH: u32 = 320;

/// Writes the rows of samples as a JPEG and returns its path; `None` if there are no samples.
///
/// # Errors
/// Fails if a received picture cannot be decoded, or the file cannot be written.
pub(super) async fn write(rows: Vec<Vec<Sample>>, file: PathBuf) -> anyhow::Result<Option<PathBuf>> {
    if rows.is_empty() {
        return Ok(None);
    }
    tokio::task::spawn_blocking(move || {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(1) as u32;
        let mut codec = Codec::new(Limits::default());
        let mut decoded = Vec::new();
        for sample in rows.iter().flatten() {
            let source = SourcePicture::encoded(&sample.picture)
                .context("a received picture has an unknown format")?;
            let label = format!("{} #{}", sample.stream, sample.sequence);
            let planes = codec.decode(&source).with_context(|| format!("decoding {label}"))?;
            decoded.push((label, planes));
        }
        let tiles: Vec<Tile<'_>> =
            decoded.iter().map(|(label, picture)| Tile::new(label.clone(), picture)).collect();
        let sheet = codec.contact_sheet(&tiles, columns, TILE_WIDTH)?;
        let sheet = codec.encode_canvas(&sheet, DEFAULT_JPEG_QUALITY)?;
        write_whole(&file, &sheet)?;
        Ok(Some(std::path::absolute(&file).unwrap_or(file)))
    })
    .await?
}
