//! Counts the open connections of each address, so that one address cannot take all places.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

/// The part of an IPv6 address that identifies a client: every client has at least a /64 network.
const IPV6_CLIENT: u128 = !0 << 64;

/// The number of open connections of each address.
#[derive(Debug)]
pub(super) struct Addresses {
    open: Mutex<HashMap<IpAddr, usize>>,
    pub(super) max_connections: usize,
}

/// A connection that is counted for its address until it is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    addresses: Arc<Addresses>,
    client: IpAddr,
}

impl Addresses {
    /// Creates a counter that allows `max_connections` connections for each address.
    pub(super) fn new(max_connections: usize) -> Arc<Self> {
        Arc::new(Self { open: Mutex::default(), max_connections })
    }

    /// Counts a connection; returns `None` if its address has as many as it may have.
    pub(super) fn count(self: &Arc<Self>, address: IpAddr) -> Option<Counted> {
        let client = client(address);
        let mut all = self.open.lock();
        let open = all.entry(client).or_default();
        // An entry of 0 was created by this call, and the maximum is at least 1.
        if *open >= self.max_connections {
            return None;
        }
        *open += 1;
        Some(Counted { addresses: Arc::clone(self), client })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut all = self.addresses.open.lock();
        if let Some(open) = all.get_mut(&self.client) {
            *open -= 1;
            if *open == 0 {
                all.remove(&self.client);
            }
        }
    }
}

fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_CLIENT).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_places_and_gets_them_back() {
        let addresses = Addresses::new(2);
        let count = |text: &str| addresses.count(text.parse().unwrap());
        let (first, second) = (count("10.0.0.1"), count("::ffff:10.0.0.1"));
        assert!(first.is_some() && second.is_some());
        assert!(count("10.0.0.1").is_none());
        let other = count("10.0.0.2");
        assert!(other.is_some());
        drop(first);
        assert!(count("10.0.0.1").is_some());
        drop((second, other));
        assert!(addresses.open.lock().is_empty(), "addresses without connections are forgotten");
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let addresses = Addresses::new(1);
        let count = |text: &str| addresses.count(text.parse().unwrap());
        let _held = count("2001:db8::1");
        assert!(count("2001:db8::2").is_none());
        assert!(count("2001:db8:0:1::2").is_some());
    }
}
