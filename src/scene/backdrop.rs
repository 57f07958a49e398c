//! Draws everything that does not move: sky, hills, grass, trees, the road and its lines.

use super::{Random, View, lit};
use crate::picture::{Canvas, Color};

/// Draws the backdrop without noise.
pub(super) fn draw(random: &mut Random, view: &View, light: f64) -> Canvas {
    let mut canvas = Canvas::new(view.width as u32, view.height as u32, [0; 3]);
    sky(&mut canvas, view, light);
    hills(&mut canvas, random, view, light);
    ground(&mut canvas, random, view, light);
    trees(&mut canvas, random, view, light);
    canvas
}

fn sky(canvas: &mut Canvas, view: &View, light: f64) {
    for y in 0..view.horizon as i64 + 1 {
        let color = blend([96, 150, 214], [206, 222, 232], y as f64 / view.horizon);
        canvas.fill_rect(0, y, view.width as i64, 1, lit(color, light));
    }
}

fn hills(canvas: &mut Canvas, random: &mut Random, view: &View, light: f64) {
    for (color, height) in [([128, 150, 160], 0.34), ([98, 124, 104], 0.2)] {
        let (phase, second) = (random.unit() * 6.0, random.unit() * 6.0);
        for x in 0..view.width as i64 {
            let along = x as f64 / view.width * 6.0;
            let wave = 0.6 + 0.3 * (along + phase).sin() + 0.12 * (2.7 * along + second).sin();
            let top = view.horizon * (1.0 - height * wave);
            canvas.fill_rect(x, top as i64, 1, view.horizon as i64 + 1 - top as i64, lit(color, light));
        }
    }
}

fn ground(canvas: &mut Canvas, random: &mut Random, view: &View, light: f64) {
    for y in view.horizon as i64..view.height as i64 {
        let nearness = view.nearness(y as f64 + 0.5).max(0.0);
        let middle = view.middle(nearness);
        let half = view.half_road(nearness);
        let grass = blend([122, 142, 92], [72, 108, 52], nearness);
        let asphalt = blend([126, 128, 130], [84, 86, 90], nearness);
        texture(canvas, random, y, (0.0, view.width), lit(grass, light), 12);
        texture(
            canvas,
            random,
            y,
            (middle - 1.08 * half, middle + 1.08 * half),
            lit([138, 132, 120], light),
            9,
        );
        texture(canvas, random, y, (middle - half, middle + half), lit(asphalt, light), 5);
        let mut line = |place: f64, color: Color| {
            let width = (0.014 * half).max(0.7);
            let left = middle + place * half - width;
            canvas.fill_rect(left as i64, y, (2.0 * width).ceil() as i64, 1, lit(color, light));
        };
        for edge in [-0.96, 0.96] {
            line(edge, [226, 226, 220]);
        }
        for yellow in [-0.025, 0.025] {
            line(yellow, [214, 176, 62]);
        }
        // Dashes have the same length on the ground, so they depend on the distance, the reciprocal
        // of nearness.
        if (1.6 / nearness.max(0.02)).fract() < 0.45 {
            for lane in [-0.5, 0.5] {
                line(lane, [226, 226, 220]);
            }
        }
    }
}

fn trees(canvas: &mut Canvas, random: &mut Random, view: &View, light: f64) {
    let mut places: Vec<(f64, f64)> = (0..14).map(|_| (0.05 + 0.4 * random.unit(), random.unit())).collect();
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (index, (nearness, aside)) in places.into_iter().enumerate() {
        let side = if index % 2 == 0 { -1.0 } else { 1.0 };
        let foot = view.ground(nearness);
        let x = view.middle(nearness) + side * view.half_road(nearness) * (1.35 + 1.5 * aside);
        let radius = 0.16 * view.width * nearness;
        let trunk = (x - 0.1 * radius, foot - 1.3 * radius);
        canvas.fill_rect(
            trunk.0 as i64,
            trunk.1 as i64,
            (0.2 * radius).ceil() as i64,
            (1.3 * radius) as i64,
            lit([88, 66, 48], light),
        );
        let crown = foot - 1.8 * radius;
        for y in (crown - radius) as i64..=(crown + radius) as i64 {
            let off = (y as f64 + 0.5 - crown) / radius;
            let half = radius * 0.8 * (1.0 - off * off).max(0.0).sqrt();
            let color = lit(blend([92, 132, 66], [40, 74, 40], (off + 1.0) / 2.0), light);
            texture(canvas, random, y, (x - half, x + half), color, 14);
        }
    }
}

/// Fills part of a row with a colour that varies by up to `grain`.
fn texture(canvas: &mut Canvas, random: &mut Random, y: i64, across: (f64, f64), color: Color, grain: u64) {
    for pixel in canvas.span_mut(y, across.0 as i64, across.1.ceil() as i64).chunks_exact_mut(3) {
        let more = (random.next() >> 32) % (2 * grain + 1);
        for (sample, base) in pixel.iter_mut().zip(color) {
            *sample = (u64::from(base) + more).saturating_sub(grain).min(255) as u8;
        }
    }
}

fn blend(from: Color, to: Color, share: f64) -> Color {
    let share = share.clamp(0.0, 1.0);
    [0, 1, 2].map(|i| (f64::from(from[i]) * (1.0 - share) + f64::from(to[i]) * share) as u8)
}
