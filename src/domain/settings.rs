//! What an operator says of a stream, and what is in force. Settings keep what was said: what is unset stays unset, so that a
//! default that changes holds for all who relied on it. [`StreamSettings::effective`] is the one place that fills them in.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    AdaptiveQuality, ChromaSubsampling, ClockAction, ClockPolicy, Location, OutputFormat, OutputPolicy,
    PrivacyMask, QueuePolicy, ReencodeMode, Rendition, RetentionPolicy, Roi, StallTimeout, ValidationPolicy,
};

/// How much of a stream's output is to be kept; `None` = the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetentionSettings {
    /// Most entries.
    pub max_frames: Option<u64>,
    /// Oldest entry.
    pub max_age: Option<Duration>,
    /// Most bytes of pictures.
    pub max_bytes: Option<u64>,
}

impl RetentionSettings {
    /// Fills in what is unset.
    #[must_use]
    pub fn effective(&self, defaults: &RetentionPolicy) -> RetentionPolicy {
        RetentionPolicy {
            max_frames: self.max_frames.unwrap_or(defaults.max_frames),
            max_age: self.max_age.unwrap_or(defaults.max_age),
            max_bytes: self.max_bytes.unwrap_or(defaults.max_bytes),
        }
    }
}

impl From<RetentionPolicy> for RetentionSettings {
    fn from(policy: RetentionPolicy) -> Self {
        let RetentionPolicy { max_frames, max_age, max_bytes } = policy;
        Self { max_frames: Some(max_frames), max_age: Some(max_age), max_bytes: Some(max_bytes) }
    }
}

/// How much of a stream's work may wait; `None` = the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueSettings {
    /// Most frames.
    pub max_frames: Option<u64>,
    /// Most bytes of pictures.
    pub max_bytes: Option<u64>,
    /// Whether the oldest waiting frames are dropped above these bounds.
    pub drop_oldest: Option<bool>,
}

impl QueueSettings {
    /// Fills in what is unset.
    #[must_use]
    pub fn effective(&self, defaults: &QueuePolicy) -> QueuePolicy {
        QueuePolicy {
            max_frames: self.max_frames.unwrap_or(defaults.max_frames),
            max_bytes: self.max_bytes.unwrap_or(defaults.max_bytes),
            drop_oldest: self.drop_oldest.unwrap_or(defaults.drop_oldest),
        }
    }
}

impl From<QueuePolicy> for QueueSettings {
    fn from(policy: QueuePolicy) -> Self {
        let QueuePolicy { max_frames, max_bytes, drop_oldest } = policy;
        Self { max_frames: Some(max_frames), max_bytes: Some(max_bytes), drop_oldest: Some(drop_oldest) }
    }
}

/// What to do about a camera whose clock is off; `None` = the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockSettings {
    /// How far off is fine.
    pub tolerance: Option<Duration>,
    /// What happens beyond it.
    pub action: Option<ClockAction>,
}

impl ClockSettings {
    /// Fills in what is unset.
    #[must_use]
    pub fn effective(&self, defaults: &ClockPolicy) -> ClockPolicy {
        ClockPolicy {
            tolerance: self.tolerance.unwrap_or(defaults.tolerance),
            action: self.action.unwrap_or(defaults.action),
        }
    }
}

impl From<ClockPolicy> for ClockSettings {
    fn from(policy: ClockPolicy) -> Self {
        let ClockPolicy { tolerance, action } = policy;
        Self { tolerance: Some(tolerance), action: Some(action) }
    }
}

/// Bounds that a stream's processed frames should keep; `None` = the default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ValidationSettings {
    /// Least quality score, 0..=1.
    pub min_quality_score: Option<f64>,
    /// Least width of the submitted picture in pixels.
    pub min_width: Option<u32>,
    /// Least height of the submitted picture in pixels.
    pub min_height: Option<u32>,
    /// Greatest age, from received to processed.
    pub max_age: Option<Duration>,
}

impl ValidationSettings {
    /// Fills in what is unset.
    #[must_use]
    pub fn effective(&self, defaults: &ValidationPolicy) -> ValidationPolicy {
        ValidationPolicy {
            min_quality_score: self.min_quality_score.or(defaults.min_quality_score),
            min_width: self.min_width.unwrap_or(defaults.min_width),
            min_height: self.min_height.unwrap_or(defaults.min_height),
            max_age: self.max_age.or(defaults.max_age),
        }
    }
}

