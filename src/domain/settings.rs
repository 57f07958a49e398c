//! The settings of a stream as an operator gave them, and the policies that follow from them.
//!
//! Settings are stored as given: unset values stay unset, so that a changed default applies to all
//! streams that rely on it. Only [`StreamSettings::effective`] fills in the defaults.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    AdaptiveQuality, ChromaSubsampling, ClockAction, ClockPolicy, HuffmanTables, Location, OutputFormat,
    OutputPolicy, PrincipalName, PrivacyMask, QueuePolicy, ReencodeMode, Rendition, RetentionPolicy, Roi,
    StallTimeout, ValidationPolicy,
};

/// The requested bounds of the kept output of a stream; `None` = the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetentionSettings {
    /// The maximum number of entries.
    pub max_frames: Option<u64>,
    /// The maximum age of an entry.
    pub max_age: Option<Duration>,
    /// The maximum bytes of pictures.
    pub max_bytes: Option<u64>,
}

impl RetentionSettings {
    /// Returns the settings with defaults for all unset values.
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

/// The requested bounds of the waiting frames of a stream; `None` = the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueSettings {
    /// The maximum number of frames.
    pub max_frames: Option<u64>,
    /// The maximum bytes of pictures.
    pub max_bytes: Option<u64>,
    /// True if the oldest waiting frames are dropped when a bound is exceeded.
    pub drop_oldest: Option<bool>,
}

impl QueueSettings {
    /// Returns the settings with defaults for all unset values.
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

/// The requested action for frames with a wrong capture time; `None` = the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockSettings {
    /// The maximum difference between the capture time and the server's clock.
    pub tolerance: Option<Duration>,
    /// The action if the difference is larger.
    pub action: Option<ClockAction>,
}

impl ClockSettings {
    /// Returns the settings with defaults for all unset values.
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

/// The requested bounds for processed frames; `None` = the default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ValidationSettings {
    /// The minimum quality score, 0..=1.
    pub min_quality_score: Option<f64>,
    /// The minimum width of the submitted picture in pixels.
    pub min_width: Option<u32>,
    /// The minimum height of the submitted picture in pixels.
    pub min_height: Option<u32>,
    /// The maximum time from the receive time of a frame until it has been processed.
    pub max_age: Option<Duration>,
}

impl ValidationSettings {
    /// Returns the settings with defaults for all unset values.
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

/// Turns a bound of 0 into an unset value.
impl From<ValidationPolicy> for ValidationSettings {
    fn from(policy: ValidationPolicy) -> Self {
        let ValidationPolicy { min_quality_score, min_width, min_height, max_age } = policy;
        let bound = |side: u32| Some(side).filter(|&side| side > 0);
        Self { min_quality_score, min_width: bound(min_width), min_height: bound(min_height), max_age }
    }
}

/// The format of an encoded picture, lossy or lossless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EncodedFormat {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    WebP,
}

/// A requested budget of bytes; at least one maximum is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AdaptiveSettings {
    /// The maximum bytes of a picture; `None` = no limit.
    pub max_bytes_per_frame: Option<u32>,
    /// The maximum bytes per second, on average over any ten seconds; `None` = no limit.
    pub max_bytes_per_second: Option<u64>,
    /// The minimum quality that may be chosen, 1..=100; `None` = the default.
    pub min_quality: Option<u8>,
    /// The minimum scale of the sides in percent, 5..=100; `None` = the default.
    pub min_scale_percent: Option<u8>,
}

impl AdaptiveSettings {
    /// Returns the settings with defaults for all unset values.
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

/// The requested processing of a stream's pictures; `None` = the default. The default of booleans
/// is always false.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutputSettings {
    /// The format of the processed picture.
    pub format: Option<EncodedFormat>,
    /// True if a WebP is lossless. Stored for other formats too, but without effect.
    pub lossless: bool,
    /// The quality, 1..=100, for lossy formats.
    pub quality: Option<u8>,
    /// The maximum width in pixels.
    pub max_width: Option<u32>,
    /// The maximum height in pixels.
    pub max_height: Option<u32>,
    /// The longer side of the thumbnail in pixels; 0 = no thumbnail.
    pub thumbnail_size: Option<u32>,
    /// True if the submitted bytes are kept with the output.
    pub keep_original: bool,
    /// The condition for encoding a picture again.
    pub reencode: Option<ReencodeMode>,
    /// The budget that controls the quality.
    pub adaptive: Option<AdaptiveSettings>,
    /// True if EXIF and ICC blocks are kept.
    pub keep_metadata: bool,
    /// True if originals may be kept although the stream has privacy masks.
    pub keep_unmasked_original: bool,
    /// The chroma subsampling of the processed picture, if it is a JPEG.
    pub chroma: Option<ChromaSubsampling>,
    /// The Huffman tables of the processed picture, if it is a JPEG.
    pub huffman: Option<HuffmanTables>,
}

