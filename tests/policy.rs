//! What a removal means by the user's choice, and what gets out of the computer meanwhile.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use ipnet::IpNet;
use nix::sys::signal::Signal;
use rig::{
    Card, Gateway, Host, Pty, Scene, Tap, Up, WallClock,
    card::{PIN, Slot},
    client::{PIN_FD, TUNNEL},
    process::{is_alive, state},
    scene::{ENDPOINT, HOTEL_ADDRESS, INNER_NETWORK, SERVER, TUNNEL_NETWORK},
    wait::{self, SOON, now},
};
use serde_json::Value;
use tokenvpn_common::status::Status;

/// The other end of the link to the computer at home.
const ROUTER: &str = "192.0.2.1";

/// A scene with a token that lies beside the reader.
struct Home {
    card: Card,
    before: String,
    _gateway: Gateway,
    scene: Scene,
}

impl Home {
    #[track_caller]
    fn new() -> Home {
        let scene = Scene::new();
        let gateway = scene.start_gateway();
        let card = scene.issue(&gateway, "traveller");
        let before = scene.one.network_state();
        Home {
            card,
            before,
            _gateway: gateway,
            scene,
        }
    }

    fn one(&self) -> &Host {
        &self.scene.one
    }

    /// `up` with these options and a session.
    #[track_caller]
    fn connected(&self, options: &[&str]) -> Up {
        let up = self.one().up(self.card.pin(), options);
        up.await_state("waiting_token");
        self.card.insert();
        up.await_state("up");
        assert!(self.one().pings(SERVER));
        up
    }

    /// Insists that somebody on the internet can be reached, or cannot.
    #[track_caller]
    fn is_online(&self, online: bool) {
        assert_eq!(self.one().pings(HOTEL_ADDRESS), online);
    }
}

/// What leads into the tunnel or nowhere, by `status`.
#[track_caller]
fn closed(host: &Host) -> Vec<IpNet> {
    let status = host.tokenvpn(&["status", "--json"]).finish();
    let status: Status = serde_json::from_str(&status.stdout).expect("JSON");
    status.closed
}

fn networks<const N: usize>(texts: [&str; N]) -> [IpNet; N] {
    texts.map(|text| text.parse().expect("a network"))
}

fn router() -> IpAddr {
    ROUTER.parse().expect("an address")
}

/// To whom the computer has sent something in clear.
fn targets(tap: &Tap) -> BTreeSet<IpAddr> {
    let packets = tap.clear_packets().into_iter();
    let sent = packets.filter(|packet| packet.outgoing && !packet.destination.is_multicast());
    sent.map(|packet| packet.destination).collect()
}

/// The same, the home network left out.
fn strangers(tap: &Tap) -> Vec<IpAddr> {
    let [home, link] = networks(["192.0.2.0/24", "fe80::/10"]);
    let mut targets = targets(tap);
    targets.retain(|target| !home.contains(target) && !link.contains(target));
    targets.into_iter().collect()
}

#[test]
fn with_the_kill_switch_nothing_but_the_tunnel_leaves_from_the_start_to_the_end() {
    let home = Home::new();
    let one = home.one();
    // The answers of the gateway come from where nothing leads to: a strict check must not
    // drop them.
    one.within(|| fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "1"))
        .expect("a sysctl");
    let before = one.network_state();
    home.is_online(true);
    let tap = Tap::on(one, "eth0");
    let up = one.up(PIN, &["--kill-switch"]);
    up.await_state("kill_switch");
    up.await_state("waiting_token");
    home.is_online(false);
    assert!(one.pings(router()), "the local network stays");
    // Whoever wonders why nothing works is told.
    assert_eq!(closed(one), networks(["0.0.0.0/0", "::/0"]));
    let doctor = one.tokenvpn(&["doctor"]).finish().stdout;
    let told = "until tokenvpn is up, nothing leaves but through the tunnel";
    assert!(doctor.contains(told), "{doctor}");

    home.card.insert();
    up.await_state("up");
    assert!(one.pings(SERVER));
    assert!(one.pings(router()));
    home.is_online(false);

    home.card.remove();
    let removed = up.await_state("token_removed");
    assert_eq!(removed["closed"], true);
    wait::until_true("the tunnel is gone", SOON, || !one.has_link(TUNNEL));
    assert!(!one.pings(SERVER));
    home.is_online(false);
    assert_eq!(strangers(&tap), [HOTEL_ADDRESS; 0]);

    one.tokenvpn(&["down"]).ok();
    assert_eq!(up.await_state("down")["opened"], true);
    assert_eq!(up.process().exit_code(SOON), 0);
    assert_eq!(one.network_state(), before);
    home.is_online(true);
    assert!(strangers(&tap).contains(&HOTEL_ADDRESS), "the tap is blind");
}

