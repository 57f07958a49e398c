//! Moves and draws cars and lorries.

use super::{Random, VehicleBox, View, lit};
use crate::picture::{Canvas, Color};

/// The length of the road, in units of the distance to the lower edge of the picture. A vehicle that
/// reaches the end starts again.
const ROAD_LENGTH: f64 = 14.0;
/// The start of the road, so far below the lower edge that vehicles enter the picture from outside.
const ROAD_START: f64 = -0.35;
/// The number of places for vehicles in a lane.
const PLACES: u32 = 9;
/// The middle of each lane, as a fraction of half the road's width; oncoming traffic is on the
/// left.
const LANES: [f64; 4] = [-0.73, -0.26, 0.26, 0.73];

const PAINTS: [Color; 8] = [
    [196, 40, 38],
    [38, 74, 166],
    [232, 232, 228],
    [46, 48, 54],
    [168, 172, 178],
    [226, 178, 40],
    [36, 112, 74],
    [120, 60, 130],
];

/// A vehicle. All vehicles in a lane have the same speed, so that none drives into another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vehicle {
    lane: f64,
    oncoming: bool,
    lorry: bool,
    paint: Color,
    /// The position on the road at frame 0.
    start: f64,
    /// The speed in road units per frame.
    speed: f64,
}

impl Vehicle {
    /// Creates vehicles for all lanes; `traffic` is the probability that a place is taken.
    pub(super) fn traffic(random: &mut Random, traffic: f64) -> Vec<Self> {
        let mut vehicles = Vec::new();
        for lane in LANES {
            let oncoming = lane < 0.0;
            // The more traffic, the slower.
            let speed = (0.03 + 0.05 * random.unit()) * (1.2 - traffic);
            for place in 0..PLACES {
                let jitter = 0.5 * random.unit();
                let [taken, lorry, paint] = [random.unit(), random.unit(), random.unit()];
                if taken >= traffic {
                    continue;
                }
                vehicles.push(Self {
                    lane,
                    oncoming,
                    lorry: lorry < 0.2,
                    paint: PAINTS[(paint * PAINTS.len() as f64) as usize],
                    start: (f64::from(place) + jitter) * ROAD_LENGTH / f64::from(PLACES),
                    speed: if oncoming { -speed } else { speed },
                });
            }
        }
        vehicles
    }

    /// Returns the nearness at a frame; `None` if the vehicle is too far to be drawn.
    pub(super) fn nearness(&self, frame: u64) -> Option<f64> {
        // 2^40 frames are a thousand years; for more, a double would lose the fraction.
        let frame = (frame & ((1 << 40) - 1)) as f64;
        let distance = 1.0 + ROAD_START + (self.start + self.speed * frame).rem_euclid(ROAD_LENGTH);
        let nearness = 1.0 / distance;
        (nearness > 0.08).then_some(nearness)
    }

