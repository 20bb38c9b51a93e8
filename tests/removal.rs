//! What is left when the token is pulled: nothing, within a second, whatever else has happened.

use std::{
    iter,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use nix::sys::signal::Signal;
use rig::{
    Card, Gateway, Pty, Quarry, Scene, Tap, Up,
    card::{GET_DATA, PIN, Slot, VERIFY},
    client::TUNNEL,
    memory::{hunt, hunt_all},
    process::{is_alive, state},
    programs,
    scene::{ENDPOINT, GREETING, INNER_NETWORK, PAGE, SERVER, TUNNEL_NETWORK},
    wait::{self, Now, SOON, now},
};

const A_SECOND: Duration = Duration::from_secs(1);

/// A scene with a session, and what the network was before.
struct Session {
    card: Card,
    up: Up,
    worker: i32,
    before: String,
    scene: Scene,
}

impl Session {
    #[track_caller]
    fn new() -> Session {
        Session::with(&["--route", INNER_NETWORK], &[])
    }

    /// A session with these options of `invite` and of `up`.
    #[track_caller]
    fn with(invite: &[&str], options: &[&str]) -> Session {
        let scene = Scene::new();
        let gateway = Gateway::init(&scene.gateway, ENDPOINT, TUNNEL_NETWORK);
        gateway.start();
        let card = scene.issue_with(&gateway, "traveller", invite);
        let before = scene.one.network_state();
        let up = scene.one.up(card.pin(), options);
        up.await_state("waiting_token");
        card.insert();
        up.await_state("up");
        let worker = up.worker().expect("a worker holds the session");
        assert!(scene.one.pings(SERVER));
        Session {
            card,
            up,
            worker,
            before,
            scene,
        }
    }

    /// Pulls the card; returns when that was.
    #[track_caller]
    fn pull(&self) -> Now {
        let pulled = now();
        self.card.remove();
        pulled
    }

    /// Waits until the worker, the tunnel and all traces in the network are gone; gives how
    /// long the first two were still there.
    #[track_caller]
    fn gone_since(&self, pulled: Now) -> Duration {
        let one = &self.scene.one;
        wait::until_true("the worker is gone", SOON, || !is_alive(self.worker));
        wait::until_true("the tunnel is gone", SOON, || !one.has_link(TUNNEL));
        let gone = now().since(pulled);
        wait::until_true("the network is as it was", SOON, || {
            one.network_state() == self.before
        });
        assert!(!one.pings(SERVER));
        gone
    }
}

#[test]
fn a_pull_leaves_the_computer_as_it_was_within_a_second() {
    wait::keeps_promise("worker and tunnel are gone", A_SECOND, || {
        let session = Session::with(&["--route", "0.0.0.0/0", "--dns", "10.20.0.80"], &[]);
        let pulled = session.pull();
        let gone = session.gone_since(pulled);
        let event = session.up.await_state("token_removed");
        let told = event["seconds"].as_f64().map(Duration::from_secs_f64);
        // It waits for the next token.
        assert!(session.up.process().is_running());
        assert_eq!(session.up.pids(), [session.up.process().pid()]);
        gone.max(told.expect("the event says how long it took"))
    });
}

#[test]
fn the_key_is_in_the_worker_alone_and_after_a_pull_nowhere() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    card.insert();
    let profile = card.profile(&scene.one);
    card.remove();
    let key = Quarry::key("private key", profile.private_key.expose());
    let psk = profile.gateways[0].preshared_key.as_ref();
    let psk = Quarry::key(
        "preshared key",
        psk.expect("the gateway gives everybody one").expose(),
    );

    let up = scene.connect(&scene.one, &card);
    assert!(scene.one.pings(SERVER));
    let worker = up.worker().expect("a worker");
    for secret in [&key, &psk] {
        let found = hunt(worker, secret);
        assert!(!found.sightings.is_empty(), "the scan is blind");
        let supervisor = hunt(up.process().pid(), secret);
        assert!(supervisor.bytes > 1 << 16);
        assert!(
            supervisor.sightings.is_empty(),
            "{:?}",
            supervisor.sightings
        );
    }
    let of_gateway = scene.gateway.processes_of(&programs::gateway());
    let at_gateway = hunt_all(of_gateway, &key);
    assert!(at_gateway.bytes > 1 << 16);
    assert!(
        at_gateway.sightings.is_empty(),
        "{:?}",
        at_gateway.sightings
    );

    card.remove();
    up.await_state("token_removed");
    for secret in [&key, &psk] {
        let after = hunt_all(up.pids(), secret);
        assert!(after.bytes > 1 << 16);
        assert!(after.sightings.is_empty(), "{:?}", after.sightings);
    }
}

