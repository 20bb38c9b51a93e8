//! What happens, by the dice.

use std::hash::Hasher as _;
use std::time::Duration;

use tokenvpn_common::clock::Now;

use crate::forgery::with_other_index;
use crate::world::{CLIENTS, Datagram, EAVESDROPPER, FINE, GATEWAY, Weather, World};

/// Things that happen before the network heals.
const EVENTS: usize = 60;

/// How soon packets flow once the network has healed.
const HEALING: Duration = Duration::from_secs(6);

/// The same if a client comes with a clock that is behind the one it had: not while the
/// other computer may be alive.
const AFTER_CLOCK: Duration = Duration::from_secs(30 + 6);

/// What came of a seed.
pub(crate) struct Story {
    /// What each client was held to, and how long it took until its packets flowed once the network
    /// had healed.
    pub(crate) healed: Vec<(Duration, Duration)>,
    /// A digest of every datagram that was sent.
    pub(crate) trace: u64,
}

/// Plays the story of one seed.
pub(crate) fn play(seed: u64) -> Story {
    let mut world = World::new(seed);
    // By how much each clock was ever fast: the gateway may know the client by that.
    let mut fastest = vec![0; world.hosts.len()];
    for _ in 0..EVENTS {
        happen(&mut world);
        for (fastest, host) in fastest.iter_mut().zip(&world.hosts) {
            *fastest = host.fast.max(*fastest);
        }
    }
    let limits = CLIENTS.map(|client| match world.hosts[client].fast < fastest[client] {
        true => AFTER_CLOCK,
        false => HEALING,
    });
    let limits: Vec<_> = limits.collect();
    let healed = heal(&mut world, &limits);
    Story {
        healed,
        trace: world.trace.finish(),
    }
}

/// Whether packets sent at `since` or later have passed both ways.
fn flows(world: &World, client: usize, since: Now) -> bool {
    let fresh = |pair| world.fresh.get(&pair).is_some_and(|at| *at >= since);
    fresh((client, GATEWAY)) && fresh((GATEWAY, client))
}

fn some_client(world: &mut World) -> usize {
    CLIENTS.start() + world.dice.roll(CLIENTS.count())
}

fn happen(world: &mut World) {
    let client = some_client(world);
    match world.dice.roll(24) {
        0..=4 => {
            let most = [200, 2_000, 12_000, 30_000][world.dice.roll(4)];
            let span = world.dice.millis(most);
            world.advance(span);
        }
        5..=10 => {
            for _ in 0..=world.dice.roll(4) {
                let (from, to) = match world.dice.roll(2) {
                    0 => (client, GATEWAY),
                    _ => (GATEWAY, client),
                };
                world.send(from, to);
                let pause = world.dice.millis(100);
                world.advance(pause);
            }
        }
        11..=12 => {
            let most = |world: &mut World, sides| world.dice.roll(2) * world.dice.roll(sides);
            world.weather = Weather {
                latency: world.dice.millis(200),
                jitter: most(world, 500),
                loss: most(world, 100),
                duplication: most(world, 50),
                race: most(world, 50),
            };
        }
        13 => world.hosts[client].online ^= true,
        14 => {
            // The NAT in front of the client thinks of another port, and nobody is told.
            let port = world.dice.roll(60_000) as u16 + 1;
            world.hosts[client].address.set_port(port);
        }
        15 => {
            world.hosts[client].address = world.some_address();
            world.touch(client, None, |device, now| {
                device.handle_network_change(now)
            });
        }
        16 => {
            // The token moves to another computer.
            let fast = [0, 0, -3_600, 3_600, 2][world.dice.roll(5)];
            let host = &mut world.hosts[client];
            host.fast = fast;
            world.hosts[client].address = world.some_address();
            world.start(client, false);
        }
        17 => {
            let remembers = world.dice.percent(75);
            world.start(GATEWAY, remembers);
        }
        18 => {
            // Its process stands still, and the others do not.
            let host = world.dice.roll(world.hosts.len());
            let most = [2_000, 20_000][world.dice.roll(2)];
            let span = world.dice.millis(most);
            world.hosts[host].stalled = world.now + span;
        }
        19 => {
            let seconds = world.dice.roll(7_200) as i64 - 3_600;
            world.hosts[client].fast += seconds;
        }
        _ => {
            for _ in 0..=world.dice.roll(20) {
                replay(world);
            }
        }
    }
}

/// Somebody sends again what has arrived before, as it was or changed.
fn replay(world: &mut World) {
    if world.tape.is_empty() {
        return;
    }
    let pick = world.dice.roll(world.tape.len());
    let (mut host, mut datagram) = world.tape[pick].clone();
    if world.dice.percent(10) {
        host = world.dice.roll(world.hosts.len());
    }
    if world.hosts[host].stalled > world.now {
        return;
    }
    if world.dice.percent(70) {
        datagram.from = EAVESDROPPER.parse().unwrap();
    }
    match world.dice.roll(4) {
        0 => {
            let place = world.dice.roll(datagram.bytes.len());
            datagram.bytes[place] ^= 1 << world.dice.roll(8);
        }
        1 if datagram.bytes[0] == 1 => {
            let receiver = world.hosts[host].key.public();
            datagram.bytes = with_other_index(&datagram.bytes, &receiver);
        }
        _ => {}
    }
    let Datagram { from, to, bytes } = datagram;
    world.receive(host, &Datagram { from, to, bytes });
}

/// Everything works again; packets flow soon. Gives each client's limit, and how soon they did.
fn heal(world: &mut World, limits: &[Duration]) -> Vec<(Duration, Duration)> {
    world.weather = FINE;
    for host in &mut world.hosts {
        host.online = true;
        host.stalled = host.stalled.min(world.now);
    }
    // What is still under way arrives; nobody overtakes anything any more.
    world.advance(Duration::from_millis(800));
    for client in CLIENTS {
        if world.believed(client, GATEWAY) != Some(world.hosts[GATEWAY].address) {
            world.go_back(client);
        }
    }
    let start = world.now;
    let mut healed = Vec::new();
    let mut waiting: Vec<usize> = CLIENTS.collect();
    while !waiting.is_empty() {
        for client in CLIENTS {
            world.send(client, GATEWAY);
            world.send(GATEWAY, client);
        }
        world.advance(Duration::from_millis(200));
        replay(world);
        waiting.retain(|client| {
            let flowing = flows(world, *client, start);
            let limit = limits[client - CLIENTS.start()];
            let took = world.now.since(start);
            if flowing {
                healed.push((limit, took));
            }
            assert!(flowing || took <= limit, "client {client} after {took:?}");
            !flowing
        });
    }
    // And go on to flow while the sessions are renewed.
    for _ in 0..3 {
        world.advance(Duration::from_secs(70));
        let start = world.now;
        for client in CLIENTS {
            world.send(client, GATEWAY);
        }
        world.advance(Duration::from_secs(1));
        for client in CLIENTS {
            world.send(GATEWAY, client);
        }
        world.advance(Duration::from_secs(1));
        for client in CLIENTS {
            assert!(flows(world, client, start), "client {client} later on");
        }
    }
    healed
}
