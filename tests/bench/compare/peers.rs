//! How a gateway's cost grows with its peers.

use std::{net::Ipv4Addr, thread, time::Duration};

use rig::{
    Host, Venue, World, usage, venue,
    wait::{self, SOON, now},
};
use tokenvpn_common::key::PrivateKey;

use crate::{
    contender::{self, Bed},
    measure::{self, Figures},
};

/// The sizes of the table.
pub(crate) const SIZES: [u32; 5] = [1, 10, 100, 1_000, 10_000];

/// Those between which a client's speed is compared.
pub(crate) const BESIDE: [u32; 2] = [1, 1_000];

/// How long clients may take to connect before the run is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the idle gateway is watched.
const WATCH: Duration = Duration::from_secs(5);
/// Seconds of each TCP run.
const TCP_SECONDS: u32 = 4;

const MIB: f64 = 1048576.0;

/// A gateway with so many identities, and then with all of them connected.
pub(crate) fn grow(count: u32) -> Figures {
    let venue = Venue::new();
    let members = venue.enrol(count);
    let idle = venue.gateway.resting_memory() as f64 / MIB;
    let start = now();
    let process = venue
        .gateway
        .started(contender::quiet(venue.gateway.command(&["run"])));
    let started = now().since(start);
    let resident = || usage::memory(process.pid()).resident as f64 / MIB;
    let asked = resident();

    let mut crowd = venue.crowd(&members);
    let start = now();
    let connected = crowd.connect(PATIENCE);
    let connecting = now().since(start);
    assert_eq!(connected, members.len(), "not all connected");
    assert_eq!(crowd.carry(venue::INSIDE, PATIENCE), members.len());
    let busy = resident();
    let before = usage::processor_time(process.pid());
    crowd.idle(WATCH);
    let used = usage::processor_time(process.pid()) - before;

    // One more client, which has work to do.
    let road = venue.world.host("traveller");
    let machine = venue.gateway.host();
    venue.world.wire(
        (&road, "eth0", "10.98.0.2/24"),
        (machine, "road", "10.98.0.1/24"),
    );
    road.ip("route add default via 10.98.0.1");
    let client = contender::bring_up(&venue.world, &venue.gateway, &road);
    let bed = Bed {
        server: machine.clone(),
        client: road,
        target: venue::INSIDE,
        processes: [vec![process.pid()], client],
    };
    let tcp = thread::scope(|scope| {
        let time = Duration::from_secs(u64::from(2 * TCP_SECONDS) + 1);
        scope.spawn(move || crowd.idle(time));
        measure::tcp(&bed, 1, TCP_SECONDS)
    });
    let mut figures = vec![
        ("start_s".to_owned(), started.as_secs_f64()),
        ("rss_idle_mib".to_owned(), idle),
        ("rss_asked_mib".to_owned(), asked),
        ("connect_s".to_owned(), connecting.as_secs_f64()),
        ("rss_connected_mib".to_owned(), busy),
        (
            "cpu_connected_percent".to_owned(),
            used.as_secs_f64() / WATCH.as_secs_f64() * 100.0,
        ),
    ];
    figures.extend(tcp.into_iter().filter(|(name, _)| name.ends_with("gbps")));
    figures
}

/// boringtun-cli with so many peers: how long wg(8) takes to tell it of them, and its memory.
pub(crate) fn rival(count: u32) -> Figures {
    let world = World::new();
    let host = world.host("server");
    let process = host
        .run("boringtun-cli")
        .args(["-f", "--disable-drop-privileges", "-t", "1", "wg0"])
        .spawn();
    let socket = host.path("/run/wireguard/wg0.sock");
    wait::until_true("boringtun-cli answers", SOON, || socket.exists());
    let mut text = format!(
        "[Interface]\nPrivateKey = {}\nListenPort = 51820\n",
        PrivateKey::generate().expose_text().as_str()
    );
    let first = u32::from(Ipv4Addr::new(10, 77, 0, 2));
    for address in (first..first + count).map(Ipv4Addr::from) {
        let key = PrivateKey::generate().public();
        text += &format!("[Peer]\nPublicKey = {key}\nAllowedIPs = {address}/32\n");
    }
    let start = now();
    set_configuration(&host, &text);
    let took = now().since(start);
    vec![
        ("start_s".to_owned(), took.as_secs_f64()),
        (
            "rss_idle_mib".to_owned(),
            usage::memory(process.pid()).resident as f64 / MIB,
        ),
    ]
}

fn set_configuration(host: &Host, text: &str) {
    let words = ["setconf", "wg0", "/dev/stdin"];
    host.run("wg").args(words).stdin(text).ok();
}

/// The processor time, in percent, of a gateway that knows where all its identities were last
/// seen, and hears from none of them.
pub(crate) fn idle(count: u32) -> Figures {
    const WATCH: Duration = Duration::from_secs(60);
    let venue = Venue::new();
    let members = venue.enrol(count);
    venue
        .gateway
        .remember(&members, (Ipv4Addr::new(192, 0, 2, 1), 51820).into());
    let process = venue
        .gateway
        .started(contender::quiet(venue.gateway.command(&["run"])));
    // It speaks first, three times to each, 50 times a second.
    thread::sleep(Duration::from_secs(u64::from(count) * 3 / 50 + 20));
    let before = usage::processor_time(process.pid());
    thread::sleep(WATCH);
    let used = usage::processor_time(process.pid()) - before;
    let percent = used.as_secs_f64() / WATCH.as_secs_f64() * 100.0;
    vec![("cpu_idle_percent".to_owned(), percent)]
}
