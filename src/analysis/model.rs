//! What the frames of one stream say together.

use super::background::{Background, Mask};
use super::congestion::congestion;
use super::small::SMALL_PIXELS;
use super::{Region, SmallPlane, Still, morphology};
use crate::domain::{RoiMeasures, SceneMeasures};

/// Frames that the background model learns from before a density is answered.
const LEAST_FRAMES: u64 = 16;
/// Frames after which the background counts as known.
const KNOWN_FRAMES: f64 = 128.0;

/// The memory of one stream: its previous frame and its background, less than 64 kB. Frames come in order.
#[derive(Debug, Clone)]
pub struct SceneModel {
    background: Box<Background>,
    previous: SmallPlane,
    size: (usize, usize),
}

impl SceneModel {
    /// Measures a stream's frame against what came before, `None` before the first one, and remembers it.
    ///
    /// A picture of another size than before starts the model anew.
    pub fn observe(memory: &mut Option<Self>, still: Still) -> (SceneMeasures, Vec<RoiMeasures>) {
        let Still { quality: _, lighting, weather, regions, small, size } = still;
        let mut mask = [0; SMALL_PIXELS];
        let known = memory.take_if(|known| known.size == size);
        let (model, previous) = match known {
            Some(mut model) => {
                model.background.observe(&small, &mut mask);
                morphology::clean(&mut mask);
                let previous = std::mem::replace(&mut model.previous, small);
                (model, Some(previous))
            }
            None => (Self { background: Background::new(&small), previous: small, size }, None),
        };
        let model = memory.insert(model);
        let frames = model.background.frames();
        let compared = Compared {
            now: &model.previous,
            before: previous.as_ref(),
            mask: (frames >= LEAST_FRAMES).then_some(&mask),
            known: if model.background.is_upset() { 0.0 } else { (frames as f64 / KNOWN_FRAMES).min(1.0) },
        };
        let rois = regions.iter().map(|region| compared.region(region)).collect();
        let foreground_ratio = compared.road_density(&regions);
        let scene = SceneMeasures {
            motion_intensity: compared.motion(),
            foreground_ratio,
            congestion: foreground_ratio.map(|density| congestion(density, compared.known)),
            lighting,
            weather,
            model_frames: frames,
        };
        (scene, rois)
    }
}

/// A frame beside the one before it, and its foreground.
struct Compared<'a> {
    now: &'a SmallPlane,
    before: Option<&'a SmallPlane>,
    mask: Option<&'a Mask>,
    /// How well the background is known.
    known: f64,
}

impl Compared<'_> {
    fn motion(&self) -> Option<f64> {
        let sum = difference(self.now.samples(), self.before?.samples());
        Some(f64::from(sum) / (255 * SMALL_PIXELS) as f64)
    }

    /// The share of the road, each sample counted once however many regions it lies in; of the frame if no region is road.
    fn road_density(&self, regions: &[Region]) -> Option<f64> {
        let mask = self.mask?;
        let mut road = [0; SMALL_PIXELS];
        let roads = || regions.iter().filter(|region| region.roi.kind.is_road());
        if roads().next().is_none() {
            return share(count(mask), SMALL_PIXELS);
        }
        for run in roads().flat_map(|region| &region.runs) {
            road[run.clone()].fill(1);
        }
        let covered: u32 = road.iter().zip(mask).map(|(road, mask)| u32::from(road & mask)).sum();
        share(covered, count(&road) as usize)
    }

    fn region(&self, region: &Region) -> RoiMeasures {
        let runs = || region.runs.iter().cloned();
        let pixels = runs().map(|run| run.len()).sum();
        let foreground_ratio =
            self.mask.and_then(|mask| share(runs().map(|run| count(&mask[run])).sum(), pixels));
        let motion_intensity = self.before.and_then(|before| {
            let (now, before) = (self.now.samples(), before.samples());
            let sum = runs().map(|run| difference(&now[run.clone()], &before[run])).sum();
            share(sum, 255 * pixels)
        });
        RoiMeasures {
            roi_id: region.roi.id.clone(),
            mean_luma: region.luma.map(|(mean, _)| mean),
            rms_contrast: region.luma.map(|(_, contrast)| contrast),
            foreground_ratio,
            motion_intensity,
            congestion: foreground_ratio.map(|density| congestion(density, self.known)),
        }
    }
}

fn share(part: u32, whole: usize) -> Option<f64> {
    (whole > 0).then(|| f64::from(part) / whole as f64)
}

fn count(mask: &[u8]) -> u32 {
    mask.iter().map(|sample| u32::from(*sample)).sum()
}

/// The sum of absolute differences.
fn difference(one: &[u8], other: &[u8]) -> u32 {
    one.iter().zip(other).map(|(one, other)| u32::from(one.abs_diff(*other))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_remembered_in_64_kb() {
        let bytes = size_of::<SceneModel>() + size_of::<Background>() + SMALL_PIXELS;
        assert!(bytes <= 64_000, "{bytes}");
    }
}
