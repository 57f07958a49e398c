//! The default maxima of the contract, in one place. Those that an operator may raise are fields of
//! `config::Limits` and start from these.

/// Largest sequence number: what a double holds exactly, so that every language can carry it.
pub const MAX_SEQUENCE: u64 = (1 << 53) - 1;
/// Longest id of a stream, region, mask, publisher, consumer group or member, in characters.
pub const MAX_ID_CHARS: usize = 64;
/// Largest encoded or raw picture, in bytes.
pub const MAX_PICTURE_BYTES: usize = 16 << 20;
/// Largest request message, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 32 << 20;
/// Most frames in one batch.
pub const MAX_BATCH_FRAMES: usize = 100;
/// Most unanswered batches on a SubmitFrames call.
pub const MAX_IN_FLIGHT_BATCHES: usize = 8;
/// Most bytes of unanswered batches on a SubmitFrames call; or one largest message, where that is larger.
pub const MAX_IN_FLIGHT_BYTES: usize = 64 << 20;
/// Most streams that the setup of a SubmitFrames call may name.
pub const MAX_RESUME_STREAMS: usize = 1_000;
/// Most pixels of a picture.
pub const MAX_PIXELS: u64 = 40_000_000;
/// Longest side of a picture, in pixels.
pub const MAX_SIDE: u32 = 8192;
/// Most attributes of a frame, and most labels of a stream.
pub const MAX_ATTRIBUTES: usize = 32;
/// Longest attribute or label key, in bytes.
pub const MAX_ATTRIBUTE_KEY_BYTES: usize = 64;
/// Longest attribute or label value, in bytes.
pub const MAX_ATTRIBUTE_VALUE_BYTES: usize = 256;
/// Longest display name, in bytes.
pub const MAX_DISPLAY_NAME_BYTES: usize = 256;
/// Most regions of interest of a stream.
pub const MAX_ROIS: usize = 32;
/// Longest W3C `traceparent`, in bytes.
pub const MAX_TRACEPARENT_BYTES: usize = 64;
/// Longest W3C `tracestate`, in bytes: what the standard asks everyone to carry.
pub const MAX_TRACESTATE_BYTES: usize = 512;
/// Publisher numbers that a stream remembers of each publisher, with a digest.
pub const DEDUP_WINDOW: u64 = 1024;
/// Most publishers that a stream remembers; each costs 32 KiB.
pub const MAX_PUBLISHERS_PER_STREAM: usize = 64;
/// Most streams that may be registered.
pub const MAX_STREAMS: usize = 10_000;
/// Most selectors of one subscription.
pub const MAX_SELECTORS: usize = 100;
/// Most items of a list of stream selections.
pub const MAX_STREAM_MATCHES: usize = 100;
/// Longest glob, in characters.
pub const MAX_GLOB_CHARS: usize = 128;
/// Most cursors in a request.
pub const MAX_CURSORS: usize = 10_000;
/// Most privacy masks of a stream.
pub const MAX_PRIVACY_MASKS: usize = 32;
/// Most points of a polygon.
pub const MAX_POLYGON_POINTS: usize = 64;
/// Longest filter of a list, in bytes.
pub const MAX_FILTER_BYTES: usize = 1_024;
/// Most bytes of a page, or of a response with pictures at the default `max_picture_bytes`: every gRPC client takes 4 MiB.
pub const MAX_PAGE_BYTES: usize = 4 << 20;
/// Most streams that one subscription may follow.
pub const MAX_STREAMS_PER_SUBSCRIPTION: usize = 2_000;
/// Default for a subscriber's `max_picture_bytes`: below every client's default receive limit of 4 MiB.
pub const DEFAULT_MAX_DELIVERED_PICTURE_BYTES: u32 = 3_670_016;
/// A camera clock further off than this many years is taken for nonsense and the frame refused.
pub const MAX_CLOCK_ERROR_YEARS: u64 = 10;
/// A frame that was alone in work when its worker died so often is given up.
pub const MAX_STRIKES: u32 = 3;
/// Most consumer groups.
pub const MAX_GROUPS: usize = 1_000;
/// Most members of one consumer group at a time.
pub const MAX_GROUP_MEMBERS: usize = 1_000;
/// Most unacknowledged frames of one group member.
pub const MAX_MEMBER_FRAMES: u32 = 10_000;
/// Most bytes of unacknowledged pictures of one group member.
pub const MAX_MEMBER_BYTES: u64 = 256 << 20;
/// Most unacknowledged frames of a consumer group.
pub const MAX_GROUP_FRAMES: u32 = 100_000;
/// Most ack ids in one request.
pub const MAX_ACK_IDS: usize = 1_000;
/// Longest reason text of a request, in bytes.
pub const MAX_REASON_BYTES: usize = 512;
