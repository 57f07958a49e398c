//! Draws one frame in every output format, size, rotation and quality, and with masks, on one sheet for visual
//! inspection.
//!
//! ```text
//! cargo run --example contact_sheet -- sheet.png [frame.jpg]
//! ```

use anyhow::Context as _;
use frameway::domain::{NormalizedPoint, OutputFormat, Polygon};
use frameway::picture::{self, Codec, Limits, Orientation, Planes, SourcePicture, Tile};
use frameway::scene::Scene;
use image::ExtendedColorType;

const TILE_WIDTH: u32 = 320;
const COLUMNS: u32 = 4;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let sheet = arguments.next().context("where shall the sheet go? contact_sheet SHEET.png [FRAME.jpg]")?;
    let mut codec = Codec::new(Limits::default());
    let frame = match arguments.next() {
        Some(file) => std::fs::read(&file).with_context(|| format!("reading {file}"))?.into(),
        None => Scene::new(5, 1280, 720).jpeg(&mut codec, 40, 95)?.0,
    };
    let source = decode(&mut codec, &frame)?;
    let mut drawn = vec![(format!("submitted, {} kB", frame.len() / 1000), source.clone())];

    for (name, format, quality) in [
        ("JPEG 85", OutputFormat::Jpeg, 85),
        ("JPEG 40", OutputFormat::Jpeg, 40),
        ("JPEG 10", OutputFormat::Jpeg, 10),
        ("PNG", OutputFormat::Png, 0),
        ("WebP 85", OutputFormat::WebP, 85),
        ("WebP 40", OutputFormat::WebP, 40),
        ("WebP lossless", OutputFormat::WebPLossless, 0),
    ] {
        let bytes = codec.encode(&source, format, quality)?;
        drawn.push((format!("{name}, {} kB", bytes.len() / 1000), decode(&mut codec, &bytes)?));
    }
    for (width, height) in [(640, 0), (0, 120), (64, 64)] {
        let (width, height) = picture::fit_within(source.width(), source.height(), width, height);
        let small = codec.scale(&source, width, height)?;
        drawn.push((format!("{width} x {height}, scaled"), small));
    }
    let encoded = SourcePicture::encoded(&frame).context("no known format")?;
    let (width, height) = picture::fit_within(source.width(), source.height(), 320, 320);
    let rough = codec.decode_at_least(&encoded, width, height)?;
    let label = format!("decoded at {} x {} for {width} x {height}", rough.width(), rough.height());
    drawn.push((label, codec.scale(&rough, width, height)?));

    let mut masked = source.clone();
    let regions =
        [region(&[(0.1, 0.6), (0.45, 0.3), (0.6, 0.9)])?, region(&[(0.7, 0.1), (0.95, 0.1), (0.8, 0.4)])?];
    picture::paint(&mut masked, &regions);
    for (name, format) in
        [("JPEG", OutputFormat::Jpeg), ("PNG", OutputFormat::Png), ("WebP", OutputFormat::WebP)]
    {
        let bytes = codec.encode(&masked, format, 85)?;
        drawn.push((format!("masked, {name}, {} kB", bytes.len() / 1000), decode(&mut codec, &bytes)?));
    }
    for number in [2, 3, 6, 8] {
        let orientation = Orientation::new(number).context("an orientation of EXIF")?;
        drawn.push((format!("EXIF orientation {number}"), codec.upright(source.clone(), orientation)));
    }

    let tiles: Vec<Tile<'_>> =
        drawn.iter().map(|(label, picture)| Tile::new(label.clone(), picture)).collect();
    let whole = codec.contact_sheet(&tiles, COLUMNS, TILE_WIDTH)?;
    image::save_buffer(&sheet, whole.pixels(), whole.width(), whole.height(), ExtendedColorType::Rgb8)
        .with_context(|| format!("writing {sheet}"))
}

fn decode(codec: &mut Codec, data: &[u8]) -> anyhow::Result<Planes> {
    let source = SourcePicture::encoded(data).context("no known format")?;
    Ok(codec.decode(&source)?)
}

fn region(points: &[(f64, f64)]) -> anyhow::Result<Polygon> {
    Ok(Polygon::new(points.iter().map(|&(x, y)| NormalizedPoint { x, y }).collect())?)
}
