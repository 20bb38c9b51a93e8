//! Token buckets: how much of something is allowed in how much time.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::time::Duration;

use crate::clock::Now;

/// Places for sources. A power of two; 64 KiB in all.
const PLACES: usize = 8_192;

/// How fast a bucket fills, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The wait for one more.
    pub every: Duration,
    /// How many may come at once after a long wait.
    pub burst: u32,
}

impl Rate {
    /// The part of one among so many who have this rate together.
    pub(crate) fn shared_by(self, count: u8) -> Rate {
        Rate {
            every: self.every * u32::from(count),
            burst: (self.burst / u32::from(count)).max(1),
        }
    }
}

/// A bucket, known by the moment at which it will be full.
#[derive(Clone, Copy)]
pub(crate) struct Bucket {
    full_at: Now,
}

impl Bucket {
    pub(crate) const FULL: Bucket = Bucket {
        full_at: Now::from_nanos(0),
    };

    pub(crate) fn is_empty(&self, now: Now, rate: Rate) -> bool {
        self.full_at.since(now) > rate.every * (rate.burst - 1)
    }

    /// Takes one out; false if there was none.
    pub(crate) fn take(&mut self, now: Now, rate: Rate) -> bool {
        let taken = !self.is_empty(now, rate);
        if taken {
            self.full_at = self.full_at.max(now) + rate.every;
        }
        taken
    }
}

/// A bucket for each source, in a table that never grows. Two sources may have to share
/// one; nobody can tell beforehand which.
pub(crate) struct Sources {
    rate: Rate,
    hasher: RandomState,
    buckets: Box<[Bucket]>,
}

impl Sources {
    pub(crate) fn new(rate: Rate) -> Sources {
        Sources {
            rate,
            hasher: RandomState::new(),
            buckets: vec![Bucket::FULL; PLACES].into_boxed_slice(),
        }
    }

    /// Whether `source` may cause a key exchange. An IPv6 network of 64 bits is one
    /// source: whoever has one address of it has all.
    pub(crate) fn take(&mut self, now: Now, source: IpAddr) -> bool {
        let hash = match source {
            IpAddr::V4(address) => self.hasher.hash_one(address),
            IpAddr::V6(address) => self.hasher.hash_one(address.to_bits() >> 64),
        };
        // Cast: the lowest bits are as random as the others.
        let place = hash as usize % PLACES;
        self.buckets[place].take(now, self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::SOURCE_RATE;

    fn at(millis: u64) -> Now {
        Now::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let rate = Rate {
            every: Duration::from_millis(50),
            burst: 5,
        };
        let mut bucket = Bucket::FULL;
        let mut taken = Vec::new();
        for millis in 10_000..11_000 {
            while bucket.take(at(millis), rate) {
                taken.push(millis - 10_000);
            }
            assert!(bucket.is_empty(at(millis), rate));
        }
        assert_eq!(taken[..7], [0, 0, 0, 0, 0, 50, 100]);
        assert_eq!(taken.len(), 5 + 19);
        assert!(!bucket.is_empty(at(20_000), rate));
    }

    #[test]
    fn the_addresses_of_one_network_are_one_source() {
        let mut sources = Sources::new(SOURCE_RATE);
        let source = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut allowed = |text: &str| sources.take(at(1_000), source(text));
        for n in 0..5 {
            assert!(allowed(&format!("2001:db8::{n}")));
        }
        assert!(!allowed("2001:db8::5"));
        for n in 0..5 {
            assert!(allowed("192.0.2.1"), "{n}");
        }
        assert!(!allowed("192.0.2.1"));
        // Of many others hardly any shares a place with these two.
        let others = (0..100).filter(|n| allowed(&format!("2001:db8:0:{n:x}00::1")));
        assert!(others.count() > 90);
    }
}
