//! The codec of all calls: protobuf, with a check that this server knows everything that a request
//! contains.
//!
//! The generated code uses it for servers and clients (see `build.rs`). Only requests are checked:
//! clients decode responses, which may contain fields that they do not know.

use std::marker::PhantomData;

use bytes::Buf as _;
use prost::{Message, Name};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

use super::unknown::{self, Check};

/// A codec that encodes `T` and decodes `U`.
#[derive(Debug, Clone)]
pub(crate) struct CheckedCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for CheckedCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for CheckedCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = CheckedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::default().encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        CheckedDecoder { check: unknown::check_of::<U>(), inner: ProstDecoder::default() }
    }
}

/// A decoder that checks requests before it decodes them.
#[derive(Debug, Clone)]
pub(crate) struct CheckedDecoder<U> {
    /// The check; `None` for a message that is not a request.
    check: Option<Check<'static>>,
    inner: ProstDecoder<U>,
}

impl<U: Message + Default> Decoder for CheckedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let Some(check) = &self.check else { return self.inner.decode(buf) };
        // This copies nothing: tonic's buffer is contiguous, so the bytes are split off from it.
        let bytes = buf.copy_to_bytes(buf.remaining());
        check.run(&bytes)?;
        U::decode(bytes).map(Some).map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> tonic::codec::BufferSettings {
        self.inner.buffer_settings()
    }
}
