//! Several gateways, or several ways to one: a download goes on when one of them stops.

use std::{
    collections::BTreeSet,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::sys::signal::Signal;
use rig::{
    Card, Gateway, Host, NameServer, Process, Scene, Tap, Up, WallClock,
    client::{PIN_FD, TUNNEL},
    scene::{ENDPOINT, GREETING, INNER_NETWORK, PAGE, SERVER, TUNNEL_NETWORK},
    wait::{self, Now, SOON, now, promised},
    web,
};

/// The way to the gateway, and the other one.
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
const SECOND_ADDRESS: &str = "203.0.113.6";
const SECOND_ENDPOINT: &str = "203.0.113.6:51820";

/// How long a download may stand still.
const LIMIT: Duration = Duration::from_secs(8);

/// Lets nothing through to and from an address any more, or everything again.
#[track_caller]
fn cut(router: &Host, address: &str, is_cut: bool) {
    let word = if is_cut { "add" } else { "delete" };
    router.ip(&format!("route {word} blackhole {address}/32"));
    router.ip(&format!("rule {word} from {address}/32 blackhole"));
}

/// A download that is looked at while it goes on.
struct Download {
    file: PathBuf,
    bytes: usize,
    curl: rig::Process,
}

impl Download {
    /// Of this many bytes in this many seconds, in a hundred pieces.
    #[track_caller]
    fn start(host: &Host, server: &str, bytes: usize, seconds: usize) -> Download {
        let file = host.dir().join("download");
        let url = format!("http://{server}/slow/{bytes}/{}", seconds * 1000);
        let curl = host.curl(&url, Duration::from_secs(120));
        let curl = curl.arg("-o").arg(&file).spawn();
        let download = Download { file, bytes, curl };
        wait::until_true("the download begins", SOON, || download.len() > 0);
        download
    }

    fn len(&self) -> u64 {
        fs::metadata(&self.file).map_or(0, |file| file.len())
    }

    /// Until it goes on; for how long it stood still.
    #[track_caller]
    fn await_more(&self, since: Now) -> Duration {
        // What was on its way when the way was cut may still arrive.
        wait::holds_for("the file is there", Duration::from_millis(500), || {
            Path::new(&self.file).exists()
        });
        let before = self.len();
        wait::until_true("the download goes on", STALL, || self.len() > before);
        now().since(since)
    }

    /// The longest time without progress until this is true.
    #[track_caller]
    fn longest_pause_until(&self, within: Duration, mut is_over: impl FnMut() -> bool) -> Duration {
        let (mut len, mut since, mut longest) = (self.len(), now(), Duration::ZERO);
        wait::until_true("what is awaited comes", within, || {
            if self.len() > len {
                (len, since) = (self.len(), now());
            }
            longest = longest.max(now().since(since));
            is_over()
        });
        longest
    }

    /// Insists that everything came.
    #[track_caller]
    fn finish(self) {
        assert_eq!(self.curl.exit_code(Duration::from_secs(120)), 0);
        let came = fs::read(&self.file).expect("the download");
        assert!(came == web::pattern(self.bytes), "the download is damaged");
    }
}

/// How long to wait for a download that stands still, before it counts as given up: of two
/// waits of TCP that come to naught, the second is twice as long as the first.
const STALL: Duration = Duration::from_secs(30);

/// How often the session has gone over to another candidate.
fn moves(up: &Up) -> usize {
    let events = up.events();
    let moved = events.iter().filter(|event| event["state"] == "moved");
    moved.count()
}

fn has_event(up: &Up, state: &str) -> bool {
    up.events().iter().any(|event| event["state"] == state)
}

/// One gateway at two addresses.
fn two_ways() -> (Scene, Gateway, Card) {
    let scene = Scene::new();
    scene
        .gateway
        .ip(&format!("address add {SECOND_ADDRESS}/24 dev eth0"));
    let gateway = scene.start_gateway();
    let options = [
        "--endpoint",
        ENDPOINT,
        "--endpoint",
        SECOND_ENDPOINT,
        "--route",
        INNER_NETWORK,
    ];
    let card = scene.issue_with(&gateway, "traveller", &options);
    (scene, gateway, card)
}

/// Lets the first endpoint be reached again: the download goes back to it without a halt.
#[track_caller]
fn come_back(scene: &Scene, up: &Up, download: &Download) {
    cut(&scene.router, "203.0.113.5", false);
    let before = moves(up);
    let is_back = || moves(up) > before;
    let pause = download.longest_pause_until(Duration::from_secs(30), is_back);
    assert!(pause < promised(Duration::from_secs(2)), "{pause:?}");
    let back = up.await_state("moved");
    assert_eq!(back["to"], ENDPOINT);
    assert!(back["seconds"].is_null(), "{back}");
}

#[test]
fn a_running_download_goes_over_to_the_next_endpoint_and_comes_back_to_the_first() {
    let (scene, _gateway, card) = two_ways();
    let _web = scene.serve();
    let up = scene.connect(&scene.one, &card);
    wait::keeps_promise(
        "a download goes on through the next endpoint",
        LIMIT,
        || {
            let download = Download::start(&scene.one, "10.20.0.80", 3_000_000, 40);
            cut(&scene.router, "203.0.113.5", true);
            let stood_still = download.await_more(now());
            let moved = up.await_state("moved");
            assert_eq!(moved["from"], ENDPOINT);
            assert_eq!(moved["to"], SECOND_ENDPOINT);
            let seconds = moved["seconds"].as_f64().expect("how long it was silent");
            assert!(seconds >= 2.0, "{seconds}");
            println!("stood still for {stood_still:?}, moved after {seconds:.1} s");

            // The first one is back: nobody notices but who is told.
            come_back(&scene, &up, &download);
            let status = scene.one.tokenvpn(&["status", "--json"]).ok();
            assert!(
                status.contains(r#""state":"up""#) && status.contains(ENDPOINT),
                "{status}"
            );
            download.finish();
            stood_still
        },
    );
    assert!(!has_event(&up, "lost"));
}

/// A gateway by its name alone.
const NAME: &str = "vpn.example.com";
const BY_NAME: [&str; 4] = [
    "--endpoint",
    "vpn.example.com:51820",
    "--route",
    INNER_NETWORK,
];

/// Lets the name lead there, or nowhere.
#[track_caller]
fn lead_name_to(host: &Host, address: Option<&str>) {
    let line = address.map_or(String::new(), |address| format!("{address} {NAME}\n"));
    let text = format!("127.0.0.1 localhost\n{line}");
    host.within(|| fs::write("/etc/hosts", text))
        .expect("names of its own");
}

#[test]
fn a_name_that_leads_elsewhere_is_looked_up_again_when_the_gateway_falls_silent() {
    let scene = Scene::new();
    scene
        .gateway
        .ip(&format!("address add {SECOND_ADDRESS}/24 dev eth0"));
    let gateway = scene.start_gateway();
    let one = &scene.one;
    lead_name_to(one, Some("203.0.113.5"));
    let card = scene.issue_with(&gateway, "traveller", &BY_NAME);
    let _web = scene.serve();
    let up = scene.connect(one, &card);
    let download = Download::start(one, "10.20.0.80", 1_000_000, 10);
    lead_name_to(one, Some(SECOND_ADDRESS));
    cut(&scene.router, "203.0.113.5", true);
    let cut_at = now();
    let moved = up.await_state("moved");
    assert_eq!(moved["address"], SECOND_ENDPOINT);
    download.await_more(cut_at);
    download.finish();
}

/// A name server somewhere on the internet.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 51, 101, 53);
/// The name server of the tunnel. It does not answer.
const INNER_RESOLVER: &str = "10.20.0.80";
/// The router, as the computer at home sees it.
const HOME_ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// A gateway that is known by its name only and moves to its second address.
///
/// ```text
///  one ─── router ── gateway ── server
///             └───── resolver
/// ```
struct Mover {
    card: Card,
    names: NameServer,
    _gateway: Gateway,
    scene: Scene,
}

impl Mover {
    /// With the resolver on the internet, or in the local network; everything goes into the
    /// tunnel. The computer checks strictly, or not at all, which way a datagram came.
    #[track_caller]
    fn new(is_local: bool, is_strict: bool) -> Mover {
        Mover::with(is_local, is_strict, &["--dns", INNER_RESOLVER])
    }

    #[track_caller]
    fn with(is_local: bool, is_strict: bool, dns: &[&str]) -> Mover {
        let scene = Scene::new();
        scene
            .gateway
            .ip(&format!("address add {SECOND_ADDRESS}/24 dev eth0"));
        let resolver = scene.world.host("resolver");
        scene.world.wire(
            (&resolver, "eth0", &format!("{RESOLVER}/24")),
            (&scene.router, "resolver", "198.51.101.1/24"),
        );
        resolver.ip("route add default via 198.51.101.1");
        let (at, address) = match is_local {
            true => (&scene.router, HOME_ROUTER),
            false => (&resolver, RESOLVER),
        };
        let names = NameServer::serve(at, address.into());
        names.set(NAME, FIRST_ADDRESS);
        let gateway = scene.start_gateway();
        let options = [
            "--endpoint",
            "vpn.example.com:51820",
            "--route",
            "0.0.0.0/0",
        ];
        let card = scene.issue_with(&gateway, "traveller", &[&options, dns].concat());
        scene.one.within(|| {
            let servers = format!("nameserver {address}\n");
            fs::write("/etc/resolv.conf", servers).expect("servers of its own");
            for link in ["all", "eth0"] {
                let file = format!("/proc/sys/net/ipv4/conf/{link}/rp_filter");
                fs::write(file, if is_strict { "1" } else { "0" }).expect("a sysctl");
            }
        });
        Mover {
            card,
            names,
            _gateway: gateway,
            scene,
        }
    }

    /// The gateway moves while something is downloaded, and is found again.
    #[track_caller]
    fn is_found_again(&self, up: &Up) {
        let Mover { scene, names, .. } = self;
        let tap = Tap::on(&scene.one, TUNNEL);
        let _web = scene.serve();
        let download = Download::start(&scene.one, "10.20.0.80", 1_000_000, 6);
        let asked = names.asked().len();
        names.set(NAME, SECOND_ADDRESS.parse().expect("an address"));
        cut(&scene.router, "203.0.113.5", true);
        let cut_at = now();
        let moved = up.await_state("moved");
        assert_eq!(moved["address"], SECOND_ENDPOINT);
        download.await_more(cut_at);
        download.finish();
        assert!(names.asked().len() > asked);

        assert!(!is_asked(&tap), "a question went into the tunnel");
    }

    /// What others ask goes through the tunnel, to its name server.
    #[track_caller]
    fn looks_up_inside(&self) {
        let Mover { scene, names, .. } = self;
        let tap = Tap::on(&scene.one, TUNNEL);
        let asked = names.asked().len();
        let other = scene.one.run("getent").args(["hosts", NAME]).finish();
        other.expect_code(2);
        assert!(is_asked(&tap), "the tap is blind");
        assert_eq!(names.asked().len(), asked);
    }
}

fn is_asked(tap: &Tap) -> bool {
    tap.clear_packets().iter().any(|packet| packet.is_question)
}

#[test]
fn a_gateway_that_moves_is_found_past_the_tunnel_that_everything_goes_into() {
    let mover = Mover::new(false, true);
    let up = mover.scene.connect(&mover.scene.one, &mover.card);
    mover.is_found_again(&up);
    mover.looks_up_inside();
}

#[test]
fn systemd_resolved_is_passed_over_for_the_servers_that_it_asks() {
    let mover = Mover::with(false, true, &[]);
    let Mover { scene, card, .. } = &mover;
    let one = &scene.one;
    // As far as anybody can tell: it answers, and never hears of the new address.
    let stub = NameServer::serve(one, [127, 0, 0, 53].into());
    stub.set(NAME, FIRST_ADDRESS);
    one.within(|| {
        let list = Path::new("/run/systemd/resolve");
        fs::create_dir_all(list)?;
        fs::write(list.join("resolv.conf"), format!("nameserver {RESOLVER}\n"))?;
        fs::write("/etc/resolv.conf", "nameserver 127.0.0.53\n")
    })
    .expect("files of its own");
    let up = scene.connect(one, card);
    let asked = stub.asked().len();
    assert!(asked > 0, "without a tunnel it is asked as ever");
    mover.is_found_again(&up);
    assert_eq!(stub.asked().len(), asked);
}

#[test]
fn behind_the_kill_switch_a_gateway_is_found_by_a_name_server_in_the_local_network() {
    found_behind_the_kill_switch(&Mover::new(true, true), HOME_ROUTER);
}

#[test]
fn behind_the_kill_switch_a_gateway_is_found_by_any_name_server_that_is_let_in() {
    found_behind_the_kill_switch(&Mover::new(false, false), RESOLVER);
}

/// Nothing else leaves meanwhile but what the name server is asked.
#[track_caller]
fn found_behind_the_kill_switch(mover: &Mover, resolver: Ipv4Addr) {
    let Mover { scene, card, .. } = mover;
    let tap = Tap::on(&scene.one, "eth0");
    let up = scene.one.up(card.pin(), &["--kill-switch"]);
    up.await_state("kill_switch");
    card.insert();
    up.await_state("up");
    mover.is_found_again(&up);
    mover.looks_up_inside();
    let packets = tap.clear_packets().into_iter();
    let sent = packets.filter(|packet| packet.outgoing && packet.destination.is_ipv4());
    let targets: BTreeSet<_> = sent.map(|packet| packet.destination).collect();
    assert_eq!(targets, BTreeSet::from([resolver.into()]));
}

#[test]
fn while_no_name_can_be_looked_up_that_is_told_once_and_tried_again() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let one = &scene.one;
    lead_name_to(one, None);
    let card = scene.issue_with(&gateway, "traveller", &BY_NAME);
    card.insert();
    one.await_token(&card.ident());
    let begin = |options: &[&str]| {
        let up = one.up(card.pin(), options);
        assert_eq!(up.await_state("resolving")["hosts"][0], NAME);
        let unreachable = up.await_state("unreachable");
        assert_eq!(unreachable["tried"], false, "there was nobody to ask");
        assert_eq!(unreachable["unresolved"][0], NAME);
        up
    };
    let up = begin(&["--ready-timeout", "12"]);
    let told = up.await_state("no_gateway");
    let what = told["what"].as_str().expect("a text");
    assert!(what.contains(NAME) && what.contains("12 s"), "{what}");
    assert_eq!(up.process().exit_code(SOON), 9);

    let up = begin(&[]);
    let status = one.tokenvpn(&["status", "--json"]).finish();
    assert!(
        status.stdout.contains(r#""state":"unreachable""#),
        "{status}"
    );
    lead_name_to(one, Some("203.0.113.5"));
    up.await_state("up");
    let told = up.events();
    let told = told.iter().filter(|event| event["state"] == "unreachable");
    assert_eq!(told.count(), 1);
}

/// Nothing else ends a session that nobody answers so soon: three minutes.
#[test]
fn a_computer_that_slept_past_the_end_of_its_session_says_that_it_is_lost_and_begins_again() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let one = &scene.one;
    let clock = WallClock::new(one);
    let number = PIN_FD.to_string();
    let up = one
        .tokenvpn(&["up", "--json", "--pin-fd", &number])
        .text_on(PIN_FD, card.pin());
    let up = Up::started(one, clock.of(up));
    up.await_state("waiting_token");
    card.insert();
    up.await_state("up");
    let worker = up.worker();
    cut(&scene.router, "203.0.113.5", true);
    clock.set_slept(200);
    up.await_state("lost");
    up.await_state("connecting");
    assert_eq!(up.await_state("unreachable")["tried"], true);
    cut(&scene.router, "203.0.113.5", false);
    up.await_state("up");
    assert!(one.pings(SERVER));
    assert_eq!(up.worker(), worker, "no PIN was asked for");
}

const OTHER_ENDPOINT: &str = "198.51.101.7:51820";

/// Two gateways into one network, and a token that knows both: each has invited it.
///
/// ```text
///  one ─── router ── gateway ──10.20.0── server
///             └───── other ────10.20.1─────┘
/// ```
struct Pair {
    card: Card,
    gateways: [Gateway; 2],
    scene: Scene,
}

impl Pair {
    #[track_caller]
    fn new() -> Pair {
        let scene = Scene::new();
        let other = scene.world.host("other");
        scene.world.wire(
            (&other, "eth0", "198.51.101.7/24"),
            (&scene.router, "other", "198.51.101.1/24"),
        );
        scene.world.wire(
            (&other, "inner", "10.20.1.1/24"),
            (&scene.server, "eth1", "10.20.1.80/24"),
        );
        other.set_forwarding(true);
        other.ip("route add default via 198.51.101.1");
        other.ip("route add 10.20.0.80/32 via 10.20.1.80");
        let first = scene.start_gateway();
        let second = Gateway::init(&other, OTHER_ENDPOINT, TUNNEL_NETWORK);
        second.start();
        let card = scene.issue(&first, "traveller");
        let one = &scene.one;
        card.insert();
        one.await_token(&card.ident());
        let options = ["--address", "10.77.0.2", "--route", INNER_NETWORK];
        let invitation = second.invite("traveller", &options);
        let number = PIN_FD.to_string();
        let added = one
            .tokenvpn(&["token", "add-gateway", "--pin-fd", &number])
            .text_on(PIN_FD, card.pin())
            .stdin(&*invitation)
            .finish();
        second.enrol(&added.expect_code(0).stdout);
        card.remove();
        Pair {
            card,
            gateways: [first, second],
            scene,
        }
    }

    /// What the routing protocol of a pair of gateways would do: the inner network learns
    /// through which of them the token is reached.
    #[track_caller]
    fn inner_way_back(&self, gateway: &str) {
        let server = &self.scene.server;
        server.ip(&format!("route replace {TUNNEL_NETWORK} via {gateway}"));
    }
}

const FIRST_WAY: &str = "10.20.0.1";
const OTHER_WAY: &str = "10.20.1.1";

#[test]
fn a_running_download_goes_over_to_another_gateway_and_comes_back() {
    let pair = Pair::new();
    let Pair { scene, card, .. } = &pair;
    let _web = scene.serve();
    let up = scene.connect(&scene.one, card);
    wait::keeps_promise(
        "a download goes on through the other gateway",
        LIMIT,
        || {
            let download = Download::start(&scene.one, "10.20.0.80", 3_000_000, 32);
            cut(&scene.router, "203.0.113.5", true);
            let cut_at = now();
            let moved = up.await_state("moved");
            assert_eq!(moved["to"], OTHER_ENDPOINT);
            pair.inner_way_back(OTHER_WAY);
            let stood_still = download.await_more(cut_at);
            println!("went on through the other gateway after {stood_still:?}");

            come_back(scene, &up, &download);
            pair.inner_way_back(FIRST_WAY);
            download.finish();
            stood_still
        },
    );
    assert!(!has_event(&up, "lost"));
}

/// Nothing is lost on the way back, though the inner network learns of it a moment late.
#[test]
fn what_the_other_gateway_still_sends_arrives_after_the_return() {
    let pair = Pair::new();
    let Pair { scene, card, .. } = &pair;
    let one = &scene.one;
    cut(&scene.router, "203.0.113.5", true);
    let up = scene.connect(one, card);
    pair.inner_way_back(OTHER_WAY);
    let words = ["-n", "-i", "0.05", "10.20.0.80"];
    let ping = one.run("ping").args(words).spawn();
    let await_more = |what: &str| {
        let before = answered(&ping).len();
        wait::until_true(what, SOON, || answered(&ping).len() > before + 10);
    };
    await_more("the server answers");
    cut(&scene.router, "203.0.113.5", false);
    let moved = up.await_state_within("moved", Duration::from_secs(40));
    assert_eq!(moved["to"], ENDPOINT);
    await_more("answers arrive from the gateway that was left");
    pair.inner_way_back(FIRST_WAY);
    await_more("answers arrive from the first gateway");
    ping.signal(Signal::SIGINT);
    ping.exit_code(SOON);
    let answered = answered(&ping);
    let all: Vec<_> = (1..=answered.len()).collect();
    assert_eq!(answered, all, "an answer is missing");
    assert!(!has_event(&up, "lost"));
}

/// Which echo requests were answered.
fn answered(ping: &Process) -> Vec<usize> {
    let told = ping.stdout().all();
    let numbers = told.split("icmp_seq=").skip(1);
    let mut numbers: Vec<_> = numbers
        .filter_map(|rest| rest.split(' ').next()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_gateway_that_was_taken_off_the_token_is_asked_no_more() {
    let pair = Pair::new();
    let Pair {
        scene,
        card,
        gateways: [first, second],
    } = &pair;
    let one = &scene.one;
    card.insert();
    one.await_token(&card.ident());
    let number = PIN_FD.to_string();
    let words = [
        "token",
        "edit",
        "--remove-gateway",
        "1",
        "--pin-fd",
        &number,
    ];
    one.tokenvpn(&words)
        .text_on(PIN_FD, card.pin())
        .finish()
        .expect_code(0);
    card.remove();
    let before = first.peer("traveller");
    let up = scene.connect(one, card);
    pair.inner_way_back(OTHER_WAY);
    let _web = scene.serve();
    assert_eq!(one.fetch(PAGE).as_deref(), Some(GREETING));
    assert!(second.peer("traveller").latest_handshake.is_some());
    assert_eq!(
        first.peer("traveller").latest_handshake,
        before.latest_handshake
    );
    assert!(!has_event(&up, "moved"));
}
