//! The slots of a Redis Cluster, and the servers that own them.

use std::collections::BTreeMap;
use std::sync::Arc;

use redis::Value;

use crate::queue::redis::reply;
use crate::queue::redis::url::Address;
use crate::queue::{Error, Result};

/// The number of slots of every cluster.
pub(in crate::queue::redis) const SLOTS: u16 = 16_384;

/// Returns the slot of a key: the CRC16 (XMODEM) of its hash tag, or of the whole key without one,
/// modulo 16,384. Source: the Redis Cluster specification.
pub(in crate::queue::redis) fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|&byte| byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        rest.iter().position(|&byte| byte == b'}').filter(|&length| length > 0).map(|length| &rest[..length])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, &byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

/// The owners of all slots, as one server of the cluster named them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::queue::redis) struct SlotMap {
    /// The masters that own slots.
    masters: Vec<Arc<Address>>,
    /// The last slot of each range, and the index of its owner. Slots that nobody owns have no range.
    ranges: BTreeMap<u16, (u16, usize)>,
}

impl SlotMap {
    /// Reads the answer to CLUSTER SLOTS of the server at `asked`. A server that does not know its
    /// own address names none: then it is the one that was asked.
    pub(super) fn read(answer: Value, asked: &Address) -> Result<Self> {
        let mut map = Self::default();
        for range in reply::array(answer)? {
            let mut parts = reply::array(range)?.into_iter();
            let mut number = || {
                let number = reply::number(parts.next().unwrap_or(Value::Nil))?;
                u16::try_from(number).ok().filter(|&slot| slot < SLOTS).ok_or_else(|| wrong(&"a slot"))
            };
            let (first, last) = (number()?, number()?);
            let mut master = reply::array(parts.next().unwrap_or(Value::Nil))?.into_iter();
            let host = reply::text(master.next().unwrap_or(Value::Nil))?.unwrap_or_default();
            let port = reply::number(master.next().unwrap_or(Value::Nil))?;
            let host = if matches!(host.as_str(), "" | "?") { asked.0.clone() } else { host };
            let port = u16::try_from(port).map_err(|_| wrong(&"a port"))?;
            map.assign(first, last, (host, port));
        }
        if map.masters.is_empty() { Err(wrong(&"no owner of a slot")) } else { Ok(map) }
    }

    fn assign(&mut self, first: u16, last: u16, master: Address) {
        let known = self.masters.iter().position(|known| **known == master);
        let index = known.unwrap_or_else(|| {
            self.masters.push(Arc::new(master));
            self.masters.len() - 1
        });
        self.ranges.insert(last, (first, index));
    }

    /// Returns the owner of a slot, if it has one.
    pub(in crate::queue::redis) fn owner(&self, slot: u16) -> Option<&Arc<Address>> {
        let (_, (first, index)) = self.ranges.range(slot..).next()?;
        self.masters.get(*index).filter(|_| *first <= slot)
    }

    /// Returns this map with another owner of one slot.
    pub(super) fn with(&self, slot: u16, owner: Address) -> Self {
        let mut map = Self::default();
        for (&last, &(first, index)) in &self.ranges {
            let Some(master) = self.masters.get(index) else { continue };
            if let Some(before) = slot.checked_sub(1).filter(|before| first <= *before) {
                map.assign(first, last.min(before), Address::clone(master));
            }
            if slot < last {
                map.assign(first.max(slot + 1), last, Address::clone(master));
            }
        }
        map.assign(slot, slot, owner);
        map
    }

    /// Reports whether each slot has an owner.
    pub(in crate::queue::redis) fn is_complete(&self) -> bool {
        self.ranges.iter().map(|(last, (first, _))| u32::from(last - first) + 1).sum::<u32>()
            == u32::from(SLOTS)
    }

    /// Returns the masters that own slots.
    pub(in crate::queue::redis) fn masters(&self) -> &[Arc<Address>] {
        &self.masters
    }
}

fn wrong(what: &dyn std::fmt::Display) -> Error {
    Error::Corrupt(format!("CLUSTER SLOTS answered {what} that is not one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn range(first: i64, last: i64, host: &str, port: i64) -> Value {
        let master = Value::Array(vec![text(host), Value::Int(port), text("id")]);
        Value::Array(vec![Value::Int(first), Value::Int(last), master])
    }

    #[test]
    fn slots_are_those_of_redis() {
        // CLUSTER KEYSLOT of redis-server 7.0.15.
        for (key, slot) in [
            ("123456789", 12_739),
            ("frameway:{p00}:in", slot_of(b"p00")),
            ("{}x", slot_of(b"{}x")),
            ("a{b}{c}", slot_of(b"b")),
            ("a{b", slot_of(b"a{b")),
        ] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
        assert_eq!((slot_of(b"foo"), slot_of(b"p00")), (12_182, 11_214));
    }

    #[test]
    fn owners_are_read() {
        let answer = Value::Array(vec![
            range(0, 99, "10.0.0.1", 1),
            range(100, 199, "", 2),
            range(300, 16_383, "10.0.0.1", 1),
        ]);
        let map = SlotMap::read(answer, &("asked".to_owned(), 9)).unwrap();
        let owner = |slot| map.owner(slot).map(|owner| format!("{} {}", owner.0, owner.1));
        assert_eq!(owner(99).as_deref(), Some("10.0.0.1 1"));
        assert_eq!(owner(100).as_deref(), Some("asked 2"));
        assert_eq!((owner(200), owner(299)), (None, None));
        assert_eq!(owner(16_383).as_deref(), Some("10.0.0.1 1"));
        assert_eq!(map.masters().len(), 2);
        assert!(!map.is_complete());
        let moved = map.with(150, ("new".to_owned(), 7));
        let owner = |slot| moved.owner(slot).map(|owner| format!("{} {}", owner.0, owner.1));
        assert_eq!(owner(149).as_deref(), Some("asked 2"));
        assert_eq!((owner(150).as_deref(), owner(151).as_deref()), (Some("new 7"), Some("asked 2")));
        assert_eq!(map.with(200, ("asked".to_owned(), 2)).owner(200), map.owner(199));
        for slot in [0, 99, 100, 300, 16_383] {
            let moved = map.with(slot, ("new".to_owned(), 7));
            for other in (0..SLOTS).filter(|other| *other != slot) {
                assert_eq!(moved.owner(other), map.owner(other));
            }
        }
        for wrong in [Value::Array(vec![]), Value::Array(vec![range(0, 16_384, "a", 1)]), Value::Nil] {
            assert!(SlotMap::read(wrong, &("asked".to_owned(), 9)).is_err());
        }
    }
}
