//! Compares the frames of one stream.

use super::background::{Background, Mask};
use super::congestion::congestion;
use super::small::SMALL_PIXELS;
use super::{FrameMeasures, Region, SmallPlane, morphology};
use crate::domain::{RoiMeasures, SceneMeasures};

/// The number of frames that the background model needs before foreground ratios are reported.
const MIN_MODEL_FRAMES: u64 = 16;
/// The number of frames after which the confidence in the background is 1.
const FULL_CONFIDENCE_FRAMES: f64 = 128.0;

/// The state of one stream: its previous frame and its background model, less than 64 kB. Frames
/// must be observed in order.
#[derive(Debug, Clone)]
pub struct SceneModel {
    background: Box<Background>,
    previous: SmallPlane,
    size: (usize, usize),
}

impl SceneModel {
    /// Compares a frame with the state of its stream, and updates the state, which is `None` before
    /// the first frame.
    ///
    /// A picture of another size starts a new model.
    pub fn observe(state: &mut Option<Self>, frame: FrameMeasures) -> (SceneMeasures, Vec<RoiMeasures>) {
        let FrameMeasures { quality: _, lighting, weather, regions, small, size } = frame;
        let mut mask = [0; SMALL_PIXELS];
        let previous_state = state.take_if(|previous| previous.size == size);
        let (model, previous) = match previous_state {
            Some(mut model) => {
                model.background.observe(&small, &mut mask);
                morphology::clean(&mut mask);
                let previous = std::mem::replace(&mut model.previous, small);
                (model, Some(previous))
            }
            None => (Self { background: Background::new(&small), previous: small, size }, None),
        };
        let model = state.insert(model);
        let frames = model.background.frames();
        let comparison = Comparison {
            now: &model.previous,
            before: previous.as_ref(),
            mask: (frames >= MIN_MODEL_FRAMES).then_some(&mask),
            confidence: if model.background.is_mostly_foreground() {
                0.0
            } else {
                (frames as f64 / FULL_CONFIDENCE_FRAMES).min(1.0)
            },
        };
        let rois = regions.iter().map(|region| comparison.region(region)).collect();
        let foreground_ratio = comparison.road_ratio(&regions);
        let scene = SceneMeasures {
            motion_intensity: comparison.motion(),
            foreground_ratio,
            congestion: foreground_ratio.map(|ratio| congestion(ratio, comparison.confidence)),
            lighting,
            weather,
            model_frames: frames,
        };
        (scene, rois)
    }
}

/// A frame, the frame before it, and the foreground.
struct Comparison<'a> {
    now: &'a SmallPlane,
    before: Option<&'a SmallPlane>,
    mask: Option<&'a Mask>,
    /// The confidence in the background, 0..=1.
    confidence: f64,
}

impl Comparison<'_> {
    fn motion(&self) -> Option<f64> {
        let sum = difference(self.now.samples(), self.before?.samples());
        Some(f64::from(sum) / (255 * SMALL_PIXELS) as f64)
    }

    /// Returns the fraction of foreground on the road, or in the whole frame if no region is a
    /// road. A sample in several regions counts once.
    fn road_ratio(&self, regions: &[Region]) -> Option<f64> {
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
            congestion: foreground_ratio.map(|ratio| congestion(ratio, self.confidence)),
        }
    }
}

fn share(part: u32, whole: usize) -> Option<f64> {
    (whole > 0).then(|| f64::from(part) / whole as f64)
}

fn count(mask: &[u8]) -> u32 {
    mask.iter().map(|sample| u32::from(*sample)).sum()
}

/// Returns the sum of absolute differences.
fn difference(one: &[u8], other: &[u8]) -> u32 {
    one.iter().zip(other).map(|(one, other)| u32::from(one.abs_diff(*other))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_stream_takes_at_most_64_kb() {
        let bytes = size_of::<SceneModel>() + size_of::<Background>() + SMALL_PIXELS;
        assert!(bytes <= 64_000, "{bytes}");
    }
}
