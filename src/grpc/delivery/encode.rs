//! Encodes a message as chunks; the large chunks share the memory of its pictures.

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message;

use crate::pb::v1::picture::Content;
use crate::pb::v1::{
    ConsumeFramesResponse, ConsumedFrame, DeliveredFrame, Picture, ProcessedFrame, SubscribeFramesResponse,
    consume_frames_response, subscribe_frames_response,
};

/// The minimum size of a picture that is not copied. A chunk for a smaller one would cost a system
/// call, and a copy costs less.
const MIN_SHARED_BYTES: usize = 32 << 10;
/// The minimum size of an encoded field that is not copied. Its bytes are in memory only once, even
/// if many slow connections wait for them.
const MIN_SHARED_FIELD_BYTES: usize = 2 << 10;
/// The size of HTTP/2 frames, unless the peer allows larger ones. The start of a picture is copied
/// into the chunk before it, to fill the first HTTP/2 frame. Without the copy, the few bytes before
/// the picture would need an HTTP/2 frame and a system call of their own.
const HTTP2_FRAME_BYTES: usize = 16 << 10;
/// The first byte of a gRPC message that is not compressed.
const NOT_COMPRESSED: u8 = 0;
/// The size of the header of a gRPC message: a byte for compression, and four for the length.
const GRPC_HEADER_BYTES: usize = 5;

/// The keys of the fields on the path to the data of a picture, from their numbers in the contract.
const EVENT_FRAME: u8 = key(1);
const CARRIED_FRAME: u8 = key(1);
const FRAME_PICTURES: u8 = key(14);
const PICTURE_DATA: u8 = key(6);

/// Returns the key of a length-delimited field.
const fn key(field: u8) -> u8 {
    assert!(field <= 15, "longer keys take more than a byte");
    field << 3 | 2
}

/// Returns the encoded size of a length-delimited field.
fn field_len(len: usize) -> usize {
    1 + prost::length_delimiter_len(len) + len
}

/// A picture whose data is separate from its message if it is large.
struct Part {
    rest: Picture,
    shared: Option<Bytes>,
}

impl Part {
    fn of(mut picture: Picture) -> Self {
        let shared = if is_large(&picture) { picture.content.take() } else { None };
        let shared = match shared {
            Some(Content::Data(data)) => Some(data),
            Some(Content::OmittedReason(_)) | None => None,
        };
        Self { rest: picture, shared }
    }

    fn encoded_len(&self) -> usize {
        self.rest.encoded_len() + self.shared.as_ref().map_or(0, |data| field_len(data.len()))
    }
}

fn is_large(picture: &Picture) -> bool {
    matches!(&picture.content, Some(Content::Data(data)) if data.len() >= MIN_SHARED_BYTES)
}

/// A response that may contain a processed frame, two levels deep: field 1 of the response is a
/// [`Carrier::Carried`], and field 1 of that is the frame.
pub(crate) trait Carrier: Message {
    /// The message between the response and the frame. It also contains a cursor or an ack id.
    type Carried: Message;

    /// Returns the message that contains the frame, if the response has one.
    fn carried(&mut self) -> Option<&mut Self::Carried>;

    /// Returns the frame in that message.
    fn frame(carried: &mut Self::Carried) -> &mut Option<ProcessedFrame>;
}

impl Carrier for SubscribeFramesResponse {
    type Carried = DeliveredFrame;

    fn carried(&mut self) -> Option<&mut DeliveredFrame> {
        match &mut self.event {
            Some(subscribe_frames_response::Event::Frame(delivered)) => Some(delivered),
            _ => None,
        }
    }

    fn frame(carried: &mut DeliveredFrame) -> &mut Option<ProcessedFrame> {
        &mut carried.frame
    }
}

impl Carrier for ConsumeFramesResponse {
    type Carried = ConsumedFrame;

    fn carried(&mut self) -> Option<&mut ConsumedFrame> {
        match &mut self.event {
            Some(consume_frames_response::Event::Frame(consumed)) => Some(consumed),
            _ => None,
        }
    }

    fn frame(carried: &mut ConsumedFrame) -> &mut Option<ProcessedFrame> {
        &mut carried.frame
    }
}