#[test]
fn a_killed_supervisor_leaves_the_kill_switch_closed_and_down_opens_it() {
    let home = Home::new();
    let one = home.one();
    let up = home.connected(&["--kill-switch"]);
    let worker = up.worker().expect("a worker");
    up.process().kill();
    wait::until_true("worker and tunnel are gone", SOON, || {
        !is_alive(worker) && !one.has_link(TUNNEL)
    });
    home.is_online(false);
    assert!(one.pings(router()));
    one.tokenvpn(&["down"]).ok();
    home.is_online(true);
    assert_eq!(one.network_state(), home.before);
    assert_eq!(one.runtime_files(), [""; 0]);
}

#[test]
fn the_next_up_keeps_the_kill_switch_closed_or_opens_it_as_it_is_told() {
    let home = Home::new();
    let one = home.one();
    let up = one.up(PIN, &["--kill-switch"]);
    up.await_state("waiting_token");
    up.process().kill();
    home.is_online(false);

    let up = one.up(PIN, &["--kill-switch", "--wait", "1"]);
    up.await_state("no_token");
    up.await_state("stays_closed");
    assert_eq!(up.process().exit_code(SOON), 3);
    home.is_online(false);

    let up = one.up(PIN, &[]);
    up.await_state("waiting_token");
    home.is_online(true);
    one.tokenvpn(&["down"]).ok();
    assert_eq!(one.network_state(), home.before);
}

#[test]
fn with_hold_the_profile_s_networks_lead_nowhere_until_the_token_is_back() {
    let home = Home::new();
    let one = home.one();
    let pty = Pty::open();
    let up = one.up_on(&pty, &["--on-removal", "hold"]);
    pty.expect("Waiting for a token");
    home.is_online(true);
    home.card.insert();
    one.type_pin(&pty, home.card.pin());
    pty.expect("Connected as traveller");
    assert!(one.pings(SERVER));
    home.is_online(true);
    let worker = up.worker().expect("a worker");

    let tap = Tap::on(one, "eth0");
    home.card.remove();
    pty.expect("lead nowhere");
    assert!(!is_alive(worker) && !one.has_link(TUNNEL));
    assert!(!one.pings(SERVER));
    home.is_online(true);

    home.card.insert();
    one.type_pin(&pty, home.card.pin());
    pty.expect("Connected as traveller");
    assert!(one.pings(SERVER));
    home.card.remove();
    pty.expect("lead nowhere");
    assert!(!one.pings(SERVER));
    assert_eq!(closed(one), networks([TUNNEL_NETWORK, INNER_NETWORK]));
    let strangers = strangers(&tap);
    assert_eq!(strangers, [HOTEL_ADDRESS], "something left in clear");

    one.tokenvpn(&["down"]).ok();
    pty.expect("open again");
    assert_eq!(up.process().exit_code(SOON), 0);
    assert_eq!(one.network_state(), home.before);
    // The other side of it: without the tunnel and the fence, it would have left.
    one.pings(SERVER);
    assert!(targets(&tap).contains(&SERVER));
}

