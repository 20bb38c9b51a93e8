//! Ten thousand datagrams a second at the gateway's port, of five kinds, while somebody works.
//!
//! In full length each kind lasts 30 s and what a traveller has of the network is compared with the
//! same flood at a port where nobody listens. One flood at a time: they share the machine.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use blake2::{Blake2s256, Digest as _};
use rig::{
    Card, Flood, Gateway, Host, Scene, Tap, Up,
    client::TUNNEL,
    flood::Toll,
    process::Process,
    scene::{ENDPOINT, INNER_NETWORK, SERVER},
    speaker,
    wait::{SOON, now},
};
use tokenvpn_common::key::{PrivateKey, PublicKey};

/// Datagrams a second.
const RATE: u64 = 10_000;

/// How many different datagrams a flood has.
const POOL: usize = 2_000;

/// One address of the gateway's where nobody listens.
const CLOSED: &str = "203.0.113.5:9";

/// A port of the server's that sends zeros for as long as somebody takes them.
const SOURCE: u16 = 4_000;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What floods.
#[derive(Clone, Copy)]
enum Kind {
    /// Bytes that mean nothing.
    Noise,
    /// Initiations for another gateway.
    WrongMac,
    /// Initiations of strangers.
    Strangers,
    /// Initiations of somebody who is let in.
    Enrolled,
    /// Data that nobody sealed, one half of it for a session that lives.
    Data,
}

/// Two travellers, one of them connected, and an attacker on a network of its own.
struct Place {
    scene: Scene,
    gateway: Gateway,
    attacker: Host,
    key: PublicKey,
    /// The second token, not yet used.
    card: Card,
    _up: Up,
    _first: Card,
    _source: Source,
    _alone: MutexGuard<'static, ()>,
}

impl Place {
    fn new() -> Place {
        let alone = ONE_AT_A_TIME.lock();
        let alone = alone.unwrap_or_else(PoisonError::into_inner);
        let scene = Scene::new();
        let attacker = scene.world.host("attacker");
        scene.world.wire(
            (&attacker, "eth0", "198.18.0.2/16"),
            (&scene.router, "attacker", "198.18.0.1/16"),
        );
        attacker.ip("route add default via 198.18.0.1");
        for last in 3..=32 {
            attacker.ip(&format!("address add 198.18.0.{last}/16 dev eth0"));
        }
        let gateway = scene.start_gateway();
        let first = scene.issue(&gateway, "first");
        let up = scene.connect(&scene.one, &first);
        // The second is issued where the first has no reader.
        scene.two.start_pcscd();
        let card = Card::new(&scene.world, "second");
        card.connect(&scene.two);
        card.insert();
        let invitation = gateway.invite("second", &["--route", INNER_NETWORK]);
        gateway.enrol(&scene.two.issue(&invitation, card.pin()));
        card.remove();
        let key = gateway.status().public_key.expect("it has a key");
        let source = Source::start(&scene.server);
        Place {
            gateway,
            attacker,
            key,
            card,
            _up: up,
            _first: first,
            _source: source,
            _alone: alone,
            scene,
        }
    }

    fn datagrams(&self, kind: Kind) -> Vec<Vec<u8>> {
        let initiations = |key: &PrivateKey, gateway: &PublicKey, count: usize| {
            let mut tunnel = speaker::tunnel(key, gateway);
            (0..count)
                .map(|_| speaker::initiation(&mut tunnel))
                .collect::<Vec<_>>()
        };
        let random = || PrivateKey::generate();
        match kind {
            Kind::Noise => (0..POOL).map(|n| noise(32 + n % 900)).collect(),
            Kind::WrongMac => initiations(&random(), &random().public(), POOL),
            Kind::Strangers => (0..POOL / 20)
                .flat_map(|_| initiations(&random(), &self.key, 20))
                .collect(),
            Kind::Enrolled => {
                let key = random();
                let public = key.public().to_string();
                let words = ["add", "enemy", "--public-key", &public];
                self.gateway
                    .command(&words)
                    .args(["--address", "10.77.0.200"])
                    .ok();
                initiations(&key, &self.key, POOL)
            }
            Kind::Data => {
                let live = self.live_index();
                let datagram = |n: usize| {
                    let mut datagram = noise(32 + n % 900);
                    datagram[..4].copy_from_slice(&[4, 0, 0, 0]);
                    if n.is_multiple_of(2) {
                        datagram[4..8].copy_from_slice(&live);
                        // Beyond what was heard, and so no replay: only the cipher can tell.
                        datagram[8..16].copy_from_slice(&(1_000_000 + n as u64).to_le_bytes());
                    }
                    datagram
                };
                (0..POOL).map(datagram).collect()
            }
        }
    }