/// Encodes a message as gRPC sends it. The chunks, joined, are an ordinary encoding of `message`.
pub(super) fn encode<M: Carrier>(mut message: M) -> Vec<Bytes> {
    let mut writer = ChunkWriter::default();
    let pictures = take_pictures(&mut message);
    let Some(delivered) = message.carried().filter(|_| !pictures.is_empty()) else {
        writer.header(message.encoded_len());
        writer.put(&message);
        return writer.into_vec();
    };
    let frame = M::frame(delivered).take().unwrap_or_default();
    // The length of a message precedes it, so the lengths are computed first, from the innermost
    // message to the outermost.
    let parts: Vec<Part> = pictures.into_iter().map(Part::of).collect();
    let in_frame: usize = parts.iter().map(|part| field_len(part.encoded_len())).sum();
    let frame_len = frame.encoded_len() + in_frame;
    let delivered_len = delivered.encoded_len() + field_len(frame_len);
    // Then the messages are written, from the outermost to the innermost.
    writer.header(field_len(delivered_len));
    writer.field_start(EVENT_FRAME, delivered_len);
    writer.put(&*delivered);
    writer.field_start(CARRIED_FRAME, frame_len);
    writer.put(&frame);
    for part in parts {
        writer.field_start(FRAME_PICTURES, part.encoded_len());
        writer.put(&part.rest);
        if let Some(data) = part.shared {
            writer.field_start(PICTURE_DATA, data.len());
            writer.share(data);
        }
    }
    writer.into_vec()
}

/// Encodes a message as gRPC sends it, without shared memory.
pub(crate) fn whole(message: &impl Message) -> Vec<Bytes> {
    let mut writer = ChunkWriter::default();
    writer.header(message.encoded_len());
    writer.put(message);
    writer.into_vec()
}

/// Encodes a message of which one field is encoded already. `value` is the encoding of the field
/// with the number `field`; `rest` contains all other fields.
pub(crate) fn around(field: u8, value: Bytes, rest: &impl Message) -> Vec<Bytes> {
    let mut writer = ChunkWriter::default();
    writer.header(rest.encoded_len() + field_len(value.len()));
    writer.put(rest);
    writer.field_start(key(field), value.len());
    if value.len() >= MIN_SHARED_FIELD_BYTES {
        writer.finish_chunk();
        writer.done.push(value);
    } else {
        writer.current.extend_from_slice(&value);
    }
    writer.into_vec()
}

/// Takes all pictures out of the message if one of them is large.
fn take_pictures<M: Carrier>(message: &mut M) -> Vec<Picture> {
    let Some(frame) = message.carried().and_then(|carried| M::frame(carried).as_mut()) else {
        return Vec::new();
    };
    if frame.pictures.iter().any(is_large) { std::mem::take(&mut frame.pictures) } else { Vec::new() }
}

/// The chunks of a message, in the order in which they are sent.
#[derive(Default)]
struct ChunkWriter {
    done: Vec<Bytes>,
    /// The chunk that is written at present.
    current: BytesMut,
}

impl ChunkWriter {
    fn header(&mut self, message_len: usize) {
        self.current.reserve((GRPC_HEADER_BYTES + message_len).min(HTTP2_FRAME_BYTES));
        self.current.put_u8(NOT_COMPRESSED);
        // This fits: callers cannot ask for more than a few dozen mebibytes.
        self.current.put_u32(message_len as u32);
    }

    fn field_start(&mut self, key: u8, len: usize) {
        self.current.put_u8(key);
        prost::encoding::encode_varint(len as u64, &mut self.current);
    }

    fn put(&mut self, message: &impl Message) {
        self.current.reserve(message.encoded_len());
        message.encode_raw(&mut self.current);
    }

    fn share(&mut self, mut data: Bytes) {
        let room = HTTP2_FRAME_BYTES.saturating_sub(self.current.len());
        self.current.extend_from_slice(&data.split_to(room.min(data.len())));
        self.finish_chunk();
        self.done.push(data);
    }

    fn finish_chunk(&mut self) {
        if !self.current.is_empty() {
            self.done.push(self.current.split().freeze());
        }
    }