#[test]
fn hold_is_for_the_profile_s_ipv6_networks_too() {
    let scene = Scene::new();
    scene.add_ipv6();
    let one = &scene.one;
    let gateway = Gateway::init(&scene.gateway, ENDPOINT, "10.77.0.0/24,fd77::/64");
    gateway.start();
    let options = ["--route", INNER_NETWORK, "--route", "fd20::/64"];
    let card = scene.issue_with(&gateway, "traveller", &options);
    let before = one.network_state();
    let inside: IpAddr = "fd20::80".parse().expect("an address");
    let outside: IpAddr = "2001:db8:3::5".parse().expect("an address");
    let up = one.up(card.pin(), &["--on-removal", "hold"]);
    up.await_state("waiting_token");
    card.insert();
    up.await_state("up");
    assert!(one.pings(inside) && one.pings(outside));

    let tap = Tap::on(one, "eth0");
    card.remove();
    up.await_state("token_removed");
    assert!(!one.pings(inside) && one.pings(outside));
    assert!(!targets(&tap).contains(&inside), "it left in clear");
    one.tokenvpn(&["down"]).ok();
    assert_eq!(one.network_state(), before);
    // The other side of it: without the fence, it would have.
    one.pings(inside);
    assert!(targets(&tap).contains(&inside));
}

/// A second network behind the gateway, and who is in it.
const OTHER_NETWORK: &str = "10.30.0.0/24";
const OTHER_SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 30, 0, 80));

/// A scene with two tokens, in two readers, and an `up` that asks for their PINs.
struct Two {
    first: Card,
    second: Card,
    pty: Pty,
    gateway: Gateway,
    scene: Scene,
}

impl Two {
    /// Tokens for these networks beside the tunnel's own.
    #[track_caller]
    fn new(first: &[&str], second: &[&str]) -> Two {
        let scene = Scene::new();
        scene.gateway.ip("address add 10.30.0.1/24 dev inner");
        scene.server.ip("address add 10.30.0.80/24 dev eth0");
        let gateway = scene.start_gateway();
        let one = &scene.one;
        one.start_pcscd();
        let issue = |name, serial, slot, networks: &[&str]| {
            let card = Card::new(&scene.world, name).with_serial(serial);
            card.connect_to(one, slot);
            card.insert();
            let options: Vec<_> = networks.iter().flat_map(|n| ["--route", n]).collect();
            gateway.enrol(&one.issue(&gateway.invite(name, &options), card.pin()));
            card.remove();
            card
        };
        let first = issue("first", "00000001", Slot::First, first);
        let second = issue("second", "00000002", Slot::Second, second);
        Two {
            first,
            second,
            pty: Pty::open(),
            gateway,
            scene,
        }
    }

    fn one(&self) -> &Host {
        &self.scene.one
    }

    /// Whoever hands out the computer's address leads these networks elsewhere.
    #[track_caller]
    fn claim(&self, networks: [&str; 2]) {
        for network in networks {
            self.one().ip(&format!("route add {network} via {ROUTER}"));
        }
    }

    #[track_caller]
    fn start(&self, options: &[&str]) -> Up {
        let up = self.one().tokenvpn(&["up", "--json"]).args(options);
        Up::started(self.one(), up.with_terminal(&self.pty))
    }

    #[track_caller]
    fn up(&self, options: &[&str]) -> Up {
        let up = self.start(options);
        up.await_state("waiting_token");
        up
    }

    /// Puts a token in, and gives what is told of its session.
    #[track_caller]
    fn connect(&self, up: &Up, card: &Card) -> Value {
        card.insert();
        self.one().type_pin(&self.pty, card.pin());
        up.await_state("up")
    }

    #[track_caller]
    fn pull(&self, up: &Up, card: &Card) {
        card.remove();
        assert_eq!(up.await_state("token_removed")["closed"], true);
        up.await_state("waiting_token");
    }
}

