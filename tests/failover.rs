//! Several gateways, or several ways to one: a download goes on when one of them stops.

use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use nix::sys::signal::Signal;
use rig::{
    Card, Download, Gateway, Host, LongWay, NameServer, Process, Scene, Tap, Up, WallClock,
    client::{PIN_FD, TUNNEL},
    download::Pace,
    scene::{ENDPOINT, GREETING, INNER_NETWORK, PAGE, SERVER, TUNNEL_NETWORK},
    wait::{self, SOON, promised},
};
use tokenvpn_common::guard;

/// The way to the gateway, and the other one.
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
const SECOND_ADDRESS: &str = "203.0.113.6";
const SECOND_ENDPOINT: &str = "203.0.113.6:51820";
const IPV6_ENDPOINT: &str = "[2001:db8:3::5]:51820";

/// How long a download may stand still, in every run: it is made up of waits, not of work.
const LIMIT: Duration = Duration::from_secs(8);

/// Lets nothing through to and from an address any more, or everything again.
#[track_caller]
fn cut(router: &Host, address: &str, is_cut: bool) {
    let word = if is_cut { "add" } else { "delete" };
    let (family, bits) = match address.contains(':') {
        true => ("-6", 128),
        false => ("-4", 32),
    };
    // In this order the last that comes from there is not acknowledged.
    router.ip(&format!("{family} route {word} blackhole {address}/{bits}"));
    router.ip(&format!(
        "{family} rule {word} from {address}/{bits} blackhole"
    ));
}

/// One that goes at its pace, and knows how long an answer takes.
#[track_caller]
fn download(scene: &Scene, pace: Pace) -> Download {
    let address = SocketAddr::from((SERVER, 8080));
    let download = Download::start(&scene.one, &scene.server, address, pace);
    wait::until_true("the download goes on", SOON, || download.bytes() > 4 << 20);
    download.take_longest_pause();
    download
}

/// Until it goes on, since an address was cut off; insists that it stood still no longer than promised.
#[track_caller]
fn assert_goes_on(download: &Download) {
    download.await_more();
    let stood_still = download.take_longest_pause();
    println!("stood still for {stood_still:?}");
    assert!(stood_still < LIMIT, "{stood_still:?}");
}

fn has_event(up: &Up, state: &str) -> bool {
    up.events().iter().any(|event| event["state"] == state)
}

/// One gateway at several addresses, and a token that knows these endpoints of it.
struct Ways {
    /// How fast is downloaded.
    pace: Pace,
    scene: Scene,
    card: Card,
    _gateway: Gateway,
}

impl Ways {
    #[track_caller]
    fn new(endpoints: &[&str]) -> Ways {
        let scene = Scene::new();
        scene.add_ipv6();
        let second = format!("address add {SECOND_ADDRESS}/24 dev eth0");
        scene.gateway.ip(&second);
        let gateway = scene.start_gateway();
        let mut options = vec!["--route", INNER_NETWORK];
        options.extend(
            endpoints
                .iter()
                .flat_map(|endpoint| ["--endpoint", *endpoint]),
        );
        let card = scene.issue_with(&gateway, "traveller", &options);
        Ways {
            pace: Pace::Full,
            scene,
            card,
            _gateway: gateway,
        }
    }

    /// A download goes over from the first endpoint to another one when the first is cut off; it
    /// goes on.
    #[track_caller]
    fn go_over(&self, first: &str, other: &str) -> (Up, Download) {
        let Ways { scene, card, .. } = self;
        let up = scene.connect(&scene.one, card);
        let download = download(scene, self.pace);
        cut(&scene.router, &address(first), true);
        let moved = up.await_state("moved");
        assert_eq!(
            (&moved["from"], &moved["to"]),
            (&first.into(), &other.into())
        );
        let seconds = moved["seconds"].as_f64().expect("how long it was silent");
        println!("moved after {seconds:.1} s");
        assert!(seconds >= 2.0, "{seconds}");
        assert_goes_on(&download);
        (up, download)
    }

