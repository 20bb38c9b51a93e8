//! Strangers at the gateway's port: what they send is not answered, and what they recorded and send
//! again changes nothing.

#[path = "../common/tests/device/forgery.rs"]
mod forgery;

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use boringtun::noise::{TunnResult, rate_limiter::RateLimiter};
use rig::{
    Flood, Gateway, Host, Rearguard, Speaker, World, speaker,
    wait::{self, SOON},
};
use tokenvpn_common::{
    guard::{HANDSHAKES_PER_SECOND, MAX_DATAGRAM, Message, SOURCE_RATE},
    key::{PrivateKey, PublicKey},
};

/// The gateway's machine, with its tunnel; a traveller and an attacker on networks of their own.
///
/// ```text
///  traveller ───────── gateway ───────── attacker
///  192.0.2.10          .1     .1         198.51.100.66 and .67
///  2001:db8:1::10     ::1     ::1        2001:db8:2::66 and ::67
/// ```
struct Place {
    setting: &'static Setting,
    gateway: Gateway,
    key: PublicKey,
    traveller: Host,
    attacker: Host,
    /// Last, so that it goes last.
    _world: World,
}

/// On which networks it is, and how the gateway is set up.
struct Setting {
    workers: u8,
    /// With prefix length: the traveller's, and the gateway's on that side.
    home: [&'static str; 2],
    /// The attacker's two, and the gateway's.
    internet: [&'static str; 3],
    /// The gateway's endpoint as the traveller and as the attacker know it.
    from_home: &'static str,
    from_attacker: &'static str,
    /// The attacker's addresses without a port.
    attacker: [&'static str; 2],
    /// Any address and port.
    any: &'static str,
}

static USUAL: Setting = Setting {
    workers: 1,
    home: ["192.0.2.10/24", "192.0.2.1/24"],
    internet: ["198.51.100.66/24", "198.51.100.67/24", "198.51.100.1/24"],
    from_home: "192.0.2.1:51820",
    from_attacker: "198.51.100.1:51820",
    attacker: ["198.51.100.66", "198.51.100.67"],
    any: "0.0.0.0:0",
};

/// Datagrams arrive at a worker that does not own their peer, too.
static IPV6_AND_TWO_WORKERS: Setting = Setting {
    workers: 2,
    home: ["2001:db8:1::10/64", "2001:db8:1::1/64"],
    internet: ["2001:db8:2::66/64", "2001:db8:2::67/64", "2001:db8:2::1/64"],
    from_home: "[2001:db8:1::1]:51820",
    from_attacker: "[2001:db8:2::1]:51820",
    attacker: ["[2001:db8:2::66]", "[2001:db8:2::67]"],
    any: "[::]:0",
};

/// The gateway's own address in the tunnel.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const TRAVELLER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 10);
const PROBE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 11);
/// From here on those of a rearguard, and of one after it.
const LAST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 20);
const LATER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 30);

/// The gateway answers an identity fifty times a second.
const PACE: Duration = Duration::from_millis(25);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

impl Place {
    fn new(setting: &'static Setting) -> Place {
        let world = World::new();
        let [traveller, machine, attacker] =
            ["traveller", "gateway", "attacker"].map(|name| world.host(name));
        world.wire(
            (&traveller, "eth0", setting.home[0]),
            (&machine, "home", setting.home[1]),
        );
        world.wire(
            (&attacker, "eth0", setting.internet[0]),
            (&machine, "internet", setting.internet[2]),
        );
        let second = setting.internet[1];
        let nodad = if second.contains(':') { "nodad" } else { "" };
        attacker.ip(&format!("address add {second} dev eth0 {nodad}"));
        let gateway = Gateway::init(&machine, setting.from_home, "10.77.0.0/24");
        gateway.configure("workers = 1", &format!("workers = {}", setting.workers));
        gateway.start();
        let key = gateway.status().public_key.expect("it has a key");
        Place {
            setting,
            gateway,
            key,
            traveller,
            attacker,
            _world: world,
        }
    }

    fn add(&self, name: &str, key: &PrivateKey, inner: Ipv4Addr) {
        let (public, inner) = (key.public().to_string(), inner.to_string());
        let words = ["add", name, "--public-key", &public, "--address", &inner];
        self.gateway.command(&words).ok();
    }

