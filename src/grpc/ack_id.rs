//! Ack ids: opaque text that names one delivery of one frame to one group, and that only this service can make.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::fault::{Fault, Result};
use crate::domain::{GroupId, PartitionId, Sequence, StreamId};
use crate::pb::v1::ErrorReason;

const VERSION: u8 = 1;
const GROUP_BYTES: usize = 8;
const FIXED_BYTES: usize = 1 + 2 + GROUP_BYTES + 8 + 8 + 8 + 4;
const MAC_BYTES: usize = 16;
/// Longest ack id, in characters: what the contract says.
const MAX_CHARS: usize = 256;

/// What an ack id names.
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

    /// The text for a delivery of `group`: 84 to 156 characters.
    pub(crate) fn write(&self, group: &GroupId, id: &AckId) -> String {
        let AckId { partition, stream_id, sequence, attempt, generation, incarnation } = id;
        let mut bytes = Vec::with_capacity(FIXED_BYTES + stream_id.as_str().len() + MAC_BYTES);
        bytes.push(VERSION);
        // Partitions are at most 1,024.
        bytes.extend_from_slice(&(partition.index() as u16).to_be_bytes());
        bytes.extend_from_slice(&name(group));
        bytes.extend_from_slice(&incarnation.to_be_bytes());
        bytes.extend_from_slice(&generation.to_be_bytes());
        bytes.extend_from_slice(&sequence.get().to_be_bytes());
        bytes.extend_from_slice(&attempt.to_be_bytes());
        bytes.extend_from_slice(stream_id.as_str().as_bytes());
        let mac = self.mac(&bytes);
        bytes.extend_from_slice(&mac.as_bytes()[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads an ack id that a caller gives for `group`.
    ///
    /// # Errors
    /// It was not made by this service (ACK_ID_INVALID), or for another group (ACK_ID_FOREIGN).
    pub(crate) fn read(
        &self,
        group: &GroupId,
        text: &str,
        partitions: crate::domain::Partitions,
    ) -> Result<AckId> {
        let bad = || {
            let message = "is not an ack id of this service, or was cut short or changed";
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
        // Compared as hashes are: in a time that does not tell how much of it is right.
        let mut given = *self.mac(body).as_bytes();
        given[..MAC_BYTES].copy_from_slice(mac);
        if self.mac(body) != blake3::Hash::from_bytes(given) {
            return Err(bad());
        }
        let number = |at: usize| body[at..at + 8].try_into().map(u64::from_be_bytes).map_err(|_| bad());
        let at = 3 + GROUP_BYTES;
        if body[3..at] != name(group) {
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

/// A group's name in a few bytes: only to tell a foreign ack id from a forged one.
fn name(group: &GroupId) -> [u8; GROUP_BYTES] {
    let mut name = [0; GROUP_BYTES];
    name.copy_from_slice(&blake3::hash(group.as_str().as_bytes()).as_bytes()[..GROUP_BYTES]);
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Partitions;

    #[test]
    fn an_ack_id_comes_back_whole_from_its_own_group_or_not_at_all() {
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
