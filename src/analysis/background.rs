//! An adaptive model of a fixed camera's background at 160 x 90, in fixed point.
//!
//! Every sample has an estimate of its background luma and of how far it strays from it. While the model is young, the
//! estimate steps towards each frame by a bounded amount that shrinks: that approaches the median, which passing vehicles
//! hardly move (McFarlane and Schofield, "Segmentation and tracking of piglets in images", 1995). Later, samples that look
//! like background are averaged in; those that do not move the estimate by a sixteenth of a luma unit a frame, so that a
//! stopped vehicle is foreground for hundreds of frames, and not for ever. How far a sample strays is estimated by
//! steps as well, in the manner of sigma-delta estimation (Manzanera and Richefeu 2007).

use super::small::{SMALL_PIXELS, SmallPlane};

/// Frames in which the model learns quickly.
const YOUNG: u64 = 32;
/// A sample is foreground only if it differs by more than this many luma units.
const LEAST_DIFFERENCE: i16 = 8;
/// What samples stray at first, in quarters of a luma unit.
const FIRST_DEVIATION: u8 = 4;
/// What they stray at most: they would never be foreground otherwise.
const MOST_DEVIATION: u8 = 60;
/// Move of the estimate of a foreground sample in one frame, in 1/256 luma units.
const FOREGROUND_STEP: u16 = 16;
/// With more of the frame in the foreground than this, it is another scene.
const UPSET_SHARE: f64 = 0.7;
/// The model starts again after so many such frames in a row.
const UPSET_FRAMES: u32 = 50;

/// A mask of the small plane: 1 is foreground.
pub(super) type Mask = [u8; SMALL_PIXELS];

/// The model of one stream.
#[derive(Debug, Clone)]
pub(super) struct Background {
    /// Luma times 256.
    luma: [u16; SMALL_PIXELS],
    /// How far samples stray, in quarters of a luma unit: about the median of the absolute difference.
    deviation: [u8; SMALL_PIXELS],
    /// Frames learnt from.
    frames: u64,
    /// Frames in a row that were nearly all foreground.
    upset: u32,
}

impl Background {
    /// A model that has seen one frame.
    pub(super) fn new(first: &SmallPlane) -> Box<Self> {
        let mut model =
            Box::new(Self { luma: [0; SMALL_PIXELS], deviation: [0; SMALL_PIXELS], frames: 0, upset: 0 });
        model.start(first);
        model
    }

    fn start(&mut self, first: &SmallPlane) {
        for (luma, sample) in self.luma.iter_mut().zip(first.samples()) {
            *luma = u16::from(*sample) << 8 | 0x80;
        }
        self.deviation.fill(FIRST_DEVIATION);
        (self.frames, self.upset) = (1, 0);
    }

    /// Frames learnt from since it started.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Nearly all was foreground just now.
    pub(super) fn is_upset(&self) -> bool {
        self.upset > 0
    }

    /// Marks what does not look like background, and learns the frame.
    pub(super) fn observe(&mut self, frame: &SmallPlane, mask: &mut Mask) {
        let light = LightChange::between(&self.luma, frame);
        let mut foreground = 0;
        for (((sample, luma), deviation), mask) in
            frame.samples().iter().zip(&self.luma).zip(&self.deviation).zip(mask.iter_mut())
        {
            let difference = (i16::from(*sample) - light.expected(*luma)).abs();
            // In quarters of a unit, the deviation is four times itself in units: about 2.7 standard deviations.
            let threshold = LEAST_DIFFERENCE.max(i16::from(*deviation));
            *mask = u8::from(difference > threshold);
            foreground += u32::from(*mask);
        }
        if f64::from(foreground) > UPSET_SHARE * SMALL_PIXELS as f64 {
            self.upset += 1;
            if self.upset >= UPSET_FRAMES {
                self.start(frame);
                mask.fill(0);
                return;
            }
        } else {
            self.upset = 0;
        }
        if self.frames < YOUNG {
            self.learn_young(frame)
        } else {
            self.learn(frame, mask, light)
        }
        self.frames += 1;
    }

