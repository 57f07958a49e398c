//! Draws a road with moving vehicles: the synthetic camera of the demo, the tests and the
//! benchmarks.
//!
//! Scenes are deterministic: the same seed, size and frame number give the same bytes. The position
//! of each vehicle is known, so that measures can be tested against it.

mod backdrop;
mod vehicle;

use bytes::Bytes;

use crate::picture::{Canvas, Codec, Color, EncodeError};
use vehicle::Vehicle;

/// The number of copies of the backdrop, each with other noise: copying one is cheaper than drawing
/// noise.
const BACKDROPS: usize = 4;

/// The known content of one drawn frame (the ground truth).
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// The vehicles with at least one pixel in the picture; the far ones first.
    pub vehicles: Vec<VehicleBox>,
    /// The fraction of the frame's pixels that vehicles cover, 0..=1.
    pub covered_share: f64,
    /// The light of the scene: 1 is a bright day, 0.1 is night.
    pub light: f64,
    /// The mean luma (BT.601, 0..=255) of every fourth pixel of every fourth row.
    pub mean_luma: f64,
}

/// The position of a vehicle in pixels; `right` and `bottom` are exclusive. Nearer vehicles may
/// hide part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VehicleBox {
    /// The leftmost column.
    pub left: u32,
    /// The uppermost row.
    pub top: u32,
    /// One more than the rightmost column.
    pub right: u32,
    /// One more than the lowest row.
    pub bottom: u32,
}

/// A fixed camera above a road.
#[derive(Debug, Clone)]
pub struct Scene {
    name: String,
    light: f64,
    backdrops: Vec<Canvas>,
    vehicles: Vec<Vehicle>,
    noise: Vec<i8>,
}

impl Scene {
    /// Creates a scene of `width` x `height` pixels (at least 16 x 16) with light and traffic that
    /// depend on the seed.
    #[must_use]
    pub fn new(seed: u64, width: u32, height: u32) -> Self {
        let mut random = Random::new(seed);
        let light = 0.7 + 0.3 * random.unit();
        let traffic = 0.3 + 0.6 * random.unit();
        Self::with_conditions(seed, width, height, light, traffic)
    }

    /// Creates a scene with a given light (0.05 night ..= 1 day) and traffic (0 empty road ..= 1
    /// jam).
    #[must_use]
    pub fn with_conditions(seed: u64, width: u32, height: u32, light: f64, traffic: f64) -> Self {
        let (width, height) = (width.max(16), height.max(16));
        let light = light.clamp(0.05, 1.0);
        let mut random = Random::new(seed ^ 0x5CE0_E5CE);
        let noise: Vec<i8> = (0..65_537).map(|_| random.noise()).collect();
        let view = View::new(width, height);
        let clean = backdrop::draw(&mut random, &view, light);
        let backdrops = (0..BACKDROPS)
            .map(|copy| {
                let mut canvas = clean.clone();
                let offset = copy * 16_381;
                let grain = noise.iter().cycle().skip(offset);
                for (pixel, grain) in canvas.pixels_mut().chunks_exact_mut(3).zip(grain) {
                    for sample in pixel {
                        *sample = sample.saturating_add_signed(*grain);
                    }
                }
                canvas
            })
            .collect();
        let vehicles = Vehicle::traffic(&mut random, traffic.clamp(0.0, 1.0));
        Self { name: format!("CAM-{seed:02}"), light, backdrops, vehicles, noise }
    }

    /// Sets the camera name that is drawn in the frames; the font has letters, digits and a few
    /// signs.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Draws frame `number`, and returns it with its known content.
    #[must_use]
    pub fn draw(&self, number: u64) -> (Canvas, Truth) {
        // A simple hash suffices: neighbouring frames should usually have different noise.
        let copy = (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 62) as usize % BACKDROPS;
        let mut canvas = self.backdrops[copy].clone();
        let view = View::new(canvas.width(), canvas.height());
        let mut brush = vehicle::Brush::new(&mut canvas, &self.noise, number, self.light);
        let mut visible: Vec<(f64, &Vehicle)> =
            self.vehicles.iter().filter_map(|vehicle| Some((vehicle.nearness(number)?, vehicle))).collect();
        // Far vehicles are drawn first, because near ones hide them.
        visible.sort_by(|a, b| a.0.total_cmp(&b.0));
        let drawn =
            visible.iter().filter_map(|(nearness, vehicle)| vehicle.draw(&mut brush, &view, *nearness));
        let vehicles = drawn.collect();
        let covered_share = brush.covered_share();
        self.burn_in(&mut canvas, number);
        let truth = Truth { vehicles, covered_share, light: self.light, mean_luma: mean_luma(&canvas) };
        (canvas, truth)
    }

    /// Draws frame `number` and encodes it as JPEG 4:2:0.
    ///
    /// # Errors
    ///
    /// Fails if the scene is larger than the codec's limits allow.
    pub fn jpeg(&self, codec: &mut Codec, number: u64, quality: u8) -> Result<(Bytes, Truth), EncodeError> {
        let (canvas, truth) = self.draw(number);
        Ok((codec.encode_canvas(&canvas, quality)?, truth))
    }