    /// Lets an identity in, which speaks from `host`; it has no session yet.
    fn enrol(&self, name: &str, host: &Host, gateway: &str, inner: Ipv4Addr) -> Speaker {
        let key = PrivateKey::generate();
        self.add(name, &key, inner);
        Speaker::new(host, &key, inner, address(gateway), &self.key)
    }

    /// A traveller with a session.
    fn traveller(&self) -> Speaker {
        let mut traveller = self.enrol(
            "traveller",
            &self.traveller,
            self.setting.from_home,
            TRAVELLER,
        );
        traveller.connect();
        assert!(traveller.pings(GATEWAY));
        traveller
    }

    /// Somebody at the attacker's who is let in.
    fn probe(&self) -> Speaker {
        let mut probe = self.enrol("probe", &self.attacker, self.setting.from_attacker, PROBE);
        probe.connect();
        probe
    }

    /// Those who come last from the attacker's, with inner addresses from `first` on.
    fn rearguard(&self, first: Ipv4Addr) -> Rearguard {
        let socket = self.attacker.within(|| UdpSocket::bind(self.setting.any));
        Rearguard::new(
            &self.gateway,
            self.setting.workers,
            address(self.setting.from_attacker),
            &socket.expect("a socket"),
            first,
        )
    }

    /// A socket of the attacker's, at its first or second address.
    fn socket(&self, which: usize) -> UdpSocket {
        let at = format!("{}:{}", self.setting.attacker[which], 6666 + which);
        let socket = self.attacker.within(|| UdpSocket::bind(&at).unwrap());
        socket.connect(self.setting.from_attacker).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    }

    fn stored(&self) -> Option<SocketAddr> {
        self.gateway.peer("traveller").endpoint
    }
}