    /// Steps of at most 32, 16, 10, 8, ... 1 luma units towards the frame.
    fn learn_young(&mut self, frame: &SmallPlane) {
        let most = (YOUNG / self.frames) as i16;
        for ((sample, luma), deviation) in frame.samples().iter().zip(&mut self.luma).zip(&mut self.deviation)
        {
            let difference = i16::from(*sample) - (*luma >> 8) as i16;
            // Towards a value of the range: it stays within.
            *luma = luma.wrapping_add((difference.clamp(-most, most) << 8) as u16);
            stray(deviation, difference.abs());
        }
    }

    fn learn(&mut self, frame: &SmallPlane, mask: &Mask, light: LightChange) {
        for ((sample, luma), mask) in frame.samples().iter().zip(&mut self.luma).zip(mask) {
            // The mean of the last 32 or so. With the half that is added, a value that stays is kept.
            let average = *luma - (*luma >> 5) + (u16::from(*sample) << 3) + 4;
            // Behind a vehicle the light changes as it does elsewhere.
            let lit = if light.is_none() {
                *luma
            } else {
                *luma - (*luma >> 5) + ((light.expected(*luma) as u16) << 3) + 4
            };
            let target = u16::from(*sample) << 8;
            let stepped = if target > lit {
                lit.saturating_add(FOREGROUND_STEP)
            } else {
                lit.saturating_sub(FOREGROUND_STEP)
            };
            *luma = if *mask == 0 { average } else { stepped };
        }
        // A step in four frames: a passing gust or cloud should not blind the model.
        if self.frames.is_multiple_of(4) {
            let grow = self.frames.is_multiple_of(32);
            for (((sample, luma), deviation), mask) in
                frame.samples().iter().zip(&self.luma).zip(&mut self.deviation).zip(mask)
            {
                if *mask == 0 {
                    stray(deviation, (i16::from(*sample) - light.expected(*luma)).abs());
                } else if grow {
                    // What is foreground most of the time is no vehicle, but leaves or water.
                    *deviation = (*deviation + 1).min(MOST_DEVIATION);
                }
            }
        }
    }
}

/// Moves the estimate one step towards a difference.
fn stray(deviation: &mut u8, difference: i16) {
    let difference = 4 * difference;
    let now = i16::from(*deviation);
    let step = i16::from(difference > now) - i16::from(difference < now);
    *deviation = (now + step).clamp(0, i16::from(MOST_DEVIATION)) as u8;
}

/// How the light of the whole picture has changed since the background was learnt: `luma * gain / 128 + offset`.
///
/// The background is parted at its mean; in each half the median difference to the frame is taken, which vehicles do not
/// move as long as they cover less than half of it. Two points make a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LightChange {
    gain: u16,
    offset: i16,
}

impl LightChange {
    const NONE: Self = Self { gain: 128, offset: 0 };
    /// Every so many samples are looked at. Prime to the width, so that all columns are.
    const STRIDE: usize = 3;
    /// Both medians within this many luma units: the light is as it was.
    const STEADY: i16 = 2;
    /// A gain needs halves that lie so far apart.
    const APART: i32 = 24;

    fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// What a background sample should look like now.
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
        // A half of a few samples may be one vehicle.
        if dark.count < count / 8 || bright.count < count / 8 {
            let whole = if dark.count > bright.count { dark } else { bright };
            return Self::offset(whole.median());
        }
        let (dark_luma, dark_shift) = (dark.mean(), dark.median());
        let (bright_luma, bright_shift) = (bright.mean(), bright.median());
        if dark_shift.abs() <= Self::STEADY && bright_shift.abs() <= Self::STEADY {
            return Self::NONE;
        }
        let apart = bright_luma - dark_luma;
        if apart < Self::APART {
            return Self::offset((dark_shift + bright_shift) / 2);
        }
        let gain = (128 * (apart + i32::from(bright_shift) - i32::from(dark_shift)) / apart).clamp(32, 255);
        let offset = dark_luma + i32::from(dark_shift) - dark_luma * gain / 128;
        Self { gain: gain as u16, offset: offset as i16 }
    }

    fn offset(shift: i16) -> Self {
        if shift.abs() <= Self::STEADY { Self::NONE } else { Self { gain: 128, offset: shift } }
    }
}

/// Half of the background's samples: their luma, and how often each difference to the frame occurs.
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