#[test]
fn no_datagram_leaves_once_the_removal_is_told() {
    let session = Session::new();
    let one = &session.scene.one;
    let tap = Tap::on(one, "eth0");
    let address = SERVER.to_string();
    let stream = one.run("ping").args(["-n", "-q", "-i", "0.01", &address]);
    let _stream = stream.spawn();
    wait::until_true("the stream flows", SOON, || {
        tap.datagrams()
            .iter()
            .filter(|one| one.carries_packet())
            .count()
            > 50
    });
    session.pull();
    session.up.await_state("token_removed");
    let told = now();
    let quiet = told + 2 * A_SECOND;
    wait::until_true("two seconds have passed", SOON, || now() >= quiet);
    let late = tap
        .datagrams()
        .into_iter()
        .filter(|one| one.outgoing && one.at > told)
        .count();
    assert_eq!(late, 0);
}

/// The supervisor keeps a copy of the TUN's descriptor, so while it is stopped the device and its
/// routes outlive the worker: a dead end, which lets nothing out into the clear either.
#[test]
fn a_pull_is_seen_while_the_supervisor_is_stopped() {
    let session = Session::new();
    let one = &session.scene.one;
    let supervisor = session.up.process();
    let tap = Tap::on(one, "eth0");
    let target = SocketAddr::new(SERVER, 4000);
    let server = session.scene.server.within(|| UdpSocket::bind(target));
    let server = server.expect("a socket at the server");
    server.set_nonblocking(true).expect("it need not wait");
    let client = one.within(|| UdpSocket::bind("0.0.0.0:0"));
    let client = client.expect("a socket at the computer");
    let arrivals = || {
        let mut datagram = [0; 16];
        let next = iter::from_fn(|| {
            server
                .recv(&mut datagram)
                .ok()
                .map(|len| datagram[..len].to_vec())
        });
        next.collect::<Vec<_>>()
    };
    wait::until_true("the stream flows", SOON, || {
        client.send_to(b"early", target).expect("the tunnel is up");
        !arrivals().is_empty()
    });

    supervisor.signal(Signal::SIGSTOP);
    wait::until_true("it is stopped", SOON, || {
        state(supervisor.pid()) == Some('T')
    });
    session.pull();
    wait::until_true("the worker is gone", SOON, || !is_alive(session.worker));
    let gone = now();
    let quiet = gone + 2 * A_SECOND;
    wait::until_true("two seconds have passed", SOON, || {
        // Into the dead end it may go, or be refused.
        let _ = client.send_to(b"late", target);
        now() >= quiet
    });
    let late = tap
        .datagrams()
        .into_iter()
        .filter(|one| one.outgoing && one.at > gone)
        .count();
    assert_eq!(late, 0);
    assert!(!arrivals().contains(&b"late".to_vec()));
    assert!(one.has_link(TUNNEL) && !one.pings(SERVER));

    supervisor.signal(Signal::SIGCONT);
    wait::until_true("link and routes are gone", SOON, || {
        !one.has_link(TUNNEL) && !one.ip("route show table all").contains(INNER_NETWORK)
    });
    session.up.await_state("token_removed");
    assert_eq!(one.network_state(), session.before);
}

