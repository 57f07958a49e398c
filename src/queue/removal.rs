//! The part of an unregistered stream that the store remembers.

use crate::domain::{Partitions, Polygon, PrivacyMask, StreamSettings};

/// The purge reason of frames that were queued when their stream was unregistered.
pub(crate) const UNREGISTERED: &str = "the stream was unregistered";

/// The maximum number of unregistered streams that a store remembers, so that their sequences
/// continue if they are registered again. Each partition remembers an even share of them. Of the
/// streams that it forgets, it keeps only the highest sequence.
const REMEMBERED: u64 = 8_192;
/// The minimum share of a partition, for stores with many partitions.
const REMEMBERED_OF_A_PARTITION: u64 = 8;
/// The maximum bytes of privacy masks that are remembered of an unregistered stream, ids and
/// points: about a dozen masks. With the bound on streams, that is 8 MiB in all.
const REMEMBERED_MASK_BYTES: usize = 1_024;

/// Estimates the memory that settings take.
pub(crate) fn settings_bytes(settings: &StreamSettings) -> u64 {
    let points = |polygon: &Polygon| size_of_val(polygon.points());
    let labels = settings.labels.iter().map(|(key, value)| key.len() + value.len());
    let rois = settings.rois.iter().map(|roi| roi.id.as_str().len() + points(&roi.polygon));
    let masks = settings.privacy_masks.iter().map(|mask| mask.id.len() + points(&mask.polygon));
    let parts = labels.chain(rois).chain(masks).sum::<usize>();
    (size_of::<StreamSettings>() + settings.display_name.len() + parts) as u64
}

/// Returns the maximum number of unregistered streams that a partition remembers.
pub(crate) fn remembered_streams(partitions: Partitions) -> u64 {
    (REMEMBERED / u64::from(partitions.count())).max(REMEMBERED_OF_A_PARTITION)
}

/// Returns the part of an unregistered stream's settings that is remembered: its privacy masks.
/// They apply again if a first frame registers the stream again, since nobody has decided that it
/// needs no masks. Masks that are too large to be remembered become one mask that covers the whole
/// picture.
pub(crate) fn remembered_settings(settings: &StreamSettings) -> StreamSettings {
    let bytes = |mask: &PrivacyMask| mask.id.len() + size_of_val(mask.polygon.points());
    let masks = &settings.privacy_masks;
    let (privacy_masks, mask_version) = if masks.iter().map(bytes).sum::<usize>() <= REMEMBERED_MASK_BYTES {
        (masks.clone(), settings.mask_version)
    } else {
        let all = PrivacyMask { id: "all".to_owned(), polygon: Polygon::whole() };
        (vec![all], settings.mask_version + 1)
    };
    StreamSettings { privacy_masks, mask_version, ..StreamSettings::default() }
}