    /// The gateway's index of the session that the first traveller has.
    fn live_index(&self) -> [u8; 4] {
        let one = &self.scene.one;
        let tap = Tap::on(one, "eth0");
        assert!(one.pings(SERVER));
        let sent = tap.datagrams().into_iter();
        let mut data = sent.filter(|datagram| datagram.outgoing && datagram.kind == 4);
        let datagram = data.next_back().expect("a ping in the tunnel");
        datagram.payload[4..8].try_into().expect("four bytes")
    }

    fn flood(&self, target: &str, datagrams: &[Vec<u8>]) -> Flood {
        let sources: Vec<SocketAddr> = (2..=32)
            .map(|last| (Ipv4Addr::new(198, 18, 0, last), 0).into())
            .collect();
        let target = target.parse().expect("an address");
        Flood::start(&self.attacker, &sources, target, RATE, datagrams.to_vec())
    }

    /// Bytes of memory that the gateway's process has.
    fn memory(&self) -> u64 {
        let pid = self.gateway.process().pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|l| l.split_whitespace().next());
        kilobytes
            .and_then(|k| k.parse::<u64>().ok())
            .expect("a number")
            * 1024
    }
}

/// So many random bytes.
fn noise(len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 32);
    while bytes.len() < len {
        // Of a key only some bits are fixed; hashed, none is.
        bytes.extend_from_slice(&Blake2s256::digest(PrivateKey::generate().expose()));
    }
    bytes.truncate(len);
    bytes
}

/// Sends zeros to whoever connects.
struct Source {
    stop: Arc<AtomicBool>,
}

impl Source {
    fn start(host: &Host) -> Source {
        let listener = host.within(|| TcpListener::bind((SERVER, SOURCE)).unwrap());
        listener.set_nonblocking(true).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let Ok((mut stream, _)) = listener.accept() else {
                    thread::sleep(Duration::from_millis(5));
                    continue;
                };
                thread::spawn(move || while stream.write_all(&[0; 1 << 16]).is_ok() {});
            }
        });
        Source { stop }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Takes zeros for so long; gives bytes a second.
fn throughput(host: &Host, span: Duration) -> f64 {
    let mut stream = host.within(|| TcpStream::connect((SERVER, SOURCE)).expect("the source"));
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut taken = 0;
    let mut room = vec![0; 1 << 17];
    let start = now();
    while now().since(start) < span {
        taken += stream.read(&mut room).expect("zeros");
    }
    taken as f64 / now().since(start).as_secs_f64()
}

/// Pings the server twenty times a second.
fn ping(host: &Host, span: Duration) -> Process {
    let count = (span.as_millis() / 50).to_string();
    let words = ["-q", "-n", "-i", "0.05", "-W", "3", "-c", &count];
    host.run("ping").args(words).arg(SERVER.to_string()).spawn()
}

/// How many pings were sent, and how many of them were not answered.
struct Loss {
    sent: u32,
    lost: u32,
}

impl Loss {
    fn of(ping: &Process, span: Duration) -> Loss {
        ping.wait(span + SOON);
        let said = ping.stdout().all();
        let count = |what: &str| -> u32 {
            let count = said
                .split([',', '\n'])
                .find_map(|part| part.strip_suffix(what));
            let count = count.and_then(|count| count.trim().parse().ok());
            count.unwrap_or_else(|| panic!("nothing is told of{what}: {said}"))
        };
        let sent = count(" packets transmitted");
        Loss {
            sent,
            lost: sent - count(" received"),
        }
    }

    /// One percent; of few pings, one.
    fn is_small(&self) -> bool {
        self.lost <= (self.sent / 100).max(1)
    }
}

/// What a traveller has of the network while a flood goes to `target`.
struct Share {
    loss: Loss,
    bytes_per_second: f64,
    toll: Toll,
    /// How long a traveller took to connect, from when its token was read.
    connected: Option<Duration>,
}

