//! Ack ids: opaque text that names one delivery of a frame to a group, and that only this service
//! can create.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::fault::{Fault, Result};
use crate::domain::{GroupId, PartitionId, Sequence, StreamId};
use crate::pb::v1::ErrorReason;

/// The version of the format.
const VERSION: u8 = 1;
/// The size of the group's hash ([`group_tag`]).
const GROUP_BYTES: usize = 8;
/// The size before the stream id: version, partition, group, incarnation, generation, sequence,
/// attempt.
const FIXED_BYTES: usize = 1 + 2 + GROUP_BYTES + 8 + 8 + 8 + 4;
/// The size of the MAC, which follows the stream id.
pub(crate) const MAC_BYTES: usize = 16;
/// The maximum length of an ack id in the contract, in characters.
const MAX_CHARS: usize = 256;

/// The delivery that an ack id names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AckId {
    pub(crate) partition: PartitionId,
    pub(crate) stream_id: StreamId,
    pub(crate) sequence: Sequence,
    pub(crate) attempt: u32,
    pub(crate) generation: u64,
    pub(crate) incarnation: u64,
}

/// The key that ack ids are authenticated with.
#[derive(Clone)]
pub(crate) struct AckKey([u8; 32]);

impl std::fmt::Debug for AckKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AckKey")
    }
}

impl AckKey {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    fn mac(&self, bytes: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.0, bytes)
    }

    /// Returns the text for a delivery of `group`: 84 to 156 characters.
    pub(crate) fn write(&self, group: &GroupId, id: &AckId) -> String {
        let AckId { partition, stream_id, sequence, attempt, generation, incarnation } = id;
        let mut bytes = Vec::with_capacity(FIXED_BYTES + stream_id.as_str().len() + MAC_BYTES);
        bytes.push(VERSION);
        // There are at most 1,024 partitions.
        bytes.extend_from_slice(&(partition.index() as u16).to_be_bytes());
        bytes.extend_from_slice(&group_tag(group));
        bytes.extend_from_slice(&incarnation.to_be_bytes());
        bytes.extend_from_slice(&generation.to_be_bytes());
        bytes.extend_from_slice(&sequence.get().to_be_bytes());
        bytes.extend_from_slice(&attempt.to_be_bytes());
        bytes.extend_from_slice(stream_id.as_str().as_bytes());
        let mac = self.mac(&bytes);
        bytes.extend_from_slice(&mac.as_bytes()[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads an ack id that a caller sent for `group`.
    ///
    /// # Errors
    /// The id was not created by this service (ACK_ID_INVALID), or is for another group
    /// (ACK_ID_FOREIGN).
    pub(crate) fn read(
        &self,
        group: &GroupId,
        text: &str,
        partitions: crate::domain::Partitions,
    ) -> Result<AckId> {
        let bad = || {
            let message = "is not an ack id of this service, or was truncated or changed";
            Fault::new(ErrorReason::AckIdInvalid, message).field("ack_id")
        };
        if text.len() > MAX_CHARS {
            return Err(bad());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        if bytes.len() <= FIXED_BYTES + MAC_BYTES || bytes[0] != VERSION {
            return Err(bad());
        }
        let (body, mac) = bytes.split_at(bytes.len() - MAC_BYTES);
        // `blake3::Hash` compares in constant time, so the time does not reveal how many bytes are
        // right.
        let mut given = *self.mac(body).as_bytes();
        given[..MAC_BYTES].copy_from_slice(mac);
        if self.mac(body) != blake3::Hash::from_bytes(given) {
            return Err(bad());
        }
        let number = |at: usize| body[at..at + 8].try_into().map(u64::from_be_bytes).map_err(|_| bad());
        let at = 3 + GROUP_BYTES;
        if body[3..at] != group_tag(group) {
            let message = "the ack id belongs to another group";
            return Err(Fault::new(ErrorReason::AckIdForeign, message).field("ack_id"));
        }
        let stream = std::str::from_utf8(&body[FIXED_BYTES..]).map_err(|_| bad())?;
        let partition = usize::from(u16::from_be_bytes([body[1], body[2]]));
        Ok(AckId {
            partition: partitions.get(partition).ok_or_else(bad)?,
            stream_id: stream.parse().map_err(|_| bad())?,
            incarnation: number(at)?,
            generation: number(at + 8)?,
            sequence: Sequence::new(number(at + 16)?).map_err(|_| bad())?,
            attempt: body[at + 24..at + 28].try_into().map(u32::from_be_bytes).map_err(|_| bad())?,
        })
    }
}

/// Hashes the id of a group to a few bytes. They are part of an ack id, so that an id of another
/// group gets an error of its own (ACK_ID_FOREIGN).
fn group_tag(group: &GroupId) -> [u8; GROUP_BYTES] {
    let mut tag = [0; GROUP_BYTES];
    tag.copy_from_slice(&blake3::hash(group.as_str().as_bytes()).as_bytes()[..GROUP_BYTES]);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Partitions;

    #[test]
    fn an_ack_id_is_read_only_unchanged_and_for_its_own_group() {
        let partitions = Partitions::default();
        let (key, other_key) = (AckKey::new([7; 32]), AckKey::new([8; 32]));
        let (mine, other): (GroupId, GroupId) = ("site".parse().unwrap(), "lab".parse().unwrap());
        let id = AckId {
            partition: partitions.get(9).unwrap(),
            stream_id: "x".repeat(64).parse().unwrap(),
            sequence: Sequence::new((1 << 53) - 1).unwrap(),
            attempt: 100,
            generation: 12,
            incarnation: 1 << 52,
        };
        let text = key.write(&mine, &id);
        assert!(text.len() <= MAX_CHARS, "{}", text.len());
        assert_eq!(key.read(&mine, &text, partitions), Ok(id));
        let refused = |key: &AckKey, group, text: &str| {
            let fault = key.read(group, text, partitions).unwrap_err();
            crate::grpc::documented::check(&fault);
            fault.reason
        };
        assert_eq!(refused(&key, &other, &text), ErrorReason::AckIdForeign);
        assert_eq!(refused(&other_key, &mine, &text), ErrorReason::AckIdInvalid);
        for cut in 0..text.len() {
            assert_eq!(refused(&key, &mine, &text[..cut]), ErrorReason::AckIdInvalid, "cut at {cut}");
            let mut changed = text.clone().into_bytes();
            changed[cut] = if changed[cut] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(refused(&key, &mine, &changed), ErrorReason::AckIdInvalid, "changed at {cut}");
        }
        assert_eq!(refused(&key, &mine, &"A".repeat(300)), ErrorReason::AckIdInvalid);
    }
}