/// A bound of 0 is none.
impl From<ValidationPolicy> for ValidationSettings {
    fn from(policy: ValidationPolicy) -> Self {
        let ValidationPolicy { min_quality_score, min_width, min_height, max_age } = policy;
        let bound = |side: u32| Some(side).filter(|&side| side > 0);
        Self { min_quality_score, min_width: bound(min_width), min_height: bound(min_height), max_age }
    }
}

/// A format that pictures are encoded in, whether or not it loses anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EncodedFormat {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    WebP,
}

/// A budget of bytes as it was asked for; at least one bound is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AdaptiveSettings {
    /// Most bytes of a picture; `None` = not bounded.
    pub max_bytes_per_frame: Option<u32>,
    /// Most bytes a second, on average over any ten; `None` = not bounded.
    pub max_bytes_per_second: Option<u64>,
    /// The lowest quality that may be chosen, 1..=100; `None` = the default.
    pub min_quality: Option<u8>,
    /// The least that the sides may be scaled to, as a percentage, 5..=100; `None` = the default.
    pub min_scale_percent: Option<u8>,
}

impl AdaptiveSettings {
    /// Fills in what is unset.
    #[must_use]
    pub fn effective(&self) -> AdaptiveQuality {
        AdaptiveQuality {
            max_bytes_per_frame: self.max_bytes_per_frame.unwrap_or(0),
            max_bytes_per_second: self.max_bytes_per_second.unwrap_or(0),
            min_quality: self.min_quality.unwrap_or(AdaptiveQuality::DEFAULT_MIN_QUALITY),
            min_scale_percent: self.min_scale_percent.unwrap_or(AdaptiveQuality::DEFAULT_MIN_SCALE_PERCENT),
        }
    }
}

impl From<AdaptiveQuality> for AdaptiveSettings {
    fn from(budget: AdaptiveQuality) -> Self {
        let AdaptiveQuality { max_bytes_per_frame, max_bytes_per_second, min_quality, min_scale_percent } =
            budget;
        Self {
            max_bytes_per_frame: Some(max_bytes_per_frame).filter(|&bytes| bytes > 0),
            max_bytes_per_second: Some(max_bytes_per_second).filter(|&bytes| bytes > 0),
            min_quality: Some(min_quality),
            min_scale_percent: Some(min_scale_percent),
        }
    }
}

/// What workers are to make of a stream's pictures; `None` = the default. What is said by yes and no has no default but no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutputSettings {
    /// What the processed picture is written as.
    pub format: Option<EncodedFormat>,
    /// Makes a WebP lossless; kept, and without effect, for other formats.
    pub lossless: bool,
    /// 1..=100; counts for lossy formats.
    pub quality: Option<u8>,
    /// Most pixels across.
    pub max_width: Option<u32>,
    /// Most pixels down.
    pub max_height: Option<u32>,
    /// Longer side of the thumbnail in pixels; 0 = none.
    pub thumbnail_size: Option<u32>,
    /// Keep the submitted bytes with the output.
    pub keep_original: bool,
    /// When a picture is encoded again.
    pub reencode: Option<ReencodeMode>,
    /// Steers the quality.
    pub adaptive: Option<AdaptiveSettings>,
    /// Keep EXIF and ICC blocks.
    pub keep_metadata: bool,
    /// Originals may be kept although there are privacy masks.
    pub keep_unmasked_original: bool,
    /// Chroma of the processed picture; counts for JPEG.
    pub chroma: Option<ChromaSubsampling>,
}