/// Everything that came to a socket by now.
fn answers(socket: &UdpSocket) -> Vec<Vec<u8>> {
    let mut answers = Vec::new();
    let mut room = [0; 2_048];
    loop {
        match socket.recv(&mut room) {
            Ok(len) => answers.push(room[..len].to_vec()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return answers,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Numbers that look random and are the same each time (SplitMix64).
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let number = |n: u64| {
        let z = (seed << 32 | n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 56
    };
    (0..len as u64).map(|n| number(n) as u8).collect()
}

/// What no gateway has to answer, by groups small enough for any socket's buffer. The traveller has
/// a session, and the attacker knows its index.
fn unworthy(place: &Place, traveller: &mut Speaker) -> Vec<Vec<Vec<u8>>> {
    let mut groups = Vec::new();
    for kind in 0..=255 {
        let group = (0..=255).map(|len| {
            let mut datagram = noise(len, u64::from(kind) << 8 | len as u64);
            for (byte, value) in datagram.iter_mut().zip([kind, 0, 0, 0]) {
                *byte = value;
            }
            datagram
        });
        groups.push(group.collect());
    }
    // As long as IPv4 allows.
    let big = [256, 1_400, 1_472, 1_473, 9_000, MAX_DATAGRAM - 28];
    for kind in 0..=5 {
        let group = big.map(|len| {
            let mut datagram = noise(len, len as u64);
            datagram[..4].copy_from_slice(&[kind, 0, 0, 0]);
            datagram
        });
        groups.push(group.into());
    }

    // Initiations of an identity that are not quite its own: a bit is another one.
    let genuine = traveller.initiation();
    let bent = |at: usize| {
        let mut bent = genuine.clone();
        bent[at] ^= 1;
        bent
    };
    groups.push((0..132).map(bent).collect());
    // The same, but made for our key: only the traveller can write what says so inside.
    let resigned = (8..116).map(bent).map(|mut initiation| {
        forgery::sign(&mut initiation, &place.key);
        initiation
    });
    groups.push(resigned.collect());
    let mut of_nobody = genuine.clone();
    of_nobody[8..40].fill(0);
    forgery::sign(&mut of_nobody, &place.key);
    groups.push(vec![of_nobody]);
    // Strangers who know our key.
    let stranger = || {
        let mut tunnel = speaker::tunnel(&PrivateKey::generate(), &place.key);
        speaker::initiation(&mut tunnel)
    };
    groups.push((0..100).map(|_| stranger()).collect());

    // For the session that there is.
    let data = traveller.sent.last().expect("it has sent a packet");
    let index: [u8; 4] = data[4..8].try_into().unwrap();
    let mut group = Vec::new();
    for counter in [0, 1, 1_000, u64::MAX - (1 << 13), u64::MAX] {
        for len in [32, 48, 128, 1_472, 9_000, MAX_DATAGRAM - 28] {
            let mut datagram = noise(len, counter);
            datagram[..4].copy_from_slice(&[4, 0, 0, 0]);
            datagram[4..8].copy_from_slice(&index);
            datagram[8..16].copy_from_slice(&counter.to_le_bytes());
            group.push(datagram);
        }
    }
    let mut response = noise(92, 2);
    response[..4].copy_from_slice(&[2, 0, 0, 0]);
    response[8..12].copy_from_slice(&index);
    let mut cookie = noise(64, 3);
    cookie[..4].copy_from_slice(&[3, 0, 0, 0]);
    cookie[4..8].copy_from_slice(&index);
    group.extend([response, cookie]);
    groups.push(group);
    groups
}

/// Sends all groups before a rearguard; all of them have been looked at when this returns. Gives how
/// many answers came.
fn deliver(groups: &[Vec<Vec<u8>>], rearguard: &mut Rearguard) -> usize {
    let deliver = |group: &Vec<Vec<u8>>| {
        for datagram in group {
            rearguard.send(datagram);
        }
        rearguard.follow(GATEWAY)
    };
    groups.iter().map(deliver).sum()
}

#[test]
fn nothing_unworthy_is_answered() {
    expect_silence(&USUAL);
}

#[test]
fn nothing_unworthy_is_answered_over_ipv6_by_two_workers() {
    expect_silence(&IPV6_AND_TWO_WORKERS);
}

#[track_caller]
fn expect_silence(setting: &'static Setting) {
    let place = Place::new(setting);
    let mut traveller = place.traveller();
    let mut probe = place.probe();
    let (home, handshakes) = (place.stored(), traveller.handshakes());
    let socket = place.socket(0);
    let groups = unworthy(&place, &mut traveller);
    assert_eq!(deliver(&groups, &mut place.rearguard(LAST)), 0);
    assert_eq!(place.stored(), home);
    assert!(traveller.pings(GATEWAY), "the session is there");
    assert_eq!(traveller.handshakes(), handshakes, "the same as before");
    // The same socket is answered when it has something to say.
    let initiation = probe.initiation();
    socket.send(&initiation).unwrap();
    wait::until_true("an answer", SOON, || {
        answers(&socket).iter().any(|a| (a[0], a.len()) == (2, 92))
    });
}

#[test]
fn under_load_a_stranger_gets_cookies_and_nothing_else() {
    let place = Place::new(&USUAL);
    let mut traveller = place.traveller();
    let mut probe = place.probe();
    let groups = unworthy(&place, &mut traveller);
    let strangers = (0..100).map(|_| {
        let mut tunnel = speaker::tunnel(&PrivateKey::generate(), &place.key);
        speaker::initiation(&mut tunnel)
    });
    let flood = Flood::start(
        &place.attacker,
        &[address(&format!("{}:0", place.setting.attacker[1]))],
        address(place.setting.from_attacker),
        3 * HANDSHAKES_PER_SECOND,
        strangers.collect(),
    );
    // Someone who is let in is asked for a cookie now.
    let initiation = probe.initiation();
    wait::until_true("the load is felt", SOON, || {
        probe.send(&initiation);
        probe.hears(Message::CookieReply, Duration::from_millis(100))
    });

    let socket = place.socket(0);
    for some in groups.chunks(4) {
        for datagram in some.iter().flatten() {
            assert_eq!(socket.send(datagram).unwrap(), datagram.len());
        }
        // The probe has a cookie, and its initiation waits for its turn at the only worker.
        probe.connect();
        std::thread::sleep(SOURCE_RATE.every);
    }
    let signed = groups.iter().flatten().filter(|d| {
        let mut again = (*d).clone();
        let handshake = matches!((d.first(), d.len()), (Some(1), 148));
        if handshake {
            forgery::sign(&mut again, &place.key);
        }
        handshake && again == **d
    });
    let signed = signed.count();
    let heard = answers(&socket);
    assert!(
        !heard.is_empty() && heard.len() <= signed,
        "{}",
        heard.len()
    );
    let all_cookies = heard.iter().all(|a| (a[0], a.len()) == (3, 64));
    assert!(all_cookies, "{heard:?}");

    // A cookie is good for the address that it was given to, and only as it is.
    let with_cookie = probe.initiation();
    assert_ne!(with_cookie[132..], [0; 16], "it shows the cookie");
    let mut forged = with_cookie.clone();
    forged[140] ^= 1;
    let elsewhere = place.socket(1);
    for (socket, datagram) in [(&elsewhere, &with_cookie), (&socket, &forged)] {
        socket.send(datagram).unwrap();
        let answer = wait::until("an answer", SOON, || answers(socket).pop());
        assert_eq!((answer[0], answer.len()), (3, 64));
    }
    probe.send(&with_cookie);
    assert!(probe.hears(Message::Response, SOON), "the cookie is good");

    let toll = flood.stop();
    assert_eq!(
        toll.answers[0] + toll.answers[1] + toll.answers[2] + toll.answers[4],
        0
    );
    assert!(toll.answers[3] > 0, "{toll:?}");
    assert!(toll.amplification() <= 0.65, "{toll:?}");
    assert!(traveller.pings(GATEWAY));
}

/// Everything that a traveller and the gateway said in a session with two rekeys, and the
/// initiations of the hour before; and one that never arrived.
struct Recording {
    datagrams: Vec<Vec<u8>>,
    initiations: Vec<Vec<u8>>,
    lost: Vec<u8>,
}

fn record(traveller: &mut Speaker) -> Recording {
    // In full length the session is renewed when it would be, and as often as in an hour before.
    let (rekey, hour) = match rig::full_length() {
        true => (Duration::from_secs(120), 30),
        false => (PACE, 30),
    };
    for _ in 0..hour {
        traveller.connect();
        std::thread::sleep(PACE);
    }
    let initiations = |speaker: &Speaker| {
        let sent = speaker.sent.iter();
        sent.filter(|d| d[0] == 1).cloned().collect::<Vec<_>>()
    };
    let before = traveller.sent.len() + traveller.heard.len();
    for _ in 0..3 {
        traveller.connect();
        for _ in 0..5 {
            assert!(traveller.pings(GATEWAY));
        }
        std::thread::sleep(rekey);
    }
    let lost = traveller.initiation();
    traveller.connect();
    assert!(traveller.pings(GATEWAY));
    let both = traveller.sent.iter().chain(&traveller.heard);
    let datagrams: Vec<_> = both.cloned().collect();
    assert!(datagrams.len() >= before + 3 * (3 + 2 * 5));
    let initiations = initiations(traveller);
    assert!(initiations.len() >= 33);
    Recording {
        datagrams,
        initiations,
        lost,
    }
}

/// Sends the recording from the attacker's place, as it was and changed, before a rearguard with
/// inner addresses from `first` on; gives how many answers came.
fn replay(place: &Place, recording: &Recording, first: Ipv4Addr) -> usize {
    let altered = recording
        .initiations
        .iter()
        .map(|i| forgery::with_other_index(i, &place.key));
    let groups = [
        recording.datagrams.clone(),
        recording.initiations.clone(),
        recording.initiations.iter().rev().cloned().collect(),
        altered.collect(),
        vec![recording.lost.clone()],
    ];
    deliver(&groups, &mut place.rearguard(first))
}

#[test]
fn a_recording_means_nothing_to_an_idle_session() {
    // At once, and when the gateway has not heard of the traveller for so long that it could come
    // with another clock.
    replay_to_idle_session(&USUAL, &[Duration::ZERO, Duration::from_secs(31)]);
}

#[test]
fn a_recording_means_nothing_to_an_idle_session_over_ipv6_and_two_workers() {
    replay_to_idle_session(&IPV6_AND_TWO_WORKERS, &[Duration::ZERO]);
}

#[track_caller]
fn replay_to_idle_session(setting: &'static Setting, silences: &[Duration]) {
    let place = Place::new(setting);
    let mut traveller = place.traveller();
    let recording = record(&mut traveller);
    let home = place.stored();
    for (&silence, first) in silences.iter().zip([LAST, LATER]) {
        std::thread::sleep(silence);
        let handshakes = traveller.handshakes();
        let answers = replay(&place, &recording, first);
        assert!(
            answers <= usize::from(!silence.is_zero()),
            "only the one that never arrived, not {answers}"
        );
        assert_eq!(place.stored(), home);
        assert!(traveller.pings(GATEWAY), "after {silence:?}");
        assert_eq!(traveller.handshakes(), handshakes, "after {silence:?}");
        assert_eq!(place.stored(), home);
    }
}

#[test]
fn a_recording_means_nothing_to_a_gateway_that_started_again() {
    let place = Place::new(&USUAL);
    let mut traveller = place.traveller();
    let recording = record(&mut traveller);
    let home = place.stored();
    for (crash, first) in [(false, LAST), (true, LATER)] {
        if crash {
            // What was noted is written within a second.
            std::thread::sleep(Duration::from_millis(1_500));
            place.gateway.kill();
        } else {
            place.gateway.stop();
        }
        place.gateway.start();
        // It speaks first, to where the traveller was, and confirms the answer.
        assert!(traveller.hears(Message::Initiation, SOON));
        assert!(traveller.hears(Message::Data, SOON));
        wait::until_true("the session is renewed", SOON, || traveller.pings(GATEWAY));
        let handshakes = traveller.handshakes();
        let answers = replay(&place, &recording, first);
        assert!(
            answers <= 1,
            "only the one that never arrived, not {answers}"
        );
        assert_eq!(place.stored(), home);
        assert!(traveller.pings(GATEWAY));
        assert_eq!(traveller.handshakes(), handshakes);
        assert_eq!(place.stored(), home);
    }
}

#[test]
fn a_forged_cookie_moves_nothing() {
    expect_no_use_of_cookies(&USUAL);
}

#[test]
fn a_forged_cookie_moves_nothing_over_ipv6_and_two_workers() {
    expect_no_use_of_cookies(&IPV6_AND_TWO_WORKERS);
}

#[track_caller]
fn expect_no_use_of_cookies(setting: &'static Setting) {
    let place = Place::new(setting);
    let key = PrivateKey::generate();
    place.add("traveller", &key, TRAVELLER);
    let socket = place.traveller.within(|| UdpSocket::bind(setting.any));
    let socket = socket.expect("a socket");
    let speaker = |socket: &UdpSocket| {
        let socket = socket.try_clone().expect("a descriptor");
        Speaker::on(
            socket,
            &key,
            TRAVELLER,
            address(setting.from_home),
            &place.key,
        )
    };
    speaker(&socket).connect();
    let home = wait::until("it was heard", SOON, || place.stored());
    place.gateway.stop();
    place.gateway.start();
    // The gateway speaks first. Who sees that and knows the traveller's public key can write a
    // cookie as the traveller would, and one that nobody would.
    let mut initiation = [0; 256];
    let len = loop {
        let len = socket.recv(&mut initiation).expect("an initiation");
        if initiation[0] == 1 {
            break len;
        }
    };
    let initiation = &initiation[..len];
    let of_gateway = address(setting.from_home).ip();
    let limiter = RateLimiter::new(&(*key.public().as_bytes()).into(), 0);
    let mut room = [0; 64];
    let Err(TunnResult::WriteToNetwork(cookie)) =
        limiter.verify_packet(Some(of_gateway), initiation, &mut room)
    else {
        panic!("a limit of 0 asks everybody for a cookie");
    };
    let mut bent = cookie.to_vec();
    bent[40] ^= 1;
    let attacker = place.socket(0);
    for forged in [&bent, &cookie.to_vec()] {
        attacker.send(forged).unwrap();
    }
    // The traveller answers the next call, and nothing came of the cookies.
    let mut traveller = speaker(&socket);
    assert!(traveller.hears(Message::Initiation, SOON));
    assert!(traveller.hears(Message::Data, SOON));
    assert!(traveller.pings(GATEWAY));
    assert_eq!(place.stored(), Some(home));
    assert_eq!(answers(&attacker), Vec::<Vec<u8>>::new());
}
