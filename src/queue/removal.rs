//! What stays of a stream that was unregistered.

use crate::domain::{Partitions, Polygon, PrivacyMask, StreamSettings};

/// What the lease holder is told of frames that were queued when their stream was unregistered.
pub(crate) const UNREGISTERED: &str = "the stream was unregistered";

/// Unregistered streams that are remembered in all, so that their numbers go on should they come back; each partition has an
/// even share. Of those beyond, only the highest number of all is kept.
const REMEMBERED: u64 = 8_192;
/// The least share: few streams of many partitions are remembered all the same.
const REMEMBERED_OF_A_PARTITION: u64 = 8;
/// Bytes of privacy masks that are remembered of an unregistered stream, ids and points: about a dozen masks. With the bound on
/// streams, that is 8 MiB in all.
const REMEMBERED_MASK_BYTES: usize = 1_024;

/// About what settings take in memory.
pub(crate) fn settings_bytes(settings: &StreamSettings) -> u64 {
    let points = |polygon: &Polygon| size_of_val(polygon.points());
    let labels = settings.labels.iter().map(|(key, value)| key.len() + value.len());
    let rois = settings.rois.iter().map(|roi| roi.id.as_str().len() + points(&roi.polygon));
    let masks = settings.privacy_masks.iter().map(|mask| mask.id.len() + points(&mask.polygon));
    let parts = labels.chain(rois).chain(masks).sum::<usize>();
    (size_of::<StreamSettings>() + settings.display_name.len() + parts) as u64
}

/// Most unregistered streams that a partition remembers.
pub(crate) fn remembered_streams(partitions: Partitions) -> u64 {
    (REMEMBERED / u64::from(partitions.count())).max(REMEMBERED_OF_A_PARTITION)
}

/// What is remembered of an unregistered stream's settings: its privacy masks, which hold if its first frame registers it
/// again, since nobody said that it needs none. Too many to be remembered become one that covers the whole picture.
pub(crate) fn left_behind(settings: &StreamSettings) -> StreamSettings {
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