impl OutputSettings {
    /// Fills in what is unset.
    #[must_use]
    pub fn effective(&self, defaults: &OutputPolicy) -> OutputPolicy {
        let rendition = &defaults.rendition;
        let format = match self.format {
            Some(EncodedFormat::Jpeg) => OutputFormat::Jpeg,
            Some(EncodedFormat::Png) => OutputFormat::Png,
            Some(EncodedFormat::WebP) => OutputFormat::WebP,
            None => rendition.format,
        };
        OutputPolicy {
            rendition: Rendition {
                format: if self.lossless && format == OutputFormat::WebP {
                    OutputFormat::WebPLossless
                } else {
                    format
                },
                quality: self.quality.unwrap_or(rendition.quality),
                max_width: self.max_width.unwrap_or(rendition.max_width),
                max_height: self.max_height.unwrap_or(rendition.max_height),
            },
            thumbnail_size: self.thumbnail_size.unwrap_or(defaults.thumbnail_size),
            keep_original: self.keep_original,
            reencode: self.reencode.unwrap_or(defaults.reencode),
            adaptive: self.adaptive.map(|budget| budget.effective()).or(defaults.adaptive),
            keep_metadata: self.keep_metadata,
            keep_unmasked_original: self.keep_unmasked_original,
            chroma: self.chroma.unwrap_or(defaults.chroma),
        }
    }
}

/// A bound of 0 is none.
impl From<OutputPolicy> for OutputSettings {
    fn from(policy: OutputPolicy) -> Self {
        let OutputPolicy {
            rendition: Rendition { format, quality, max_width, max_height },
            thumbnail_size,
            keep_original,
            reencode,
            adaptive,
            keep_metadata,
            keep_unmasked_original,
            chroma,
        } = policy;
        let bound = |side: u32| Some(side).filter(|&side| side > 0);
        let (format, lossless) = match format {
            OutputFormat::Jpeg => (EncodedFormat::Jpeg, false),
            OutputFormat::Png => (EncodedFormat::Png, false),
            OutputFormat::WebP => (EncodedFormat::WebP, false),
            OutputFormat::WebPLossless => (EncodedFormat::WebP, true),
        };
        Self {
            format: Some(format),
            lossless,
            quality: Some(quality),
            max_width: bound(max_width),
            max_height: bound(max_height),
            thumbnail_size: Some(thumbnail_size),
            keep_original,
            reencode: Some(reencode),
            adaptive: adaptive.map(AdaptiveSettings::from),
            keep_metadata,
            keep_unmasked_original,
            chroma: Some(chroma),
        }
    }
}

/// A stream's policies in force. Its default is what this program does where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StreamPolicies {
    /// How much output is kept.
    pub retention: RetentionPolicy,
    /// How much work may wait.
    pub queue: QueuePolicy,
    /// What is made of the pictures.
    pub output: OutputPolicy,
    /// What to do about a wrong clock.
    pub clock: ClockPolicy,
    /// Which frames are flagged.
    pub validation: ValidationPolicy,
    /// After how long without a frame it counts as stalled.
    pub stall_timeout: StallTimeout,
}

/// What an operator says of a stream.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamSettings {
    /// For people.
    pub display_name: String,
    /// For selectors and filters.
    pub labels: BTreeMap<String, String>,
    /// Where the camera stands.
    pub location: Option<Location>,
    /// Regions that get measures of their own; their ids differ.
    pub rois: Vec<Roi>,
    /// How much output is kept.
    pub retention: RetentionSettings,
    /// How much work may wait.
    pub queue: QueueSettings,
    /// What is made of the pictures.
    pub output: OutputSettings,
    /// What is painted over in them.
    pub privacy_masks: Vec<PrivacyMask>,
    /// Rises with every change of the masks, also where the stream was unregistered meanwhile; 0 = there never were any.
    pub mask_version: u64,
    /// What to do about a wrong clock.
    pub clock: ClockSettings,
    /// Which frames are flagged.
    pub validation: ValidationSettings,
    /// After how long without a frame it counts as stalled; `None` = the default.
    pub stall_timeout: Option<StallTimeout>,
    /// Its first frame registered it; a change of the settings does not change that.
    pub auto_registered: bool,
}

impl StreamSettings {
    /// Fills in what is unset.
    #[must_use]
    pub fn effective(&self, defaults: &StreamPolicies) -> StreamPolicies {
        StreamPolicies {
            retention: self.retention.effective(&defaults.retention),
            queue: self.queue.effective(&defaults.queue),
            output: self.output.effective(&defaults.output),
            clock: self.clock.effective(&defaults.clock),
            validation: self.validation.effective(&defaults.validation),
            stall_timeout: self.stall_timeout.unwrap_or(defaults.stall_timeout),
        }
    }

