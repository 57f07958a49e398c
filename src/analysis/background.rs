//! An adaptive model of the background of a fixed camera at 160 x 90, in fixed point.
//!
//! For each sample, the model estimates the background luma and the deviation from it. At first,
//! the estimate moves towards each frame by a limited step, which shrinks from frame to frame. It
//! approaches the median, which passing vehicles hardly affect (McFarlane and Schofield,
//! "Segmentation and tracking of piglets in images", 1995).
//!
//! After that, background samples are averaged into the estimate. Foreground samples move it by a
//! sixteenth of a luma unit per frame, so that a stopped vehicle stays foreground for hundreds of
//! frames, but not for ever. The deviation is estimated in steps too, as in sigma-delta estimation
//! (Manzanera and Richefeu 2007).

use super::small::{SMALL_PIXELS, SmallPlane};

/// The number of frames during which the model learns quickly.
const FAST_LEARNING_FRAMES: u64 = 32;
/// The minimum difference of a foreground sample, in luma units.
const MIN_DIFFERENCE: i16 = 8;
/// The initial deviation, in quarters of a luma unit.
const FIRST_DEVIATION: u8 = 4;
/// The maximum deviation, in quarters of a luma unit. Samples with a larger deviation could never
/// be foreground.
const MAX_DEVIATION: u8 = 60;
/// The step by which a foreground sample moves the estimate in each frame, in 1/256 luma units.
const FOREGROUND_STEP: u16 = 16;
/// The fraction of foreground above which a frame may show another scene.
const SCENE_CHANGE_SHARE: f64 = 0.7;
/// The number of such frames in a row after which the model starts again.
const SCENE_CHANGE_FRAMES: u32 = 50;

/// A mask over the small plane: 1 is foreground.
pub(super) type Mask = [u8; SMALL_PIXELS];

/// The background model of one stream.
#[derive(Debug, Clone)]
pub(super) struct Background {
    /// Luma times 256.
    luma: [u16; SMALL_PIXELS],
    /// The deviation in quarters of a luma unit: about the median of the absolute difference.
    deviation: [u8; SMALL_PIXELS],
    /// The number of frames that the model has learned from.
    frames: u64,
    /// The number of consecutive frames, up to the last one, that were mostly foreground.
    mostly_foreground: u32,
}

impl Background {
    /// Creates a model from the first frame.
    pub(super) fn new(first: &SmallPlane) -> Box<Self> {
        let mut model = Box::new(Self {
            luma: [0; SMALL_PIXELS],
            deviation: [0; SMALL_PIXELS],
            frames: 0,
            mostly_foreground: 0,
        });
        model.start(first);
        model
    }

    fn start(&mut self, first: &SmallPlane) {
        for (luma, sample) in self.luma.iter_mut().zip(first.samples()) {
            *luma = u16::from(*sample) << 8 | 0x80;
        }
        self.deviation.fill(FIRST_DEVIATION);
        (self.frames, self.mostly_foreground) = (1, 0);
    }

    /// Returns the number of frames that the model has learned from since it started.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Reports whether the last frame was mostly foreground.
    pub(super) fn is_mostly_foreground(&self) -> bool {
        self.mostly_foreground > 0
    }

    /// Marks the foreground of a frame in `mask`, and learns from the frame.
    pub(super) fn observe(&mut self, frame: &SmallPlane, mask: &mut Mask) {
        let light = LightChange::between(&self.luma, frame);
        let mut foreground = 0;
        for (((sample, luma), deviation), mask) in
            frame.samples().iter().zip(&self.luma).zip(&self.deviation).zip(mask.iter_mut())
        {
            let difference = (i16::from(*sample) - light.expected(*luma)).abs();
            // The threshold is four times the deviation, about 2.7 standard deviations. The
            // deviation is in quarters of a luma unit, so the same number is the threshold in whole
            // luma units.
            let threshold = MIN_DIFFERENCE.max(i16::from(*deviation));
            *mask = u8::from(difference > threshold);
            foreground += u32::from(*mask);
        }
        if f64::from(foreground) > SCENE_CHANGE_SHARE * SMALL_PIXELS as f64 {
            self.mostly_foreground += 1;
            if self.mostly_foreground >= SCENE_CHANGE_FRAMES {
                self.start(frame);
                mask.fill(0);
                return;
            }
        } else {
            self.mostly_foreground = 0;
        }
        if self.frames < FAST_LEARNING_FRAMES {
            self.learn_fast(frame)
        } else {
            self.learn(frame, mask, light)
        }
        self.frames += 1;
    }

    /// Moves the estimate towards the frame: by at most 32 luma units for the second frame, then by at
    /// most 16, 10, 8, ... 1.
    fn learn_fast(&mut self, frame: &SmallPlane) {
        let max_step = (FAST_LEARNING_FRAMES / self.frames) as i16;
        for ((sample, luma), deviation) in frame.samples().iter().zip(&mut self.luma).zip(&mut self.deviation)
        {
            let difference = i16::from(*sample) - (*luma >> 8) as i16;
            // The step is towards a valid value, so the estimate stays in range.
            *luma = luma.wrapping_add((difference.clamp(-max_step, max_step) << 8) as u16);
            adjust_deviation(deviation, difference.abs());
        }
    }

