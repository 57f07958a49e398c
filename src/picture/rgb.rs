//! Converts planes to packed RGB, for the formats that are encoded from it.

use std::borrow::Cow;

use yuv::{YuvPlanarImage, YuvRange, YuvStandardMatrix};

use super::{EncodeError, Plane, Planes, Subsampling};

/// Returns the picture as R, G, B, with rows without padding.
pub(super) fn to_rgb(planes: &Planes) -> Result<Vec<u8>, EncodeError> {
    let (width, height) = (planes.width(), planes.height());
    let mut pixels = vec![0; 3 * width as usize * height as usize];
    let Some([cb, cr]) = planes.chroma() else {
        for (target, luma) in pixels.chunks_exact_mut(3).zip(planes.luma().rows().flatten()) {
            target.fill(*luma);
        }
        return Ok(pixels);
    };
    let convert = match planes.subsampling() {
        Subsampling::S420 => yuv::yuv420_to_rgb,
        Subsampling::S422 => yuv::yuv422_to_rgb,
        Subsampling::Gray | Subsampling::S444 | Subsampling::S440 | Subsampling::S411 | Subsampling::S441 => {
            yuv::yuv444_to_rgb
        }
    };
    let (u, v) = (chroma(planes, cb), chroma(planes, cr));
    let luma = planes.luma();
    let image = YuvPlanarImage {
        y_plane: &luma.data[..luma.stride * luma.height],
        y_stride: luma.stride as u32,
        u_plane: &u.0,
        u_stride: u.1,
        v_plane: &v.0,
        v_stride: v.1,
        width,
        height,
    };
    convert(&image, &mut pixels, width * 3, YuvRange::Full, YuvStandardMatrix::Bt601)
        .map_err(|error| EncodeError::Codec(error.to_string()))?;
    Ok(pixels)
}

/// Returns a chroma plane and its stride in a subsampling that the converter supports: samples of
/// other subsampling are repeated for each pixel.
fn chroma<'a>(planes: &Planes, plane: Plane<'a>) -> (Cow<'a, [u8]>, u32) {
    let (h, v) = planes.subsampling().factors();
    match planes.subsampling() {
        Subsampling::Gray | Subsampling::S444 | Subsampling::S420 | Subsampling::S422 => {
            (Cow::Borrowed(plane.data), plane.stride as u32)
        }
        Subsampling::S440 | Subsampling::S411 | Subsampling::S441 => {
            let (width, height) = (planes.width() as usize, planes.height() as usize);
            let spread = (0..height)
                .flat_map(|y| (0..width).map(move |x| plane.data[y / v * plane.stride + x / h]))
                .collect();
            (Cow::Owned(spread), width as u32)
        }
    }
}
