//! What a live view of a tunnel device needs beyond its status: rates, and their course.

use std::collections::{HashMap, VecDeque};

use crate::clock::Now;
use crate::key::PublicKey;
use crate::language::say;
use crate::status::Status;

/// How many rates are kept for the graph: as many as a wide terminal has columns.
const MEMORY: usize = 240;

/// The blocks of a graph, lowest to highest.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Bytes per second in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Received.
    pub rx: u64,
    /// Sent.
    pub tx: u64,
}

/// The statuses of one device, one after the other.
#[derive(Debug, Default)]
pub struct Watch {
    last: Option<Now>,
    peers: HashMap<PublicKey, Seen>,
    course: VecDeque<Rates>,
}

/// A peer's counters, and how fast they grew.
#[derive(Debug)]
struct Seen {
    rx_bytes: u64,
    tx_bytes: u64,
    rates: Rates,
}

impl Watch {
    /// Takes the status at `now`. A counter that was set back, as by another session of the
    /// program, begins anew.
    pub fn handle(&mut self, now: Now, status: &Status) {
        let before = self.last.replace(now);
        let elapsed = before.map(|before| now.since(before).as_secs_f64());
        let rate = |bytes: u64, before: u64| match elapsed {
            Some(seconds) if seconds > 0.0 => {
                (bytes.saturating_sub(before) as f64 / seconds).round() as u64
            }
            _ => 0,
        };
        let mut known = std::mem::take(&mut self.peers);
        let mut all = Rates::default();
        for peer in &status.peers {
            let rates = known
                .remove(&peer.public_key)
                .map_or_else(Rates::default, |seen| Rates {
                    rx: rate(peer.rx_bytes, seen.rx_bytes),
                    tx: rate(peer.tx_bytes, seen.tx_bytes),
                });
            all.rx = all.rx.saturating_add(rates.rx);
            all.tx = all.tx.saturating_add(rates.tx);
            let seen = Seen {
                rx_bytes: peer.rx_bytes,
                tx_bytes: peer.tx_bytes,
                rates,
            };
            self.peers.insert(peer.public_key, seen);
        }
        if before.is_some() {
            if self.course.len() == MEMORY {
                self.course.pop_front();
            }
            self.course.push_back(all);
        }
    }

    /// Of all peers together, between the last two statuses.
    pub fn rates(&self) -> Rates {
        self.course.back().copied().unwrap_or_default()
    }

    /// Of one peer, between the last two statuses.
    pub fn rates_of(&self, peer: &PublicKey) -> Rates {
        self.peers
            .get(peer)
            .map(|seen| seen.rates)
            .unwrap_or_default()
    }

    /// The course of one of the rates, the newest at the right, at most `width` characters;
    /// the highest of them is a full block.
    pub fn graph(&self, width: usize, which: fn(&Rates) -> u64) -> String {
        let skipped = self.course.len().saturating_sub(width);
        let shown = self.course.iter().skip(skipped).map(which);
        let most = shown.clone().max().unwrap_or_default().max(1);
        let block = |rate: u64| {
            let steps = (BLOCKS.len() - 1) as u128;
            // Whatever flows at all is more than nothing.
            BLOCKS[(u128::from(rate) * steps).div_ceil(u128::from(most)) as usize]
        };
        shown.map(block).collect()
    }
}

/// `12.3 MB`: an amount of bytes with the unit that suits it, in steps of 1000.
pub fn amount(bytes: u64) -> String {
    if bytes < 1000 {
        return say().amount_in_bytes(&bytes);
    }
    let mut value = bytes as f64 / 1000.0;
    let mut thousands = 1;
    while value >= 999.95 && thousands < 6 {
        value /= 1000.0;
        thousands += 1;
    }
    match thousands {
        1 => say().amount_in_kilobytes(value),
        2 => say().amount_in_megabytes(value),
        3 => say().amount_in_gigabytes(value),
        4 => say().amount_in_terabytes(value),
        5 => say().amount_in_petabytes(value),
        _ => say().amount_in_exabytes(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::PrivateKey;
    use crate::status::Peer;

    fn key(number: u8) -> PublicKey {
        PrivateKey::from_bytes([number; 32]).public()
    }

    fn status(counters: &[(u8, u64, u64)]) -> Status {
        let peer = |(number, rx_bytes, tx_bytes): &(u8, u64, u64)| Peer {
            name: "traveller".into(),
            public_key: key(*number),
            endpoint: None,
            latest_handshake: None,
            rx_bytes: *rx_bytes,
            tx_bytes: *tx_bytes,
            allowed_ips: Vec::new(),
            persistent_keepalive: None,
            expires: None,
        };
        Status {
            peers: counters.iter().map(peer).collect(),
            ..Status::new("up")
        }
    }

    fn at(millis: u64) -> Now {
        Now::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_rate_is_what_came_in_between_by_the_time_in_between() {
        let mut watch = Watch::default();
        watch.handle(at(0), &status(&[(1, 1000, 0), (2, 0, 0)]));
        assert_eq!(watch.rates(), Rates::default());
        watch.handle(at(500), &status(&[(1, 1600, 50), (2, 100, 0)]));
        assert_eq!(watch.rates_of(&key(1)), Rates { rx: 1200, tx: 100 });
        assert_eq!(watch.rates(), Rates { rx: 1400, tx: 100 });
    }

    #[test]
    fn a_new_peer_and_a_counter_that_was_set_back_have_no_rate() {
        let mut watch = Watch::default();
        watch.handle(at(0), &status(&[(1, 1000, 0)]));
        watch.handle(at(1000), &status(&[(1, 10, 0), (2, 500, 0)]));
        assert_eq!(watch.rates(), Rates::default());
        watch.handle(at(1000), &status(&[(1, 99, 0)]));
        assert_eq!(watch.rates(), Rates::default(), "no time has passed");
        assert_eq!(watch.rates_of(&key(2)), Rates::default(), "it is gone");
    }

    #[test]
    fn the_graph_shows_the_newest_rates_by_the_highest_of_them() {
        let mut watch = Watch::default();
        let mut total = 0;
        for (second, rate) in [0, 900, 0, 1, 50, 100].into_iter().enumerate() {
            total += rate;
            watch.handle(at(second as u64 * 1000), &status(&[(1, total, 0)]));
        }
        assert_eq!(watch.graph(4, |rates| rates.rx), "▁▂▅█");
        assert_eq!(watch.graph(80, |rates| rates.rx), "█▁▂▂▂");
        assert_eq!(watch.graph(80, |rates| rates.tx), "▁▁▁▁▁");
        for second in 10..1000 {
            watch.handle(at(second * 1000), &status(&[(1, total, 0)]));
        }
        assert_eq!(watch.graph(1000, |rates| rates.rx).chars().count(), MEMORY);
    }

    #[test]
    fn an_amount_has_the_unit_that_suits_it() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (12_345_678, "12.3 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(amount(bytes), text);
        }
    }
}