    fn into_vec(mut self) -> Vec<Bytes> {
        self.finish_chunk();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1 as pb;
    use crate::pb::v1::subscribe_frames_response::Event;

    fn picture(role: pb::PictureRole, bytes: usize) -> Picture {
        Picture {
            role: role.into(),
            format: pb::PictureFormat::Jpeg.into(),
            width: 1_920,
            height: 1_080,
            size_bytes: bytes as u64,
            row_stride_bytes: 7,
            color_range: pb::ColorRange::Limited.into(),
            color_matrix: pb::ColorMatrix::Bt2020.into(),
            content: Some(Content::Data(vec![bytes as u8; bytes].into())),
        }
    }

    fn message(pictures: Vec<Picture>) -> SubscribeFramesResponse {
        let frame = pb::ProcessedFrame {
            stream_id: "cam".to_owned(),
            sequence: 7,
            pictures,
            worker_version: "0.1.0".to_owned(),
            ..Default::default()
        };
        let delivered = pb::DeliveredFrame { frame: Some(frame), cursor: "x".repeat(60), selector_index: 3 };
        SubscribeFramesResponse { event: Some(Event::Frame(delivered)) }
    }

    /// Decodes the chunks as any decoder does.
    fn decoded(chunks: &[Bytes]) -> SubscribeFramesResponse {
        let wire = chunks.concat();
        let (header, body) = wire.split_at(GRPC_HEADER_BYTES);
        assert_eq!(header, [&[NOT_COMPRESSED], &(body.len() as u32).to_be_bytes()[..]].concat());
        SubscribeFramesResponse::decode(body).unwrap()
    }

    #[test]
    fn a_message_in_pieces_is_the_message() {
        let omitted = Picture {
            content: Some(Content::OmittedReason(pb::OmittedReason::TooLarge.into())),
            ..picture(pb::PictureRole::Original, 0)
        };
        use pb::PictureRole::{Original, Processed, Thumbnail};
        for pictures in [
            vec![],
            vec![picture(Processed, 0)],
            vec![picture(Processed, MIN_SHARED_BYTES - 1)],
            vec![picture(Processed, MIN_SHARED_BYTES)],
            vec![picture(Processed, 300_000)],
            vec![picture(Thumbnail, 3_000), picture(Processed, 300_000), omitted.clone()],
            vec![omitted, picture(Processed, 300_000), picture(Thumbnail, 3_000), picture(Original, 99_000)],
        ] {
            let message = message(pictures);
            assert_eq!(decoded(&encode(message.clone())), message);
        }
        let gap = pb::Gap { stream_id: "cam".to_owned(), from_sequence: 3, ..Default::default() };
        let gap = pb::DeliveredGap { gap: Some(gap), cursor: "x".to_owned(), selector_index: 1 };
        for event in [Some(Event::Gap(gap)), Some(Event::Heartbeat(pb::Heartbeat::default())), None] {
            let message = SubscribeFramesResponse { event };
            assert_eq!(decoded(&encode(message.clone())), message);
        }
    }

    #[test]
    fn a_member_gets_its_pictures_in_the_same_pieces() {
        let delivered = message(vec![picture(pb::PictureRole::Processed, 300_000)]);
        let Some(Event::Frame(delivered)) = delivered.event else { unreachable!() };
        let consumed = ConsumedFrame {
            frame: delivered.frame,
            ack_id: "an id".to_owned(),
            delivery_attempt: 2,
            ack_expire_time: Some(prost_types::Timestamp { seconds: 1, nanos: 2 }),
        };
        let event = Some(consume_frames_response::Event::Frame(consumed));
        let message = ConsumeFramesResponse { event };
        let chunks = encode(message.clone());
        assert_eq!(chunks.len(), 2);
        assert_eq!(ConsumeFramesResponse::decode(&chunks.concat()[GRPC_HEADER_BYTES..]), Ok(message));
    }

    #[test]
    fn a_message_around_an_encoded_field_is_the_message() {
        use crate::pb::v1::watch_streams_response::Event as Wire;
        for size in [0, 1, MIN_SHARED_FIELD_BYTES, 70_000] {
            let stream = pb::Stream { display_name: "x".repeat(size), ..Default::default() };
            let rest = pb::WatchStreamsResponse { event: None, resume_token: "a token".to_owned() };
            let chunks = around(2, stream.encode_to_vec().into(), &rest);
            let wire = chunks.concat();
            let (header, body) = wire.split_at(GRPC_HEADER_BYTES);
            assert_eq!(header[1..], (body.len() as u32).to_be_bytes());
            let expected = pb::WatchStreamsResponse { event: Some(Wire::Existing(stream)), ..rest };
            assert_eq!(pb::WatchStreamsResponse::decode(body).unwrap(), expected);
            assert_eq!(whole(&expected).concat().len(), wire.len());
        }
    }

    #[test]
    fn large_pictures_are_not_copied() {
        let message = message(vec![
            picture(pb::PictureRole::Thumbnail, 3_000),
            picture(pb::PictureRole::Processed, 300_000),
        ]);
        let Some(Event::Frame(delivered)) = &message.event else { unreachable!() };
        let Some(Content::Data(data)) = &delivered.frame.as_ref().unwrap().pictures[1].content else {
            unreachable!()
        };
        let memory = data.as_ptr_range();
        let chunks = encode(message.clone());
        assert_eq!(chunks.len(), 2);
        assert_eq!(chunks[0].len(), HTTP2_FRAME_BYTES, "a whole HTTP/2 frame goes out first");
        assert!(memory.contains(&chunks[1].as_ptr()) && chunks[1].as_ptr_range().end == memory.end);
    }
}
