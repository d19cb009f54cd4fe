//! Who may still connect.
//!
//! Anybody may connect, before it is known who they are. So that one peer cannot shut out all others, the last
//! quarter of the places is for addresses that have few. Where there is room an address may have as many as it
//! likes: a whole cluster may stand behind one.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// An address that has this share of all places gets none of the last ones.
const SHARE: usize = 16;
/// The bits of an IPv6 address that are one network's: within it, addresses cost nothing.
const NETWORK: u128 = u128::MAX << 64;

/// The places.
#[derive(Debug)]
pub(super) struct Gate {
    max: usize,
    taken: Arc<Mutex<Taken>>,
}

/// Bounded by the places: an address without any has no entry.
#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_peer: HashMap<IpAddr, usize>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    taken: Arc<Mutex<Taken>>,
    peer: IpAddr,
}

impl Gate {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            taken: Arc::default(),
        }
    }

    /// A place for this address, or the reason why there is none.
    pub(super) fn admit(&self, address: IpAddr) -> Result<Place, &'static str> {
        let peer = network(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.max {
            return Err("limit");
        }
        let here = taken.by_peer.get(&peer).copied().unwrap_or_default();
        let scarce = taken.all >= self.max - self.max / 4;
        if scarce && here >= (self.max / SHARE).max(1) {
            return Err("peer");
        }
        taken.all += 1;
        taken.by_peer.insert(peer, here + 1);
        drop(taken);
        Ok(Place {
            taken: Arc::clone(&self.taken),
            peer,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        match taken.by_peer.get_mut(&self.peer) {
            Some(number) if *number > 1 => *number -= 1,
            _ => drop(taken.by_peer.remove(&self.peer)),
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(gate: &Gate, address: &str) -> Vec<Place> {
        let address = address.parse().unwrap();
        std::iter::from_fn(|| gate.admit(address).ok()).collect()
    }

    #[test]
    fn one_address_leaves_the_last_quarter_to_others() {
        let gate = Gate::new(64);
        let flood = fill(&gate, "10.0.0.1");
        assert_eq!(flood.len(), 48);
        assert_eq!(gate.admit("10.0.0.1".parse().unwrap()).unwrap_err(), "peer");
        let others: Vec<_> = (2..6).map(|n| fill(&gate, &format!("10.0.0.{n}"))).collect();
        assert!(others.iter().all(|places| places.len() == 4));
        assert_eq!(gate.admit("10.0.0.9".parse().unwrap()).unwrap_err(), "limit");
    }

    #[test]
    fn places_come_back_and_nothing_is_remembered() {
        let gate = Gate::new(8);
        drop(fill(&gate, "10.0.0.1"));
        assert_eq!(fill(&gate, "10.0.0.2").len(), 6);
        assert!(gate.taken.lock().unwrap().by_peer.is_empty());
        assert_eq!(gate.taken.lock().unwrap().all, 0);
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer_and_a_mapped_address_is_its_own() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:2"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
    }
}
