//! Converts raw pixels to planes.

use yuv::{BufferStoreMut, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix};

use super::{DecodeError, Planes, SourcePicture, Subsampling, chroma, raw_colors};
use crate::domain::picture::PictureFormat;

/// The order of the colours in packed pixels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Rgb,
    Bgr,
}

/// Returns the subsampling of the planes for a raw format: 4:4:4 for packed pixels.
pub(super) fn subsampling(format: PictureFormat) -> Subsampling {
    match format {
        PictureFormat::Gray8 => Subsampling::Gray,
        PictureFormat::Rgb8 | PictureFormat::Bgr8 => Subsampling::S444,
        PictureFormat::Jpeg
        | PictureFormat::Png
        | PictureFormat::WebP
        | PictureFormat::Nv12
        | PictureFormat::I420 => Subsampling::S420,
    }
}

/// Fills `planes` from raw pixels that [`super::probe()`] has checked.
pub(super) fn fill(source: &SourcePicture<'_>, planes: &mut Planes) -> Result<(), DecodeError> {
    let width = source.width as usize;
    let height = source.height as usize;
    let row = source.format.raw_row_bytes(source.width).unwrap_or(0) as usize;
    let stride = if source.stride == 0 { row } else { source.stride as usize };
    let (chroma_width, chroma_height) = planes.chroma_size();
    match source.format {
        PictureFormat::Rgb8 => from_packed(source.data, stride, Order::Rgb, planes)?,
        PictureFormat::Bgr8 => from_packed(source.data, stride, Order::Bgr, planes)?,
        PictureFormat::Gray8 => copy_luma(source.data, stride, width, height, planes),
        PictureFormat::Nv12 => {
            copy_luma(source.data, stride, width, height, planes);
            let [_, cb, cr] = planes.split_mut();
            let rows = source.data[stride * height..].chunks_exact(stride.next_multiple_of(2));
            let targets = cb.chunks_exact_mut(chroma_width).zip(cr.chunks_exact_mut(chroma_width));
            for (pairs, (cb, cr)) in rows.zip(targets) {
                for (pair, (cb, cr)) in pairs.chunks_exact(2).zip(cb.iter_mut().zip(cr)) {
                    *cb = pair[0];
                    *cr = pair[1];
                }
            }
        }
        PictureFormat::I420 => {
            copy_luma(source.data, stride, width, height, planes);
            let chroma_stride = stride.div_ceil(2);
            let chroma = &source.data[stride * height..];
            let (from_cb, from_cr) = chroma.split_at(chroma_stride * chroma_height);
            let [_, cb, cr] = planes.split_mut();
            copy_rows(from_cb, chroma_stride, cb, chroma_width);
            copy_rows(from_cr, chroma_stride, cr, chroma_width);
        }
        PictureFormat::Jpeg | PictureFormat::Png | PictureFormat::WebP => {
            return Err(DecodeError::Codec("encoded bytes cannot be read as raw pixels".to_owned()));
        }
    }
    planes.pad_luma();
    raw_colors::to_jpeg(planes, source.colors);
    Ok(())
}

/// Fills planes from packed RGB or BGR: BT.601, full range, with chroma averaged over the pixels
/// that a sample covers.
pub(super) fn from_packed(
    pixels: &[u8],
    stride: usize,
    order: Order,
    planes: &mut Planes,
) -> Result<(), DecodeError> {
    let convert = match (planes.subsampling(), order) {
        (Subsampling::S420, Order::Rgb) => yuv::rgb_to_yuv420,
        (Subsampling::S420, Order::Bgr) => yuv::bgr_to_yuv420,
        (Subsampling::S422, Order::Rgb) => yuv::rgb_to_yuv422,
        (Subsampling::S422, Order::Bgr) => yuv::bgr_to_yuv422,
        (Subsampling::S444, Order::Rgb) => yuv::rgb_to_yuv444,
        (Subsampling::S444, Order::Bgr) => yuv::bgr_to_yuv444,
        (Subsampling::Gray, _) => {
            return Err(DecodeError::Codec("packed pixels cannot fill grey planes".to_owned()));
        }
        (other @ (Subsampling::S440 | Subsampling::S411 | Subsampling::S441), _) => {
            // The converter does not support these.
            let mut whole = Planes::in_buffer(planes.width(), planes.height(), Subsampling::S444, Vec::new());
            from_packed(pixels, stride, order, &mut whole)?;
            *planes = chroma::with_subsampling(&whole, other).into_owned();
            return Ok(());
        }
    };
    let (width, height) = (planes.width(), planes.height());
    let (y_stride, _) = planes.luma_size();
    let (uv_stride, _) = planes.chroma_size();
    let [y, cb, cr] = planes.split_mut();
    // The converter treats any data after the pairs of rows as the last, odd row, so it must not
    // see the padding row.
    let y = &mut y[..y_stride * height as usize];
    let mut target = YuvPlanarImageMut {
        y_plane: BufferStoreMut::Borrowed(y),
        y_stride: y_stride as u32,
        u_plane: BufferStoreMut::Borrowed(cb),
        u_stride: uv_stride as u32,
        v_plane: BufferStoreMut::Borrowed(cr),
        v_stride: uv_stride as u32,
        width,
        height,
    };
    convert(
        &mut target,
        pixels,
        stride as u32,
        YuvRange::Full,
        YuvStandardMatrix::Bt601,
        YuvConversionMode::Balanced,
    )
    .map_err(|error| DecodeError::Codec(error.to_string()))?;
    planes.pad_luma();
    Ok(())
}

fn copy_luma(data: &[u8], stride: usize, width: usize, height: usize, planes: &mut Planes) {
    let (target_stride, _) = planes.luma_size();
    let [luma, _, _] = planes.split_mut();
    for (from, to) in data.chunks_exact(stride).zip(luma.chunks_exact_mut(target_stride)).take(height) {
        to[..width].copy_from_slice(&from[..width]);
    }
}

fn copy_rows(from: &[u8], from_stride: usize, to: &mut [u8], width: usize) {
    for (from, to) in from.chunks_exact(from_stride).zip(to.chunks_exact_mut(width)) {
        to.copy_from_slice(&from[..width]);
    }
}