    /// Whether two say the same; what the server notes beside them does not count.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        let Self {
            display_name,
            labels,
            location,
            rois,
            retention,
            queue,
            output,
            privacy_masks,
            mask_version: _,
            clock,
            validation,
            stall_timeout,
            auto_registered: _,
        } = self;
        (display_name, labels, location, rois)
            == (&other.display_name, &other.labels, &other.location, &other.rois)
            && (retention, queue, output) == (&other.retention, &other.queue, &other.output)
            && (privacy_masks, clock) == (&other.privacy_masks, &other.clock)
            && (validation, stall_timeout) == (&other.validation, &other.stall_timeout)
    }

    /// Whether submitted pictures must not be kept as they are: the stream has masks, and they hold for originals too.
    #[must_use]
    pub fn hides_originals(&self) -> bool {
        !self.privacy_masks.is_empty() && !self.output.keep_unmasked_original
    }

    /// Takes masks over from what was before: a new version, where they differ.
    pub fn number_masks(&mut self, before: Option<&Self>) {
        let (version, same) = match before {
            Some(before) => (before.mask_version, before.privacy_masks == self.privacy_masks),
            None => (0, self.privacy_masks.is_empty()),
        };
        self.mask_version = if same { version } else { version + 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_said() -> StreamPolicies {
        StreamPolicies {
            retention: RetentionPolicy { max_frames: 7, max_age: Duration::from_secs(8), max_bytes: 9 << 20 },
            queue: QueuePolicy { max_frames: 3, max_bytes: 4 << 20, drop_oldest: true },
            output: OutputPolicy {
                rendition: Rendition {
                    format: OutputFormat::WebPLossless,
                    quality: 41,
                    max_width: 640,
                    max_height: 0,
                },
                thumbnail_size: 0,
                keep_original: true,
                reencode: ReencodeMode::Always,
                adaptive: Some(AdaptiveQuality {
                    max_bytes_per_frame: 0,
                    max_bytes_per_second: 9_000,
                    min_quality: 12,
                    min_scale_percent: 50,
                }),
                keep_metadata: true,
                keep_unmasked_original: true,
                chroma: ChromaSubsampling::S422,
            },
            clock: ClockPolicy { tolerance: Duration::from_secs(2), action: ClockAction::Ignore },
            validation: ValidationPolicy {
                min_quality_score: Some(0.5),
                min_width: 320,
                min_height: 240,
                max_age: Some(Duration::from_secs(3)),
            },
            stall_timeout: StallTimeout(Duration::from_secs(99)),
        }
    }

    #[test]
    fn what_is_unset_is_the_default_of_who_asks() {
        let unset = StreamSettings::default();
        assert_eq!(unset.effective(&StreamPolicies::default()), StreamPolicies::default());
        let kept = OutputPolicy {
            keep_original: false,
            keep_metadata: false,
            keep_unmasked_original: false,
            ..all_said().output
        };
        assert_eq!(unset.effective(&all_said()), StreamPolicies { output: kept, ..all_said() });
    }

    #[test]
    fn what_is_said_holds_whatever_the_defaults_are() {
        let StreamPolicies { retention, queue, output, clock, validation, stall_timeout } = all_said();
        let said = StreamSettings {
            retention: retention.into(),
            queue: queue.into(),
            output: output.into(),
            clock: clock.into(),
            validation: validation.into(),
            stall_timeout: Some(stall_timeout),
            ..StreamSettings::default()
        };
        assert_eq!(said.effective(&StreamPolicies::default()), all_said());
    }

    #[test]
    fn one_bound_that_is_said_leaves_the_others_to_the_defaults() {
        let said = RetentionSettings { max_frames: Some(5), ..RetentionSettings::default() };
        let default = RetentionPolicy::default();
        assert_eq!(said.effective(&default), RetentionPolicy { max_frames: 5, ..default });
    }

    #[test]
    fn lossless_says_nothing_of_other_formats_and_is_kept() {
        for (format, expected) in [
            (None, OutputFormat::Jpeg),
            (Some(EncodedFormat::Png), OutputFormat::Png),
            (Some(EncodedFormat::WebP), OutputFormat::WebPLossless),
        ] {
            let said = OutputSettings { format, lossless: true, ..OutputSettings::default() };
            assert_eq!(said.effective(&OutputPolicy::default()).rendition.format, expected);
        }
    }
}