    /// The same, and the first one is back: nobody notices but who is told.
    #[track_caller]
    fn go_over_and_come_back(&self, first: &str, other: &str) {
        let (up, download) = self.go_over(first, other);
        cut(&self.scene.router, &address(first), false);
        come_back(&up, &download, first);
        let status = self.scene.one.tokenvpn(&["status", "--json"]).ok();
        assert!(
            status.contains(r#""state":"up""#) && status.contains(first),
            "{status}"
        );
        download.finish();
        assert!(!has_event(&up, "lost"));
    }
}

/// Where an endpoint is.
fn address(endpoint: &str) -> String {
    let endpoint: SocketAddr = endpoint.parse().expect("an endpoint");
    endpoint.ip().to_string()
}

/// The first endpoint can be reached again: the download goes back to it without a halt.
#[track_caller]
fn come_back(up: &Up, download: &Download, first: &str) {
    download.take_longest_pause();
    // It is asked once in 20 s, and that or the answer may be lost in the crowd.
    let back = up.await_state_within("moved", Duration::from_secs(70));
    assert_eq!(back["to"], first);
    assert!(back["seconds"].is_null(), "{back}");
    download.await_more();
    let pause = download.take_longest_pause();
    assert!(pause < promised(Duration::from_secs(2)), "{pause:?}");
}

#[test]
fn a_running_download_goes_over_to_the_next_endpoint_and_comes_back_to_the_first() {
    let ways = Ways::new(&[ENDPOINT, SECOND_ENDPOINT]);
    ways.go_over_and_come_back(ENDPOINT, SECOND_ENDPOINT);
}

#[test]
fn a_running_download_goes_over_from_ipv4_to_ipv6_and_comes_back() {
    let ways = Ways::new(&[ENDPOINT, IPV6_ENDPOINT]);
    ways.go_over_and_come_back(ENDPOINT, IPV6_ENDPOINT);
}

#[test]
fn a_running_download_goes_over_from_ipv6_to_ipv4() {
    let ways = Ways::new(&[IPV6_ENDPOINT, ENDPOINT]);
    let (_up, download) = ways.go_over(IPV6_ENDPOINT, ENDPOINT);
    download.finish();
}

/// Where nobody is.
const DEAD: [&str; 2] = ["203.0.113.7:51820", "[2001:db8:3::7]:51820"];

#[test]
fn a_running_download_passes_over_endpoints_that_are_dead() {
    let mut ways = Ways::new(&[ENDPOINT, DEAD[0], DEAD[1], SECOND_ENDPOINT]);
    ways.pace = Pace::Steady;
    let (_up, download) = ways.go_over(ENDPOINT, SECOND_ENDPOINT);
    download.finish();
}

/// It goes over while the gateway is so far away.
#[track_caller]
fn assert_goes_over_from_afar(round_trip: Duration, endpoints: &[&str]) {
    let mut ways = Ways::new(endpoints);
    ways.pace = Pace::Steady;
    let links = ["home", "internet"];
    let _way = LongWay::through(&ways.scene.router, &links, round_trip / 2);
    let (_up, download) = ways.go_over(ENDPOINT, SECOND_ENDPOINT);
    download.finish();
}

#[test]
fn a_running_download_from_another_continent_passes_over_an_endpoint_that_is_dead() {
    let endpoints = [ENDPOINT, DEAD[0], SECOND_ENDPOINT];
    assert_goes_over_from_afar(Duration::from_millis(150), &endpoints);
}

#[test]
fn a_running_download_from_the_other_side_of_the_earth_goes_over_to_the_next_endpoint() {
    let endpoints = [ENDPOINT, SECOND_ENDPOINT];
    assert_goes_over_from_afar(Duration::from_millis(300), &endpoints);
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
    let up = scene.connect(one, &card);
    let download = download(&scene, Pace::Full);
    lead_name_to(one, Some(SECOND_ADDRESS));
    cut(&scene.router, "203.0.113.5", true);
    let moved = up.await_state("moved");
    assert_eq!(moved["address"], SECOND_ENDPOINT);
    download.await_more();
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
        let download = download(scene, Pace::Full);
        let asked = names.asked().len();
        names.set(NAME, SECOND_ADDRESS.parse().expect("an address"));
        cut(&scene.router, "203.0.113.5", true);
        let moved = up.await_state("moved");
        assert_eq!(moved["address"], SECOND_ENDPOINT);
        download.await_more();
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
        Pair::around(None)
    }

    /// With a third gateway between the two, which has this endpoint and never runs.
    #[track_caller]
    fn around(dead: Option<&str>) -> Pair {
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
        if let Some(endpoint) = dead {
            let nowhere = scene.world.host("nowhere");
            add_gateway(
                &scene,
                &card,
                &Gateway::init(&nowhere, endpoint, TUNNEL_NETWORK),
            );
        }
        add_gateway(&scene, &card, &second);
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

/// The pipe that adds a gateway to a token.
#[track_caller]
fn add_gateway(scene: &Scene, card: &Card, gateway: &Gateway) {
    let options = ["--address", "10.77.0.2", "--route", INNER_NETWORK];
    let invitation = gateway.invite("traveller", &options);
    let number = PIN_FD.to_string();
    let words = ["token", "add-gateway", "--pin-fd", &number];
    let added = scene.one.tokenvpn(&words).text_on(PIN_FD, card.pin());
    let added = added.stdin(&*invitation).finish().expect_code(0);
    gateway.enrol(&added.stdout);
}

const FIRST_WAY: &str = "10.20.0.1";
const OTHER_WAY: &str = "10.20.1.1";

#[test]
fn a_running_download_goes_over_to_another_gateway_and_comes_back() {
    let pair = Pair::new();
    let Pair { scene, card, .. } = &pair;
    let up = scene.connect(&scene.one, card);
    let download = download(scene, Pace::Full);
    cut(&scene.router, "203.0.113.5", true);
    let moved = up.await_state("moved");
    assert_eq!(moved["to"], OTHER_ENDPOINT);
    pair.inner_way_back(OTHER_WAY);
    assert_goes_on(&download);

    cut(&scene.router, "203.0.113.5", false);
    come_back(&up, &download, ENDPOINT);
    pair.inner_way_back(FIRST_WAY);
    download.finish();
    assert!(!has_event(&up, "lost"));
}

#[test]
fn a_running_download_passes_over_a_gateway_that_is_dead_and_it_is_asked_no_more() {
    let pair = Pair::around(Some(DEAD[0]));
    let Pair { scene, card, .. } = &pair;
    let up = scene.connect(&scene.one, card);
    let download = download(scene, Pace::Steady);
    let tap = Tap::on(&scene.one, "eth0");
    cut(&scene.router, "203.0.113.5", true);
    let moved = up.await_state("moved");
    assert_eq!(moved["to"], OTHER_ENDPOINT);
    pair.inner_way_back(OTHER_WAY);
    assert_goes_on(&download);
    download.finish();
    let dead: SocketAddr = DEAD[0].parse().expect("an endpoint");
    let asked = || {
        let datagrams = tap.datagrams();
        let asked = datagrams.iter().filter(|sent| sent.destination == dead);
        asked.count()
    };
    assert_eq!(asked(), 1);
    let longer_than_the_wait = guard::RETRY + Duration::from_secs(1);
    wait::holds_for("nobody asks it", longer_than_the_wait, || asked() == 1);
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