    /// Draws the camera name and the frame number in the upper left corner.
    fn burn_in(&self, canvas: &mut Canvas, number: u64) {
        const TEXT_COLOR: Color = [245, 245, 235];
        let text = format!("{} #{number:06}", self.name);
        let scale = (canvas.height() / 180).max(1);
        let (width, height) = Canvas::text_size(text.chars().count(), scale);
        let (margin, pad) = (i64::from(4 * scale), i64::from(2 * scale));
        canvas.fill_rect(
            margin - pad,
            margin - pad,
            i64::from(width) + 2 * pad,
            i64::from(height) + 2 * pad,
            [16, 18, 20],
        );
        canvas.text(margin, margin, scale, TEXT_COLOR, &text);
    }
}

/// The perspective of the picture. `nearness` is the reciprocal of distance: 1 at the lower edge,
/// towards 0 at the horizon. Widths are proportional to it.
struct View {
    width: f64,
    height: f64,
    horizon: f64,
}

impl View {
    fn new(width: u32, height: u32) -> Self {
        let (width, height) = (f64::from(width), f64::from(height));
        Self { width, height, horizon: 0.36 * height }
    }

    /// Returns the row of the ground at this nearness.
    fn ground(&self, nearness: f64) -> f64 {
        self.horizon + (self.height - self.horizon) * nearness
    }

    /// Returns the nearness of the ground in this row; 0 or less above the horizon.
    fn nearness(&self, row: f64) -> f64 {
        (row - self.horizon) / (self.height - self.horizon)
    }

    /// Returns the column of the middle of the road.
    fn middle(&self, nearness: f64) -> f64 {
        self.width * (0.55 - 0.07 * nearness)
    }

    /// Returns half of the road's width in pixels.
    fn half_road(&self, nearness: f64) -> f64 {
        self.width * 0.46 * nearness
    }
}

fn mean_luma(canvas: &Canvas) -> f64 {
    let row_bytes = canvas.width() as usize * 3;
    let (mut sum, mut count) = (0_u64, 0_u64);
    for row in canvas.pixels().chunks_exact(row_bytes).step_by(4) {
        for pixel in row.chunks_exact(3).step_by(4) {
            let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(u64::from);
            sum += 299 * r + 587 * g + 114 * b;
            count += 1_000;
        }
    }
    sum as f64 / count as f64
}

/// Darkens a colour.
fn lit(color: Color, light: f64) -> Color {
    color.map(|sample| (f64::from(sample) * light).clamp(0.0, 255.0) as u8)
}

/// A SplitMix64 generator (Steele, Lea, Flood 2014), so that scenes do not depend on the version of
/// a crate.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number from 0 up to but excluding 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns approximately normal noise with mean 0 and standard deviation 2: the sum of four
    /// uniform numbers.
    fn noise(&mut self) -> i8 {
        let bits = self.next();
        let sum = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48);
        ((sum as i64 - 4 * 32_768) / 18_900) as i8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Limits;

    #[test]
    fn a_frame_is_always_the_same_and_differs_from_others() {
        let scene = Scene::new(3, 160, 90);
        assert_eq!(scene.draw(7), Scene::new(3, 160, 90).draw(7));
        assert_ne!(scene.draw(7).0, scene.draw(8).0);
        assert_ne!(scene.draw(7).0, Scene::new(4, 160, 90).draw(7).0);
    }

    #[test]
    fn truth_follows_the_conditions() {
        let empty = Scene::with_conditions(1, 320, 180, 1.0, 0.0);
        let jam = Scene::with_conditions(1, 320, 180, 1.0, 1.0);
        let night = Scene::with_conditions(1, 320, 180, 0.1, 0.0);
        assert_eq!((empty.draw(5).1.vehicles.len(), empty.draw(5).1.covered_share), (0, 0.0));
        let (canvas, busy) = jam.draw(5);
        let blank = empty.draw(5).0;
        for (index, (pixel, empty)) in
            canvas.pixels().chunks_exact(3).zip(blank.pixels().chunks_exact(3)).enumerate()
        {
            let (x, y) = (index as u32 % 320, index as u32 / 320);
            let within =
                |one: &VehicleBox| (one.left..one.right).contains(&x) && (one.top..one.bottom).contains(&y);
            assert!(
                pixel == empty || busy.vehicles.iter().any(within),
                "{x},{y} changed outside all vehicles"
            );
        }
        assert!(
            busy.vehicles.len() >= 8 && busy.covered_share > 0.02 && busy.covered_share < 0.6,
            "{busy:?}"
        );
        assert!(empty.draw(5).1.mean_luma > 80.0 && night.draw(5).1.mean_luma < 30.0);
    }

    #[test]
    fn every_size_can_be_drawn_and_encoded() -> Result<(), EncodeError> {
        let mut codec = Codec::new(Limits::default());
        for (width, height) in [(16, 16), (33, 61), (640, 17), (17, 300)] {
            let (jpeg, _) = Scene::new(9, width, height).jpeg(&mut codec, u64::MAX, 85)?;
            assert!(jpeg.starts_with(&[0xFF, 0xD8]));
        }
        Ok(())
    }
}
