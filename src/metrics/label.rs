//! Labels whose values are known at the start.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::domain::{FailureReason, PictureFormat, Reencode, Stage};

/// A type whose values are the values of a label.
pub trait Label: Copy + PartialEq + 'static {
    /// All values.
    const ALL: &'static [Self];

    /// Returns the text of a value.
    fn text(self) -> &'static str;

    /// Returns the texts of all values, for the reference.
    #[must_use]
    fn texts() -> Cow<'static, str> {
        let texts: Vec<String> = Self::ALL.iter().map(|value| format!("`{}`", value.text())).collect();
        texts.join(", ").into()
    }
}

/// Implements [`Label`]. The `match` makes sure that no value is missing.
macro_rules! label {
    ($type:ty: $($value:ident = $text:literal),+ $(,)?) => {
        impl $crate::metrics::label::Label for $type {
            const ALL: &'static [Self] = &[$(Self::$value),+];

            fn text(self) -> &'static str {
                match self {
                    $(Self::$value => $text),+
                }
            }
        }
    };
}
pub(super) use label;

label!(Stage:
    QueueWait = "queue_wait",
    Fetch = "fetch",
    Decode = "decode",
    Transcode = "transcode",
    Mask = "mask",
    Analyze = "analyze",
    Resize = "resize",
    Thumbnail = "thumbnail",
    Encode = "encode",
    OrderWait = "order_wait",
);

label!(FailureReason:
    Truncated = "truncated",
    Corrupt = "corrupt",
    UnknownFormat = "unknown_format",
    TooManyPixels = "too_many_pixels",
    TooManyBytes = "too_many_bytes",
    TooComplex = "too_complex",
    Animated = "animated",
    Unsupported = "unsupported",
    SizeMismatch = "size_mismatch",
    TimedOut = "timed_out",
    DecoderPanicked = "decoder_panicked",
    KilledWorker = "killed_worker",
    PayloadLost = "payload_lost",
    EncodeFailed = "encode_failed",
    WorkerExhausted = "worker_exhausted",
);

label!(PictureFormat:
    Jpeg = "jpeg",
    Png = "png",
    WebP = "webp",
    Rgb8 = "rgb8",
    Bgr8 = "bgr8",
    Gray8 = "gray8",
    Nv12 = "nv12",
    I420 = "i420",
);

label!(Reencode:
    Encoded = "encoded",
    PassedThrough = "passed_through",
    Disabled = "disabled",
    Relayed = "relayed",
);

/// A metric for each value of a label, found without a lock or an allocation.
#[derive(Debug)]
pub struct Per<L, M> {
    each: Arc<[M]>,
    label: PhantomData<fn() -> L>,
}

impl<L, M> Clone for Per<L, M> {
    fn clone(&self) -> Self {
        Self { each: Arc::clone(&self.each), label: PhantomData }
    }
}

impl<L: Label, M> Per<L, M> {
    pub(super) fn new(metric: impl Fn(L) -> M) -> Self {
        Self { each: L::ALL.iter().map(|value| metric(*value)).collect(), label: PhantomData }
    }

    /// Returns the metric for a value.
    #[must_use]
    pub fn of(&self, value: L) -> &M {
        // Every value is in `ALL`.
        &self.each[L::ALL.iter().position(|one| *one == value).unwrap_or_default()]
    }
}