impl OutputSettings {
    /// Returns the settings with defaults for all unset values.
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
            huffman: self.huffman.unwrap_or(defaults.huffman),
        }
    }
}

/// Turns a bound of 0 into an unset value.
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
            huffman,
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
            huffman: Some(huffman),
        }
    }
}

/// The effective policies of a stream. The `Default` values are those of the program without any
/// configuration.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StreamPolicies {
    /// The bounds of the kept output.
    pub retention: RetentionPolicy,
    /// The bounds of the waiting frames.
    pub queue: QueuePolicy,
    /// The processing of the pictures.
    pub output: OutputPolicy,
    /// The action for frames with a wrong capture time.
    pub clock: ClockPolicy,
    /// The bounds below which frames are flagged.
    pub validation: ValidationPolicy,
    /// The time without a frame after which the stream counts as stalled.
    pub stall_timeout: StallTimeout,
}

/// The settings of a stream as an operator gave them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StreamSettings {
    /// The name for people.
    pub display_name: String,
    /// The labels, for selectors and filters.
    pub labels: BTreeMap<String, String>,
    /// The location of the camera.
    pub location: Option<Location>,
    /// The regions of interest. No two have the same id.
    pub rois: Vec<Roi>,
    /// The bounds of the kept output.
    pub retention: RetentionSettings,
    /// The bounds of the waiting frames.
    pub queue: QueueSettings,
    /// The processing of the pictures.
    pub output: OutputSettings,
    /// The regions that are painted over in pictures.
    pub privacy_masks: Vec<PrivacyMask>,
    /// The version of the masks: rises with each change, even if the stream was unregistered in
    /// between; 0 = the stream never had masks.
    pub mask_version: u64,
    /// The action for frames with a wrong capture time.
    pub clock: ClockSettings,
    /// The bounds below which frames are flagged.
    pub validation: ValidationSettings,
    /// The time without a frame after which the stream counts as stalled; `None` = the default.
    pub stall_timeout: Option<StallTimeout>,
    /// True if the stream's first frame registered it. Later changes of the settings do not change
    /// this.
    pub auto_registered: bool,
    /// The principal that registered the stream; `None` = it was registered without
    /// authentication. Later changes of the settings do not change this.
    pub owner: Option<PrincipalName>,
}

impl StreamSettings {
    /// Returns the settings with defaults for all unset values.
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

    /// Reports whether an operator would see the same settings. Values that the server adds, such
    /// as `mask_version`, are not compared.
    #[must_use]
    pub fn has_same_settings(&self, other: &Self) -> bool {
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
            owner: _,
        } = self;
        (display_name, labels, location, rois)
            == (&other.display_name, &other.labels, &other.location, &other.rois)
            && (retention, queue, output) == (&other.retention, &other.queue, &other.output)
            && (privacy_masks, clock) == (&other.privacy_masks, &other.clock)
            && (validation, stall_timeout) == (&other.validation, &other.stall_timeout)
    }

    /// Reports whether submitted pictures must not be stored: the stream has privacy masks, and the
    /// operator does not allow unmasked originals.
    #[must_use]
    pub fn hides_originals(&self) -> bool {
        !self.privacy_masks.is_empty() && !self.output.keep_unmasked_original
    }

    /// Sets the mask version: that of the settings `before`, plus one if the masks differ.
    pub fn update_mask_version(&mut self, before: Option<&Self>) {
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

    fn all_set() -> StreamPolicies {
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
                huffman: HuffmanTables::Stream,
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
    fn unset_values_get_the_given_defaults() {
        let unset = StreamSettings::default();
        assert_eq!(unset.effective(&StreamPolicies::default()), StreamPolicies::default());
        let kept = OutputPolicy {
            keep_original: false,
            keep_metadata: false,
            keep_unmasked_original: false,
            ..all_set().output
        };
        assert_eq!(unset.effective(&all_set()), StreamPolicies { output: kept, ..all_set() });
    }

    #[test]
    fn set_values_hold_with_any_defaults() {
        let StreamPolicies { retention, queue, output, clock, validation, stall_timeout } = all_set();
        let said = StreamSettings {
            retention: retention.into(),
            queue: queue.into(),
            output: output.into(),
            clock: clock.into(),
            validation: validation.into(),
            stall_timeout: Some(stall_timeout),
            ..StreamSettings::default()
        };
        assert_eq!(said.effective(&StreamPolicies::default()), all_set());
    }

    #[test]
    fn one_set_bound_leaves_the_others_at_their_defaults() {
        let said = RetentionSettings { max_frames: Some(5), ..RetentionSettings::default() };
        let default = RetentionPolicy::default();
        assert_eq!(said.effective(&default), RetentionPolicy { max_frames: 5, ..default });
    }

    #[test]
    fn lossless_has_no_effect_on_other_formats_and_is_kept() {
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