    /// Draws the vehicle; `None` if no part of it is in the picture.
    pub(super) fn draw(&self, brush: &mut Brush<'_>, view: &View, nearness: f64) -> Option<VehicleBox> {
        let foot = view.ground(nearness);
        let half_road = view.half_road(nearness);
        let x = view.middle(nearness) + self.lane * half_road;
        let width = if self.lorry { 0.37 } else { 0.31 } * half_road;
        let height = width * if self.lorry { 1.25 } else { 0.78 };
        let mut part = |rows: (f64, f64), left: f64, right: f64, color: Color, lamp: bool| {
            let top = foot - rows.1 * height;
            let bottom = foot - rows.0 * height;
            brush.block((top, bottom), (x + left * width, x + right * width), color, lamp)
        };
        let shade = |share: f64| self.paint.map(|sample| (f64::from(sample) * share) as u8);
        let mut seen = part((0.0, 0.16), -0.46, -0.26, [22, 22, 24], false);
        seen |= part((0.0, 0.16), 0.26, 0.46, [22, 22, 24], false);
        if self.lorry {
            seen |= part((0.12, 1.0), -0.5, 0.5, self.paint, false);
            seen |= part((0.9, 1.0), -0.5, 0.5, shade(1.15), false);
            let glass = if self.oncoming { (0.5, 0.82) } else { (0.2, 0.22) };
            seen |= part(glass, -0.42, 0.42, [52, 62, 72], false);
        } else {
            seen |= part((0.1, 0.62), -0.5, 0.5, self.paint, false);
            seen |= part((0.1, 0.2), -0.5, 0.5, shade(0.7), false);
            seen |= part((0.6, 0.72), -0.44, 0.44, shade(0.95), false);
            seen |= part((0.66, 0.92), -0.38, 0.38, [56, 68, 80], false);
            seen |= part((0.9, 1.0), -0.34, 0.34, shade(1.1), false);
        }
        let lamp = if self.oncoming { [255, 246, 214] } else { [232, 34, 28] };
        seen |= part((0.36, 0.5), -0.46, -0.3, lamp, true);
        seen |= part((0.36, 0.5), 0.3, 0.46, lamp, true);
        seen.then(|| brush.clipped((foot - height, foot), (x - 0.5 * width, x + 0.5 * width)))
    }
}

/// A brush that paints vehicles with sensor noise and records the painted pixels.
pub(super) struct Brush<'a> {
    canvas: &'a mut Canvas,
    covered: Vec<u8>,
    noise: &'a [i8],
    noise_at: usize,
    light: f64,
}

impl<'a> Brush<'a> {
    pub(super) fn new(canvas: &'a mut Canvas, noise: &'a [i8], frame: u64, light: f64) -> Self {
        let covered = vec![0; canvas.width() as usize * canvas.height() as usize];
        let noise_at = (frame.wrapping_mul(7_919) % noise.len() as u64) as usize;
        Self { canvas, covered, noise, noise_at, light }
    }

    /// Returns the part of a rectangle that is in the picture.
    fn clipped(&self, rows: (f64, f64), columns: (f64, f64)) -> VehicleBox {
        let within = |at: f64, side: u32| at.round().clamp(0.0, f64::from(side)) as u32;
        let (width, height) = (self.canvas.width(), self.canvas.height());
        VehicleBox {
            left: within(columns.0, width),
            top: within(rows.0, height),
            right: within(columns.1, width),
            bottom: within(rows.1, height),
        }
    }

    /// Returns the fraction of all pixels that were painted.
    pub(super) fn covered_share(&self) -> f64 {
        let painted: usize = self.covered.iter().map(|pixel| usize::from(*pixel)).sum();
        painted as f64 / self.covered.len() as f64
    }

    /// Paints a rectangle; lamps also shine at night. Returns false if no part of it is in the
    /// picture.
    fn block(&mut self, rows: (f64, f64), columns: (f64, f64), color: Color, lamp: bool) -> bool {
        let color = if lamp { color } else { lit(color, self.light) };
        let (left, right) = (columns.0.round() as i64, columns.1.round() as i64);
        let width = self.canvas.width() as usize;
        let mut seen = false;
        for y in rows.0.round() as i64..rows.1.round() as i64 {
            let span = self.canvas.span_mut(y, left, right);
            if span.is_empty() {
                continue;
            }
            seen = true;
            let pixels = span.len() / 3;
            let start = y as usize * width + left.max(0) as usize;
            self.covered[start..start + pixels].fill(1);
            if self.noise_at + pixels > self.noise.len() {
                self.noise_at = 0;
            }
            let grain = &self.noise[self.noise_at..];
            self.noise_at += pixels;
            for (pixel, grain) in span.chunks_exact_mut(3).zip(grain) {
                pixel[0] = color[0].saturating_add_signed(*grain);
                pixel[1] = color[1].saturating_add_signed(*grain);
                pixel[2] = color[2].saturating_add_signed(*grain);
            }
        }
        seen
    }
}