#[test]
fn the_hold_of_a_token_that_is_out_outlasts_the_tunnel_of_another_one() {
    let two = Two::new(&[INNER_NETWORK], &["10.30.0.0/16"]);
    two.claim([INNER_NETWORK, "10.30.0.0/16"]);
    let one = two.one();
    let before = one.network_state();
    let up = two.up(&["--on-removal", "hold"]);
    let told = two.connect(&up, &two.first);
    assert_eq!(told.get("closed"), None, "{told}");
    let tap = Tap::on(one, "eth0");
    two.pull(&up, &two.first);
    assert!(!one.pings(SERVER));

    let told = two.connect(&up, &two.second);
    assert_eq!(told["closed"], serde_json::json!([INNER_NETWORK]));
    assert!(one.pings(OTHER_SERVER) && !one.pings(SERVER));
    let all = networks([TUNNEL_NETWORK, INNER_NETWORK, "10.30.0.0/16"]);
    assert_eq!(closed(one), all);
    let doctor = one.tokenvpn(&["doctor"]).finish().stdout;
    let says = format!("tokenvpn is up, and {INNER_NETWORK} lead nowhere");
    assert!(doctor.contains(&says), "{doctor}");
    two.pull(&up, &two.second);
    assert!(!one.pings(OTHER_SERVER) && !one.pings(SERVER));

    let told = two.connect(&up, &two.first);
    assert_eq!(told["closed"], serde_json::json!(["10.30.0.0/16"]));
    assert!(one.pings(SERVER) && !one.pings(OTHER_SERVER));
    two.pull(&up, &two.first);
    assert_eq!(
        strangers(&tap),
        [HOTEL_ADDRESS; 0],
        "something left in clear"
    );
    assert_eq!(closed(one), all);

    one.tokenvpn(&["down"]).ok();
    assert_eq!(up.await_state("down")["opened"], true);
    assert_eq!(one.network_state(), before);
    // The other side of it.
    one.pings(SERVER);
    one.pings(OTHER_SERVER);
    assert_eq!(strangers(&tap), [SERVER, OTHER_SERVER]);
}

#[test]
fn of_networks_in_common_the_tunnel_takes_its_own_and_the_rest_stays_closed() {
    let two = Two::new(&["10.0.0.0/8"], &[OTHER_NETWORK]);
    let one = two.one();
    let before = one.network_state();
    let up = two.up(&["--on-removal", "hold"]);
    two.connect(&up, &two.first);
    let tap = Tap::on(one, "eth0");
    two.pull(&up, &two.first);
    two.connect(&up, &two.second);
    assert!(one.pings(OTHER_SERVER) && !one.pings(SERVER));
    two.pull(&up, &two.second);
    // The wider one leads into the tunnel what the narrower one has closed.
    let told = two.connect(&up, &two.first);
    assert_eq!(told.get("closed"), None, "{told}");
    assert!(one.pings(SERVER) && one.pings(OTHER_SERVER));
    two.pull(&up, &two.first);
    assert!(!one.pings(SERVER) && !one.pings(OTHER_SERVER));
    assert_eq!(
        strangers(&tap),
        [HOTEL_ADDRESS; 0],
        "something left in clear"
    );
    up.process().signal(Signal::SIGTERM);
    assert_eq!(up.process().exit_code(SOON), 0);
    assert_eq!(one.network_state(), before);
}

#[test]
fn beside_a_hold_for_everything_another_token_s_tunnel_comes_up_and_survives_a_kill() {
    let two = Two::new(&["0.0.0.0/0"], &[OTHER_NETWORK]);
    let one = two.one();
    // The gateway is behind the first token's fence.
    one.within(|| fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "1"))
        .expect("a sysctl");
    let before = one.network_state();
    let hold = ["--on-removal", "hold"];
    let up = two.up(&hold);
    two.connect(&up, &two.first);
    let tap = Tap::on(one, "eth0");
    two.pull(&up, &two.first);
    two.connect(&up, &two.second);
    let is_alone = || {
        assert!(one.pings(OTHER_SERVER));
        assert!(!one.pings(SERVER) && !one.pings(HOTEL_ADDRESS));
        assert_eq!(
            strangers(&tap),
            [HOTEL_ADDRESS; 0],
            "something left in clear"
        );
    };
    is_alone();
    up.process().kill();
    wait::until_true("the tunnel is gone", SOON, || !one.has_link(TUNNEL));
    assert!(!one.pings(HOTEL_ADDRESS) && !one.pings(OTHER_SERVER));

    // Nobody knows any more who may open what.
    let up = two.start(&hold);
    up.await_state("stays_closed");
    one.type_pin(&two.pty, two.second.pin());
    up.await_state("up");
    is_alone();
    one.tokenvpn(&["down"]).ok();
    assert_eq!(one.network_state(), before);
    assert!(one.pings(HOTEL_ADDRESS));
}