#[test]
fn a_pull_is_seen_while_the_worker_is_stopped() {
    let session = Session::new();
    let pid = nix::unistd::Pid::from_raw(session.worker);
    nix::sys::signal::kill(pid, Signal::SIGSTOP).unwrap();
    wait::until_true("it is stopped", SOON, || state(session.worker) == Some('T'));
    let pulled = session.pull();
    session.gone_since(pulled);
    session.up.await_state("token_removed");
}

#[test]
fn the_death_of_pcscd_counts_as_a_removal() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let before = scene.one.network_state();
    let up = scene.connect(&scene.one, &card);
    let worker = up.worker().expect("a worker");
    scene.one.kill_pcscd();
    wait::until_true("the worker is gone", SOON, || !is_alive(worker));
    wait::until_true("the network is as it was", SOON, || {
        scene.one.network_state() == before
    });
}

#[test]
fn a_pcscd_that_is_restarted_while_the_tunnel_is_up_costs_a_pin_and_no_more() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let before = scene.one.network_state();
    let pty = Pty::open();
    let up = scene.one.up_on(&pty, &[]);
    scene.one.connect_on(&pty, &card);
    let worker = up.worker().expect("a worker");

    scene.one.kill_pcscd();
    pty.expect("The smart-card service broke off");
    pty.expect("Keys erased, tunnel down");
    pty.expect("Waiting for the smart-card service");
    assert!(!is_alive(worker));
    assert_eq!(scene.one.network_state(), before);
    scene.one.start_pcscd();
    // Its reader is a new one to the card.
    card.connect(&scene.one);
    card.insert();
    scene.one.type_pin(&pty, card.pin());
    pty.expect("Connected as traveller");
    assert!(scene.one.pings(SERVER));
}

#[test]
fn a_pcscd_that_hangs_counts_as_a_removal_and_holds_up_no_end() {
    let session = Session::new();
    let pcscd = session.scene.one.processes_named("pcscd")[0];
    let pcscd = nix::unistd::Pid::from_raw(pcscd);
    nix::sys::signal::kill(pcscd, Signal::SIGSTOP).unwrap();
    wait::until_true("the worker is gone", SOON, || !is_alive(session.worker));
    let removed = session.up.await_state("token_removed");
    assert_eq!(removed["reason"], "service_lost");
    assert_eq!(session.scene.one.network_state(), session.before);
    // By now it is waiting for an answer of the service.
    std::thread::sleep(2 * A_SECOND);
    session.up.process().signal(Signal::SIGTERM);
    assert_eq!(session.up.process().exit_code(SOON), 0);
}

#[test]
fn a_sigterm_for_the_worker_too_is_the_supervisor_s_to_obey() {
    let session = Session::new();
    let worker = nix::unistd::Pid::from_raw(session.worker);
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        nix::sys::signal::kill(worker, signal).unwrap();
    }
    assert!(session.scene.one.pings(SERVER));
    assert!(is_alive(session.worker));
    session.up.process().signal(Signal::SIGTERM);
    assert_eq!(session.up.process().exit_code(SOON), 0);
    assert_eq!(session.scene.one.network_state(), session.before);
}

#[test]
fn the_death_of_the_worker_takes_the_tunnel_down() {
    let session = Session::with(&["--route", "0.0.0.0/0", "--dns", "10.20.0.80"], &[]);
    let pid = nix::unistd::Pid::from_raw(session.worker);
    nix::sys::signal::kill(pid, Signal::SIGKILL).unwrap();
    let killed = now();
    session.gone_since(killed);
}

#[test]
fn the_death_of_the_supervisor_takes_the_worker_along_and_down_puts_the_rest_back() {
    let session = Session::with(&["--route", "0.0.0.0/0", "--dns", "10.20.0.80"], &[]);
    let one = &session.scene.one;
    session.up.process().kill();
    wait::until_true("the worker is gone", SOON, || !is_alive(session.worker));
    wait::until_true("the tunnel is gone", SOON, || !one.has_link(TUNNEL));
    one.tokenvpn(&["down"]).ok();
    assert_eq!(one.network_state(), session.before);
}