fn share(place: &Place, target: &str, datagrams: &[Vec<u8>], span: Duration) -> Share {
    let one = &place.scene.one;
    let flood = place.flood(target, datagrams);
    let (loss, bytes_per_second, connected) = thread::scope(|scope| {
        let throughput = scope.spawn(|| throughput(one, span));
        let ping = ping(one, span);
        let connected = (target == ENDPOINT).then(|| {
            let up = place.scene.two.up(place.card.pin(), &[]);
            up.await_state("waiting_token");
            place.card.insert();
            up.await_state("connecting");
            let start = now();
            up.await_state_within("up", SOON);
            let took = now().since(start);
            assert!(
                place.scene.two.pings(SERVER),
                "the new one reaches the server"
            );
            place.card.remove();
            up.await_state("token_removed");
            took
        });
        let loss = Loss::of(&ping, span);
        (loss, throughput.join().expect("zeros"), connected)
    });
    Share {
        loss,
        bytes_per_second,
        toll: flood.stop(),
        connected,
    }
}

/// One kind of flood, in the length that was asked for.
fn endure(name: &str, kind: Kind) {
    let full = rig::full_length();
    let span = Duration::from_secs(if full { 30 } else { 3 });
    let place = Place::new();
    assert!(place.scene.one.has_link(TUNNEL));
    let datagrams = place.datagrams(kind);
    // So that all buffers are warm, and to compare with.
    let quiet = share(
        &place,
        CLOSED,
        &datagrams,
        if full { span } else { span / 3 },
    );
    let before = place.memory();
    let stormy = share(&place, ENDPOINT, &datagrams, span);
    let grown = place.memory().saturating_sub(before);

    let connected = stormy.connected.expect("somebody connected");
    let percent = 100.0 * stormy.bytes_per_second / quiet.bytes_per_second;
    println!(
        "{name}: {:.0} datagrams/s, {} of {} pings lost, {:.1} of {:.1} MB/s ({percent:.0} %), a new one \
         up after {connected:?}, memory +{} KiB, {:.3} bytes back for each",
        stormy.toll.rate(),
        stormy.loss.lost,
        stormy.loss.sent,
        stormy.bytes_per_second / 1e6,
        quiet.bytes_per_second / 1e6,
        grown / 1024,
        stormy.toll.amplification(),
    );
    let [other, type_1, type_2, cookies, type_4] = stormy.toll.answers;
    assert_eq!((other, type_1, type_4), (0, 0, 0), "{:?}", stormy.toll);
    match kind {
        Kind::Noise | Kind::WrongMac | Kind::Data => assert_eq!((type_2, cookies), (0, 0)),
        Kind::Strangers => assert!(type_2 == 0 && cookies > 0, "{:?}", stormy.toll),
        Kind::Enrolled => assert!(type_2 > 0 && cookies > 0, "{:?}", stormy.toll),
    }
    assert!(stormy.toll.amplification() <= 0.65, "{:?}", stormy.toll);
    assert!(grown <= 8 << 20, "memory grew by {grown} bytes");
    let Loss { sent, lost } = stormy.loss;
    assert!(stormy.loss.is_small(), "{lost} of {sent} pings were lost");
    if full {
        assert!(
            stormy.toll.rate() >= 0.98 * RATE as f64,
            "{:?}",
            stormy.toll
        );
        assert!(percent >= 80.0, "{percent:.0} % of the throughput");
        assert!(connected <= Duration::from_secs(6), "{connected:?}");
    }
}

#[test]
fn a_flood_of_noise_is_endured() {
    endure("noise", Kind::Noise);
}

#[test]
fn a_flood_of_initiations_for_another_gateway_is_endured() {
    endure("wrong first MAC", Kind::WrongMac);
}

#[test]
fn a_flood_of_initiations_of_strangers_is_endured() {
    endure("strangers", Kind::Strangers);
}

#[test]
fn a_flood_of_initiations_of_somebody_who_is_let_in_is_endured() {
    endure("enrolled", Kind::Enrolled);
}

#[test]
fn a_flood_of_data_of_no_session_is_endured() {
    endure("data", Kind::Data);
}
