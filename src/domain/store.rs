use std::fmt;

/// What tells one store from another: a random number that is made when the store is laid out, and a key for positions in it.
///
/// Positions (cursors, page and resume tokens) carry the number, so that a position of another store, or of an earlier life of
/// an emptied one, is never taken for one of this store. The key seals cursors: what a sealed cursor says of a number was true
/// in this store.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreIdentity {
    id: u64,
    key: [u8; 32],
}

impl StoreIdentity {
    /// Length of the stored form.
    pub const BYTES: usize = 8 + 32;

    /// The identity of a new store.
    #[must_use]
    pub fn random() -> Self {
        Self { id: rand::random::<u64>().max(1), key: rand::random() }
    }

    /// The number: never 0, except of a store that has not been reached yet.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The name of the cluster that shares the store, for people and programs: 16 hexadecimal digits, another for every store. It
    /// tells nothing of the key.
    #[must_use]
    pub fn cluster_id(&self) -> String {
        format!("{:016x}", self.id)
    }

    /// The stored form.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.id.to_be_bytes());
        bytes[8..].copy_from_slice(&self.key);
        bytes
    }

    /// Reads the stored form; `None` if it is none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (id, key) = bytes.split_first_chunk::<8>()?;
        let id = u64::from_be_bytes(*id);
        (id != 0).then_some(Self { id, key: key.try_into().ok()? })
    }

    /// The seal of these bytes.
    #[must_use]
    pub(super) fn seal(&self, bytes: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.key, bytes)
    }
}

/// Without the key.
impl fmt::Debug for StoreIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreIdentity({:016x})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_comes_back_whole_or_not_at_all() {
        let identity = StoreIdentity::random();
        let bytes = identity.to_bytes();
        assert_eq!(StoreIdentity::from_bytes(&bytes), Some(identity));
        assert_eq!(StoreIdentity::from_bytes(&bytes[1..]), None);
        assert_eq!(StoreIdentity::from_bytes(&[0; StoreIdentity::BYTES]), None);
    }

    #[test]
    fn a_cluster_id_names_the_store_and_nothing_of_its_key() {
        let identity = StoreIdentity { id: 0xAB, key: [0xCD; 32] };
        assert_eq!(identity.cluster_id(), "00000000000000ab");
        assert_ne!(StoreIdentity::random().cluster_id(), StoreIdentity::random().cluster_id());
    }
}