    fn learn(&mut self, frame: &SmallPlane, mask: &Mask, light: LightChange) {
        for ((sample, luma), mask) in frame.samples().iter().zip(&mut self.luma).zip(mask) {
            // The mean of about the last 32 frames. Adding 4 keeps a constant value stable.
            let average = *luma - (*luma >> 5) + (u16::from(*sample) << 3) + 4;
            // The background hidden by a vehicle follows the change of light.
            let hidden = if light.is_none() {
                *luma
            } else {
                *luma - (*luma >> 5) + ((light.expected(*luma) as u16) << 3) + 4
            };
            let target = u16::from(*sample) << 8;
            let stepped = if target > hidden {
                hidden.saturating_add(FOREGROUND_STEP)
            } else {
                hidden.saturating_sub(FOREGROUND_STEP)
            };
            *luma = if *mask == 0 { average } else { stepped };
        }
        // The deviation changes every fourth frame only, so that a gust of wind or a cloud does not
        // make the model insensitive.
        if self.frames.is_multiple_of(4) {
            let grow = self.frames.is_multiple_of(32);
            for (((sample, luma), deviation), mask) in
                frame.samples().iter().zip(&self.luma).zip(&mut self.deviation).zip(mask)
            {
                if *mask == 0 {
                    adjust_deviation(deviation, (i16::from(*sample) - light.expected(*luma)).abs());
                } else if grow {
                    // Samples that are mostly foreground are leaves or water, not vehicles.
                    *deviation = (*deviation + 1).min(MAX_DEVIATION);
                }
            }
        }
    }
}

/// Moves the deviation one step towards a difference.
fn adjust_deviation(deviation: &mut u8, difference: i16) {
    let difference = 4 * difference;
    let now = i16::from(*deviation);
    let step = i16::from(difference > now) - i16::from(difference < now);
    *deviation = (now + step).clamp(0, i16::from(MAX_DEVIATION)) as u8;
}

/// The change of light in the whole picture since the background was learned, as a line:
/// `luma * gain / 128 + offset`.
///
/// The background is divided into a dark and a bright half at its mean. The median difference to
/// the frame in each half gives a point of the line; vehicles do not affect it if they cover less
/// than half of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LightChange {
    gain: u16,
    offset: i16,
}

impl LightChange {
    const NONE: Self = Self { gain: 128, offset: 0 };
    /// The step between the samples that are compared. It is coprime to the width, so that all
    /// columns are included.
    const STRIDE: usize = 3;
    /// The light counts as unchanged if both medians are within this many luma units.
    const STEADY: i16 = 2;
    /// The minimum distance, in luma units, between the means of the halves; if they are closer, no
    /// gain is computed.
    const MIN_DISTANCE: i32 = 24;

    fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// Returns the expected luma of a background sample in the frame.
    fn expected(self, luma: u16) -> i16 {
        let scaled = ((luma >> 8) * self.gain + 64) >> 7;
        (scaled as i16 + self.offset).clamp(0, 255)
    }

    fn between(background: &[u16; SMALL_PIXELS], frame: &SmallPlane) -> Self {
        let pairs = || {
            let lumas = background.iter().step_by(Self::STRIDE).map(|luma| luma >> 8);
            lumas.zip(frame.samples().iter().step_by(Self::STRIDE))
        };
        let count = pairs().len() as u32;
        let mean = pairs().map(|(luma, _)| u32::from(luma)).sum::<u32>() / count;
        let mut halves = [Half::default(), Half::default()];
        for (luma, sample) in pairs() {
            halves[usize::from(u32::from(luma) > mean)].add(luma, *sample);
        }
        let [dark, bright] = &halves;
        // A half with few samples may be a single vehicle.
        if dark.count < count / 8 || bright.count < count / 8 {
            let whole = if dark.count > bright.count { dark } else { bright };
            return Self::offset(whole.median());
        }
        let (dark_luma, dark_shift) = (dark.mean(), dark.median());
        let (bright_luma, bright_shift) = (bright.mean(), bright.median());
        if dark_shift.abs() <= Self::STEADY && bright_shift.abs() <= Self::STEADY {
            return Self::NONE;
        }
        let distance = bright_luma - dark_luma;
        if distance < Self::MIN_DISTANCE {
            return Self::offset((dark_shift + bright_shift) / 2);
        }
        let gain =
            (128 * (distance + i32::from(bright_shift) - i32::from(dark_shift)) / distance).clamp(32, 255);
        let offset = dark_luma + i32::from(dark_shift) - dark_luma * gain / 128;
        Self { gain: gain as u16, offset: offset as i16 }
    }

    fn offset(shift: i16) -> Self {
        if shift.abs() <= Self::STEADY { Self::NONE } else { Self { gain: 128, offset: shift } }
    }
}

/// One half of the background's samples: the sum of luma, and a histogram of the differences to the
/// frame.
struct Half {
    count: u32,
    sum: u32,
    differences: [u16; 512],
}

impl Default for Half {
    fn default() -> Self {
        Self { count: 0, sum: 0, differences: [0; 512] }
    }
}

impl Half {
    fn add(&mut self, luma: u16, sample: u8) {
        self.count += 1;
        self.sum += u32::from(luma);
        self.differences[usize::from(256 + u16::from(sample) - luma)] += 1;
    }

    fn mean(&self) -> i32 {
        (self.sum / self.count.max(1)) as i32
    }

    fn median(&self) -> i16 {
        let mut left = self.count / 2;
        for (index, count) in self.differences.iter().enumerate() {
            match left.checked_sub(u32::from(*count)) {
                Some(rest) => left = rest,
                None => return index as i16 - 256,
            }
        }
        0
    }
}
