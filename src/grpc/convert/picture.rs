use crate::access::Caller;
use crate::domain::limits::DEFAULT_MAX_DELIVERED_PICTURE_BYTES;
use crate::domain::{ColorMatrix, ColorRange, PictureFormat, PictureRole, SourceInfo};
use crate::grpc::fault::{Fault, Result};
use crate::hub::PictureWant;
use crate::pb::v1 as pb;

/// The maximum of `max_picture_bytes` in a request.
pub(crate) const MAX_DELIVERED_PICTURE_BYTES: u32 = 32 << 20;

pub(crate) fn range_from_pb(range: pb::ColorRange) -> ColorRange {
    match range {
        pb::ColorRange::Unspecified | pb::ColorRange::Full => ColorRange::Full,
        pb::ColorRange::Limited => ColorRange::Limited,
    }
}

pub(crate) fn matrix_from_pb(matrix: pb::ColorMatrix) -> ColorMatrix {
    match matrix {
        pb::ColorMatrix::Unspecified | pb::ColorMatrix::Bt601 => ColorMatrix::Bt601,
        pb::ColorMatrix::Bt709 => ColorMatrix::Bt709,
        pb::ColorMatrix::Bt2020 => ColorMatrix::Bt2020,
    }
}

/// Converts the color range and matrix of a submitted picture, if its format has several.
pub(crate) fn colors_to_pb(source: &SourceInfo) -> (pb::ColorRange, pb::ColorMatrix) {
    let range = match source.colors.range {
        ColorRange::Full => pb::ColorRange::Full,
        ColorRange::Limited => pb::ColorRange::Limited,
    };
    let matrix = match source.colors.matrix {
        ColorMatrix::Bt601 => pb::ColorMatrix::Bt601,
        ColorMatrix::Bt709 => pb::ColorMatrix::Bt709,
        ColorMatrix::Bt2020 => pb::ColorMatrix::Bt2020,
    };
    match source.format {
        PictureFormat::Nv12 | PictureFormat::I420 => (range, matrix),
        PictureFormat::Gray8 => (range, pb::ColorMatrix::Unspecified),
        PictureFormat::Jpeg
        | PictureFormat::Png
        | PictureFormat::WebP
        | PictureFormat::Rgb8
        | PictureFormat::Bgr8 => Default::default(),
    }
}

pub(crate) fn format_to_pb(format: PictureFormat) -> pb::PictureFormat {
    match format {
        PictureFormat::Jpeg => pb::PictureFormat::Jpeg,
        PictureFormat::Png => pb::PictureFormat::Png,
        PictureFormat::WebP => pb::PictureFormat::Webp,
        PictureFormat::Rgb8 => pb::PictureFormat::Rgb8,
        PictureFormat::Bgr8 => pb::PictureFormat::Bgr8,
        PictureFormat::Gray8 => pb::PictureFormat::Gray8,
        PictureFormat::Nv12 => pb::PictureFormat::Nv12,
        PictureFormat::I420 => pb::PictureFormat::I420,
    }
}

/// Converts a format; returns `None` for an unspecified one.
pub(crate) fn format_from_pb(format: pb::PictureFormat) -> Option<PictureFormat> {
    match format {
        pb::PictureFormat::Unspecified => None,
        pb::PictureFormat::Jpeg => Some(PictureFormat::Jpeg),
        pb::PictureFormat::Png => Some(PictureFormat::Png),
        pb::PictureFormat::Webp => Some(PictureFormat::WebP),
        pb::PictureFormat::Rgb8 => Some(PictureFormat::Rgb8),
        pb::PictureFormat::Bgr8 => Some(PictureFormat::Bgr8),
        pb::PictureFormat::Gray8 => Some(PictureFormat::Gray8),
        pb::PictureFormat::Nv12 => Some(PictureFormat::Nv12),
        pb::PictureFormat::I420 => Some(PictureFormat::I420),
    }
}

pub(crate) fn role_to_pb(role: PictureRole) -> pb::PictureRole {
    match role {
        PictureRole::Thumbnail => pb::PictureRole::Thumbnail,
        PictureRole::Processed => pb::PictureRole::Processed,
        PictureRole::Original => pb::PictureRole::Original,
        PictureRole::Rendition => pb::PictureRole::Rendition,
    }
}

const ONCE: &str = "must name each role at most once";

