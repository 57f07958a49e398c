/// Encodings that a picture can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PictureFormat {
    /// Baseline or progressive JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP, still.
    WebP,
    /// 3 bytes a pixel: red, green, blue.
    Rgb8,
    /// 3 bytes a pixel: blue, green, red.
    Bgr8,
    /// 1 byte a pixel.
    Gray8,
    /// A luma plane, then one of interleaved Cb, Cr at half size both ways.
    Nv12,
    /// A luma plane, then Cb, then Cr at half size both ways.
    I420,
}
