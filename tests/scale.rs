//! Many identities and many clients.

use std::time::Duration;

use rig::{Venue, usage, venue::INSIDE};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// How long the clients may take. All of them together need no more than 20 s; but most of the
/// time this test shares its machine with all the others.
fn patience() -> Duration {
    Duration::from_secs(if rig::full_length() { 20 } else { 90 })
}

#[test]
fn a_thousand_clients_connect_and_all_carry_traffic_at_once() {
    let (enrolled, connected) = match rig::full_length() {
        true => (10_000, 2_000),
        false => (1_000, 1_000),
    };
    let venue = Venue::new();
    let members = venue.enrol(enrolled);
    let gateway = venue.gateway.start();
    let mut crowd = venue.crowd(&members[..connected]);
    assert_eq!(crowd.connect(patience()), connected);
    for _ in 0..10 {
        assert_eq!(crowd.carry(INSIDE, patience()), connected);
    }
    let peers = venue.gateway.status().peers;
    let met = peers.iter().filter(|peer| peer.latest_handshake.is_some());
    assert_eq!(met.count(), connected);
    let memory = usage::memory(gateway.pid());
    assert!(memory.peak <= 64 * MIB, "{memory:?}");
}

#[test]
fn an_idle_identity_costs_a_kibibyte_at_most() {
    const IDENTITIES: u32 = 10_000;
    let venue = Venue::new();
    let none = venue.gateway.resting_memory();
    venue.enrol(IDENTITIES);
    let all = venue.gateway.resting_memory();
    let each = all.saturating_sub(none) / u64::from(IDENTITIES);
    assert!(
        each <= KIB,
        "{each} bytes each: {none} bytes without any, {all} with all"
    );
}