#[test]
fn a_token_s_old_routes_are_open_when_its_tunnel_is_up_with_others_and_no_sooner() {
    let two = Two::new(&["0.0.0.0/0"], &[OTHER_NETWORK]);
    let one = two.one();
    one.within(|| fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "1"))
        .expect("a sysctl");
    let up = two.up(&["--on-removal", "hold"]);
    two.connect(&up, &two.first);
    two.pull(&up, &two.first);

    // It is rewritten at another computer.
    let elsewhere = &two.scene.two;
    elsewhere.start_pcscd();
    two.first.connect(elsewhere);
    two.first.insert();
    let mut profile = two.first.profile(elsewhere);
    profile.allowed_ips = networks([INNER_NETWORK]).to_vec();
    let bytes = profile.encode().expect("it fits");
    two.first.write(elsewhere, &bytes, None);
    two.first.remove();
    two.first.connect(one);

    two.gateway.stop();
    two.first.insert();
    one.type_pin(&two.pty, two.first.pin());
    up.await_state("connecting");
    assert!(!one.pings(HOTEL_ADDRESS), "no tunnel is up");
    two.gateway.start();
    up.await_state_within("up", Duration::from_secs(30));
    assert!(one.pings(HOTEL_ADDRESS) && one.pings(SERVER));
    assert_eq!(closed(one), networks([INNER_NETWORK]));
    two.pull(&up, &two.first);
    assert!(one.pings(HOTEL_ADDRESS) && !one.pings(SERVER));
}

#[test]
fn with_kill_switch_and_hold_a_network_s_own_route_does_not_open_what_is_held() {
    let two = Two::new(&[INNER_NETWORK], &["10.30.0.0/16"]);
    two.claim([INNER_NETWORK, "10.30.0.0/16"]);
    let one = two.one();
    let before = one.network_state();
    let tap = Tap::on(one, "eth0");
    let up = two.up(&["--kill-switch", "--on-removal", "hold"]);
    two.connect(&up, &two.first);
    two.pull(&up, &two.first);
    two.connect(&up, &two.second);
    assert!(one.pings(OTHER_SERVER) && !one.pings(SERVER));
    assert!(!one.pings(HOTEL_ADDRESS) && one.pings(router()));
    assert_eq!(
        strangers(&tap),
        [HOTEL_ADDRESS; 0],
        "something left in clear"
    );
    one.tokenvpn(&["down"]).ok();
    assert_eq!(one.network_state(), before);
}

#[test]
fn hold_outlasts_pcscd_and_with_once_the_program() {
    let home = Home::new();
    let one = home.one();
    let up = home.connected(&["--on-removal", "hold"]);
    let tap = Tap::on(one, "eth0");
    one.kill_pcscd();
    let removed = up.await_state("token_removed");
    assert_eq!(
        (&removed["reason"], &removed["closed"]),
        (&"service_lost".into(), &true.into())
    );
    // It does not come back.
    up.await_state_within("stays_closed", Duration::from_secs(30));
    assert_eq!(up.process().exit_code(SOON), 13);
    assert!(!one.pings(SERVER));

    one.start_pcscd();
    home.card.connect(one);
    let up = home.connected(&["--on-removal", "hold", "--once"]);
    home.card.remove();
    up.await_state("stays_closed");
    assert_eq!(up.process().exit_code(SOON), 10);
    assert!(!one.pings(SERVER));
    assert_eq!(
        strangers(&tap),
        [HOTEL_ADDRESS; 0],
        "something left in clear"
    );
    one.tokenvpn(&["down"]).ok();
    assert_eq!(one.network_state(), home.before);
}

/// How many datagrams have left.
fn sent(tap: &Tap) -> usize {
    let datagrams = tap.datagrams();
    datagrams
        .iter()
        .filter(|datagram| datagram.outgoing)
        .count()
}

