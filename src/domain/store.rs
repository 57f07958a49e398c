use std::fmt;

/// The identity of a store: a random number, created with the store, and a key that seals positions
/// in it.
///
/// Positions (cursors, page tokens and resume tokens) contain the number, so that a position in
/// another store, or in this store before it was emptied, is never mistaken for one in this store.
/// The key seals cursors: a sealed cursor was issued by this store.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreIdentity {
    id: u64,
    key: [u8; 32],
}

impl StoreIdentity {
    /// The length of the stored form in bytes.
    pub const BYTES: usize = 8 + 32;

    /// Creates the identity of a new store.
    #[must_use]
    pub fn random() -> Self {
        Self { id: rand::random::<u64>().max(1), key: rand::random() }
    }

    /// Returns the number: never 0, except for a store that has not been reached yet.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Returns the name of the cluster that shares the store: 16 hexadecimal digits, different for
    /// each store. It does not reveal the key.
    #[must_use]
    pub fn cluster_id(&self) -> String {
        format!("{:016x}", self.id)
    }

    /// Returns the stored form.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.id.to_be_bytes());
        bytes[8..].copy_from_slice(&self.key);
        bytes
    }

    /// Parses the stored form; `None` if it is invalid.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (id, key) = bytes.split_first_chunk::<8>()?;
        let id = u64::from_be_bytes(*id);
        (id != 0).then_some(Self { id, key: key.try_into().ok()? })
    }

    /// Computes the seal of these bytes: a hash with the store's key.
    #[must_use]
    pub(super) fn seal(&self, bytes: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.key, bytes)
    }
}

/// Leaves out the key.
impl fmt::Debug for StoreIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreIdentity({:016x})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_round_trips_and_invalid_bytes_are_refused() {
        let identity = StoreIdentity::random();
        let bytes = identity.to_bytes();
        assert_eq!(StoreIdentity::from_bytes(&bytes), Some(identity));
        assert_eq!(StoreIdentity::from_bytes(&bytes[1..]), None);
        assert_eq!(StoreIdentity::from_bytes(&[0; StoreIdentity::BYTES]), None);
    }

    #[test]
    fn a_cluster_id_is_the_number_of_the_store_without_its_key() {
        let identity = StoreIdentity { id: 0xAB, key: [0xCD; 32] };
        assert_eq!(identity.cluster_id(), "00000000000000ab");
        assert_ne!(StoreIdentity::random().cluster_id(), StoreIdentity::random().cluster_id());
    }
}