#[test]
fn the_next_up_puts_back_what_a_killed_one_left() {
    let session = Session::with(&["--route", "0.0.0.0/0", "--dns", "10.20.0.80"], &[]);
    let one = &session.scene.one;
    session.up.process().kill();
    wait::until_true("the worker is gone", SOON, || !is_alive(session.worker));
    session.card.remove();
    let up = one.up(PIN, &[]);
    up.await_state("waiting_token");
    assert_eq!(one.network_state(), session.before);
    session.card.insert();
    up.await_state("up");
    assert!(one.pings(SERVER));
    one.tokenvpn(&["down"]).ok();
    assert_eq!(one.network_state(), session.before);
}

#[test]
fn the_same_token_may_come_back() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let _web = scene.serve();
    let before = scene.one.network_state();
    let pty = Pty::open();
    let up = scene.one.up_on(&pty, &[]);
    for _ in 0..3 {
        scene.one.connect_on(&pty, &card);
        assert_eq!(scene.one.fetch(PAGE).as_deref(), Some(GREETING));
        card.remove();
        pty.expect("Token removed");
        assert_eq!(scene.one.network_state(), before);
    }
    assert!(up.process().is_running());
}

#[test]
fn with_once_a_pull_ends_it() {
    let session = Session::with(&["--route", INNER_NETWORK], &["--once"]);
    session.pull();
    assert_eq!(session.up.process().exit_code(SOON), 10);
    assert_eq!(session.scene.one.network_state(), session.before);
    assert!(session.up.pids().is_empty());
}

#[test]
fn a_token_that_is_back_before_anybody_could_see_it_gone_was_removed_all_the_same() {
    let session = Session::new();
    session.card.remove();
    session.card.insert();
    session.up.await_state("token_removed");
    wait::until_true("the worker is gone", SOON, || !is_alive(session.worker));
}

#[test]
fn another_card_in_another_slot_does_not_matter() {
    let session = Session::new();
    let one = &session.scene.one;
    let other = Card::new(&session.scene.world, "other");
    other.connect_to(one, Slot::Second);
    for act in [Card::insert, Card::remove] {
        act(&other);
        wait::holds_for("the session is up", 2 * A_SECOND, || {
            is_alive(session.worker) && one.has_link(TUNNEL)
        });
    }
    assert!(one.pings(SERVER));
    assert_eq!(other.counts().pins, 0);
}

#[test]
fn a_token_pulled_while_it_is_being_read_opens_nothing() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let before = scene.one.network_state();
    // At the PIN, and at each of the reads behind it.
    for (instruction, nth) in [(VERIFY, 1), (GET_DATA, 2), (GET_DATA, 4), (GET_DATA, 6)] {
        let up = scene.one.up(card.pin(), &["--once"]);
        up.await_state("waiting_token");
        card.remove_at(instruction, nth);
        card.insert();
        wait::until_true("it is pulled out", SOON, || !card.is_inserted());
        // If nobody had decided yet that this was the token, it is waited for again.
        let ended = wait::poll(Duration::from_secs(2), || up.process().status());
        if ended.is_none() {
            // It may end by itself just now.
            scene.one.tokenvpn(&["down"]).finish();
        }
        let code = up.process().exit_code(SOON);
        let told = up.events().iter().any(|e| e["state"] == "token_removed");
        assert!(
            code == if told { 10 } else { 0 },
            "{instruction:#x} {nth}: exit code {code}\n{}",
            up.process().report()
        );
        assert_eq!(scene.one.network_state(), before);
        assert!(up.pids().is_empty());
        assert!(!up.events().iter().any(|event| event["state"] == "up"));
    }
}