#[test]
fn in_its_grace_the_tunnel_is_still_and_goes_on_without_a_pin() {
    let home = Home::new();
    let one = home.one();
    let up = home.connected(&["--on-removal", "grace:30"]);
    let worker = up.worker().expect("a worker");
    home.card.reset_counts();
    for _ in 0..2 {
        let tap = Tap::on(one, "eth0");
        home.card.remove();
        assert_eq!(up.await_state("token_grace")["seconds"], 30);
        let status = one.tokenvpn(&["status", "--json"]).finish();
        assert!(status.stdout.contains("token_grace"), "{status}");
        let still = sent(&tap);
        assert!(!one.pings(SERVER));
        assert_eq!(sent(&tap), still, "something was sent");
        assert_eq!(strangers(&tap), [HOTEL_ADDRESS; 0]);
        assert!(is_alive(worker));

        home.card.insert();
        up.await_state("token_back");
        wait::until_true("packets pass", SOON, || one.pings(SERVER));
        assert_eq!(up.worker(), Some(worker));
    }
    assert_eq!(home.card.counts().pins, 0, "a PIN was tried");
    let status = one.tokenvpn(&["status", "--json"]).ok();
    assert!(status.contains(r#""state":"up""#), "{status}");
    one.tokenvpn(&["down"]).ok();
    assert_eq!(one.network_state(), home.before);
}

#[test]
fn when_its_grace_is_over_the_keys_are_gone() {
    let home = Home::new();
    let one = home.one();
    let up = home.connected(&["--on-removal", "grace:3"]);
    let worker = up.worker().expect("a worker");
    let pulled = now();
    home.card.remove();
    up.await_state("token_grace");
    up.await_state("token_removed");
    assert!(now().since(pulled) >= Duration::from_secs(3));
    assert!(!is_alive(worker));
    assert_eq!(one.network_state(), home.before);
}

#[test]
fn down_ends_a_grace_at_once() {
    let home = Home::new();
    let one = home.one();
    let up = home.connected(&["--on-removal", "grace:60"]);
    let worker = up.worker().expect("a worker");
    home.card.remove();
    up.await_state("token_grace");
    one.tokenvpn(&["down"]).ok();
    assert_eq!(up.process().exit_code(SOON), 0);
    assert!(!is_alive(worker));
    assert_eq!(one.network_state(), home.before);
}

#[test]
fn the_worker_counts_its_grace_by_itself() {
    let home = Home::new();
    let up = home.connected(&["--on-removal", "grace:2"]);
    let worker = up.worker().expect("a worker");
    let supervisor = up.process();
    supervisor.signal(Signal::SIGSTOP);
    wait::until_true("it is stopped", SOON, || {
        state(supervisor.pid()) == Some('T')
    });
    let tap = Tap::on(home.one(), "eth0");
    home.card.remove();
    let removed = now();
    // By itself: nobody else could end it.
    wait::until_true("the worker is gone", SOON, || !is_alive(worker));
    let late = tap
        .datagrams()
        .into_iter()
        .filter(|datagram| datagram.outgoing && datagram.at > removed + Duration::from_secs(1));
    assert_eq!(late.count(), 0);
    supervisor.signal(Signal::SIGCONT);
    up.await_state("token_removed");
    assert_eq!(home.one().network_state(), home.before);
}

#[test]
fn a_grace_that_ran_out_while_the_computer_slept_is_over_before_anything_is_sent() {
    // The token comes back in its sleep, or just before it: only the worker has not seen that.
    for is_seen in [false, true] {
        let home = Home::new();
        let one = home.one();
        let clock = WallClock::new(one);
        let number = PIN_FD.to_string();
        let up = one
            .tokenvpn(&["up", "--json", "--pin-fd", &number])
            .args(["--on-removal", "grace:60"])
            .text_on(PIN_FD, home.card.pin());
        let up = Up::started(one, clock.of(up));
        up.await_state("waiting_token");
        home.card.insert();
        up.await_state("up");
        assert!(one.pings(SERVER));
        let worker = up.worker().expect("a worker");
        home.card.remove();
        up.await_state("token_grace");
        // This packet waits for the tunnel to go on.
        assert!(!one.pings(SERVER));

        let all = [worker, up.process().pid()];
        let sleepers = if is_seen { &all[..1] } else { &all[..] };
        let signal_all = |signal| {
            for &pid in sleepers {
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("it lives");
            }
        };
        signal_all(Signal::SIGSTOP);
        wait::until_true("they are stopped", SOON, || {
            sleepers.iter().all(|&pid| state(pid) == Some('T'))
        });
        home.card.insert();
        if is_seen {
            up.await_state("token_back");
        } else {
            one.await_token(&home.card.ident());
        }
        let tap = Tap::on(one, "eth0");
        clock.set_slept(60);
        signal_all(Signal::SIGCONT);
        let woken = now();
        up.await_state("token_removed");
        assert!(
            now().since(woken) < Duration::from_secs(30),
            "it was counted"
        );
        wait::until_true("the worker is gone", SOON, || !is_alive(worker));
        assert_eq!(sent(&tap), 0, "something was sent");
        let is_back = |event: &Value| event["state"] == "token_back";
        assert_eq!(up.events().iter().any(is_back), is_seen);
    }
}

#[test]
fn another_token_does_not_use_the_grace_of_the_first() {
    let home = Home::new();
    let one = home.one();
    let up = home.connected(&["--on-removal", "grace:6"]);
    let worker = up.worker().expect("a worker");
    let other = Card::new(&home.scene.world, "other");
    other.connect_to(one, Slot::Second);
    home.card.remove();
    up.await_state("token_grace");
    other.insert();
    up.await_state("token_removed");
    assert!(!is_alive(worker));
    let events = up.events();
    assert!(events.iter().all(|event| event["state"] != "token_back"));
    assert_eq!(other.counts().pins, 0);
}

#[test]
fn without_a_grace_the_worker_of_a_token_that_is_back_at_once_is_dead() {
    for policy in ["immediate", "hold"] {
        let home = Home::new();
        let up = home.connected(&["--on-removal", policy]);
        let worker = up.worker().expect("a worker");
        home.card.remove();
        home.card.insert();
        up.await_state("token_removed");
        assert!(!is_alive(worker), "{policy}");
    }
}

#[test]
fn a_policy_that_does_not_exist_is_refused() {
    let home = Home::new();
    for policy in ["grace:0", "grace:61", "grace:x", "never"] {
        let up = home.one().tokenvpn(&["up", "--on-removal", policy]);
        up.finish().expect_code(2);
    }
    let directory = home.one().path("/etc/tokenvpn");
    fs::create_dir_all(&directory).expect("a directory");
    fs::write(directory.join("client.toml"), "on-removal = \"never\"\n").expect("a file");
    let up = home.one().tokenvpn(&["up"]).finish();
    up.expect_error(2, &["client.toml:1:14", "grace:SECONDS"]);
}

#[test]
fn what_was_left_out_since_ipv6_was_off_does_not_leave_in_the_clear_when_it_is_on() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let routes = ["--route", "10.20.0.0/24", "--route", "fd20::/64"];
    let card = scene.issue_with(&gateway, "traveller", &routes);
    let one = &scene.one;
    let switch = |name: &str, off: &str| {
        let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
        one.within(|| fs::write(path, off)).expect("a sysctl");
    };
    switch("all", "1");
    switch("default", "1");
    let before = one.network_state();
    let up = scene.connect(one, &card);
    let tap = Tap::on(one, "eth0");

    // A network with IPv6 is joined.
    switch("eth0", "0");
    one.ip("address add 2001:db8::2/64 dev eth0 nodad");
    one.ip("-6 route add default via 2001:db8::1");
    let leads = |to: &str| {
        let asked = one.run("ip").args(["route", "get", to]).finish();
        asked.status.success()
    };
    assert!(leads("2001:db8:1::1"));
    assert!(!leads("fd20::80"));
    let inside: IpAddr = "fd20::80".parse().unwrap();
    assert!(!one.pings(inside));
    assert!(!targets(&tap).contains(&inside));
    assert!(one.pings(SERVER));

    switch("eth0", "1");
    one.tokenvpn(&["down"]).ok();
    assert_eq!(up.process().exit_code(SOON), 0);
    assert_eq!(one.network_state(), before);
}