/// Reads the pictures that a caller wants, and that it may see; unset means the processed one.
pub(crate) fn want(
    field: &str,
    selection: Option<pb::PictureSelection>,
    caller: &Caller,
) -> Result<PictureWant> {
    let selection = selection.unwrap_or_default();
    let pb::PictureSelection { roles, metadata_only, rendition, max_picture_bytes } = selection;
    if metadata_only && !roles.is_empty() {
        return Err(Fault::invalid(format!("{field}.roles"), "must be empty with metadata_only"));
    }
    // The rendition is checked even if the roles do not ask for it.
    let rendition = super::output::rendition(rendition.unwrap_or_default())
        .map_err(|fault| fault.within(&format!("{field}.rendition")))?;
    let mut want = PictureWant {
        thumbnail: false,
        processed: roles.is_empty() && !metadata_only,
        original: false,
        rendition: None,
        max_picture_bytes: checked_bound(&format!("{field}.max_picture_bytes"), max_picture_bytes)?,
        originals: Some(&caller.permissions().originals).filter(|scope| !scope.is_all()).cloned(),
    };
    for (index, role) in roles.into_iter().enumerate() {
        let path = format!("{field}.roles[{index}]");
        let wanted = match super::known(&path, role)? {
            pb::PictureRole::Thumbnail => &mut want.thumbnail,
            pb::PictureRole::Processed => &mut want.processed,
            pb::PictureRole::Original => &mut want.original,
            pb::PictureRole::Rendition if want.rendition.is_none() => {
                want.rendition = Some(rendition);
                continue;
            }
            pb::PictureRole::Rendition => return Err(Fault::invalid(path, ONCE)),
            pb::PictureRole::Unspecified => return Err(Fault::invalid(path, "must not be UNSPECIFIED")),
        };
        if std::mem::replace(wanted, true) {
            return Err(Fault::invalid(path, ONCE));
        }
    }
    Ok(want)
}

/// Checks `max_picture_bytes`; returns the default if it is unset.
pub(crate) fn checked_bound(field: &str, max_picture_bytes: Option<u32>) -> Result<u32> {
    let bytes = super::policy::bounded(field, max_picture_bytes, 1, MAX_DELIVERED_PICTURE_BYTES)?;
    Ok(bytes.unwrap_or(DEFAULT_MAX_DELIVERED_PICTURE_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1::ErrorReason;

    fn selection(roles: &[pb::PictureRole]) -> Option<pb::PictureSelection> {
        Some(pb::PictureSelection { roles: roles.iter().map(|&r| r.into()).collect(), ..Default::default() })
    }

    #[test]
    fn selections_are_read() {
        use pb::PictureRole as R;
        let flags = |roles: &[R]| {
            want("pictures", selection(roles), &Caller::anybody())
                .map(|w| (w.thumbnail, w.processed, w.original))
        };
        assert_eq!(flags(&[]), Ok((false, true, false)));
        let bare = |roles| {
            let asked = pb::PictureSelection { metadata_only: true, ..selection(roles).unwrap() };
            want("pictures", Some(asked), &Caller::anybody())
                .map(|w| w.roles().count())
                .map_err(|fault| fault.field)
        };
        assert_eq!(bare(&[]), Ok(0));
        assert_eq!(bare(&[R::Processed]), Err("pictures.roles".to_owned()));
        assert_eq!(flags(&[R::Original, R::Thumbnail]), Ok((true, false, true)));
        for (roles, reason) in [
            (&[R::Processed, R::Processed][..], ErrorReason::InvalidField),
            (&[R::Unspecified], ErrorReason::InvalidField),
            (&[R::Rendition, R::Rendition], ErrorReason::InvalidField),
        ] {
            assert_eq!(flags(roles).map_err(|f| f.reason), Err(reason), "{roles:?}");
        }
        let small = pb::Rendition { max_width: Some(320), quality: Some(40), ..Default::default() };
        let asked = pb::PictureSelection { rendition: Some(small), ..selection(&[R::Rendition]).unwrap() };
        let made = want("pictures", Some(asked), &Caller::anybody()).unwrap().rendition.unwrap();
        assert_eq!((made.max_width, made.quality), (320, 40));
        let huge = pb::Rendition { max_width: Some(9000), ..small };
        let asked = pb::PictureSelection { rendition: Some(huge), ..Default::default() };
        let refused = want("pictures", Some(asked), &Caller::anybody()).map_err(|fault| fault.field);
        assert_eq!(refused, Err("pictures.rendition.max_width".to_owned()));
        let bound = |max_picture_bytes| {
            want(
                "pictures",
                Some(pb::PictureSelection { max_picture_bytes, ..Default::default() }),
                &Caller::anybody(),
            )
        };
        assert_eq!(bound(None).map(|w| w.max_picture_bytes), Ok(3_670_016));
        assert!(bound(Some(0)).is_err());
        assert!(bound(Some(MAX_DELIVERED_PICTURE_BYTES + 1)).is_err());
    }
}
