//! Computers whose clocks differ, and a gateway whose clock is set.

#[path = "../common/tests/device/forgery.rs"]
mod forgery;

use std::{
    net::{IpAddr, Ipv4Addr, UdpSocket},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rig::{
    Card, Gateway, Host, Pty, Rearguard, Scene, Speaker, Tap, Up, WallClock, World,
    client::PIN_FD,
    scene::{ENDPOINT, HOTEL_ADDRESS, INNER_NETWORK, SERVER},
    wait::{self, SOON, now, promised},
};
use tokenvpn_common::{clock::UnixTime, io::clock::unix_time, key::PrivateKey};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// The gateway's own address in the tunnel.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// `tokenvpn up` on a computer that goes by this clock.
fn up_by(clock: &WallClock, host: &Host, card: &Card) -> Up {
    let number = PIN_FD.to_string();
    let up = host
        .tokenvpn(&["up", "--json", "--pin-fd", &number])
        .text_on(PIN_FD, card.pin());
    Up::started(host, clock.of(up))
}

fn endpoint(gateway: &Gateway) -> Option<IpAddr> {
    Some(gateway.peer("traveller").endpoint?.ip())
}

/// The initiations that left a host so far.
fn initiations(tap: &Tap) -> Vec<Vec<u8>> {
    let all = tap.datagrams().into_iter();
    let left = all.filter(|d| d.outgoing && d.kind == 1);
    left.map(|d| d.payload).collect()
}

/// Sends them again from elsewhere, as they were and as if from another session, before one whose
/// inner address is `last`. None of them is even answered.
fn send_again(scene: &Scene, gateway: &Gateway, recorded: &[Vec<u8>], last: Ipv4Addr) {
    let socket = scene.router.within(|| UdpSocket::bind("203.0.113.1:0"));
    let socket = socket.expect("a socket");
    let endpoint = ENDPOINT.parse().expect("an endpoint");
    let mut rearguard = Rearguard::new(gateway, 1, endpoint, &socket, last);
    let key = gateway.own_key();
    for initiation in recorded {
        rearguard.send(initiation);
        rearguard.send(&forgery::with_other_index(initiation, &key));
    }
    assert_eq!(rearguard.follow(GATEWAY), 0);
}

#[test]
fn a_token_that_comes_from_a_fast_clock_connects_and_what_it_said_there_means_nothing() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let clock = WallClock::new(&scene.one);
    clock.set_fast(HOUR);
    let tap = Tap::on(&scene.one, "eth0");
    let up = up_by(&clock, &scene.one, &card);
    up.await_state("waiting_token");
    card.insert();
    up.await_state("up");
    assert!(scene.one.pings(SERVER));
    card.remove();
    up.await_state("token_removed");
    let recorded = initiations(&tap);
    assert!(!recorded.is_empty());

    scene.two.start_pcscd();
    card.connect(&scene.two);
    let up = scene.two.up(card.pin(), &[]);
    up.await_state("waiting_token");
    card.insert();
    let start = now();
    up.await_state_within("up", Duration::from_secs(60));
    println!("connected after {:?}", now().since(start));
    assert!(scene.two.pings(SERVER));
    assert_eq!(endpoint(&gateway), Some(HOTEL_ADDRESS));

    let tap = Tap::on(&scene.two, "eth0");
    let stands = || {
        assert_eq!(endpoint(&gateway), Some(HOTEL_ADDRESS));
        assert!(scene.two.pings(SERVER));
        assert_eq!(endpoint(&gateway), Some(HOTEL_ADDRESS));
        assert_eq!(initiations(&tap).len(), 0, "no handshake was needed");
    };
    send_again(&scene, &gateway, &recorded, Ipv4Addr::new(10, 77, 0, 20));
    stands();
    // Also after a restart, as far as what was seen has been written: within a second.
    std::thread::sleep(Duration::from_millis(1_500));
    gateway.kill();
    gateway.start();
    wait::until_true("it has spoken first", SOON, || {
        gateway.peer("traveller").latest_handshake.is_some()
    });
    send_again(&scene, &gateway, &recorded, Ipv4Addr::new(10, 77, 0, 21));
    stands();
    if rig::full_length() {
        // And when the traveller was silent for so long that it could come with another clock.
        let worker = Pid::from_raw(up.worker().expect("it is up"));
        kill(worker, Signal::SIGSTOP).expect("it is stopped");
        std::thread::sleep(Duration::from_secs(40));
        send_again(&scene, &gateway, &recorded, Ipv4Addr::new(10, 77, 0, 22));
        kill(worker, Signal::SIGCONT).expect("it goes on");
        stands();
    }
}

#[test]
fn a_clock_before_the_day_of_issue_is_refused() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    card.insert();
    let clock = WallClock::new(&scene.one);
    let issued = card.profile(&scene.one).issued;
    let slow_until = |time: UnixTime| time.0.cast_signed() - unix_time().0.cast_signed();
    let to_issue_day = slow_until(issued.day_start());
    let to_1970 = slow_until(UnixTime(0));
    for fast in [to_issue_day - HOUR, to_1970, to_1970 - DAY] {
        clock.set_fast(fast);
        let up = up_by(&clock, &scene.one, &card);
        let code = up.process().exit_code(SOON);
        assert_eq!(code, 14, "{}", up.process().report());
        let states = up.events();
        let last = states.last().expect("an event");
        assert_eq!(last["state"], "clock", "{last}");
    }
    assert_eq!(endpoint(&gateway), None, "nothing was sent");
    // A clock that is slow by less, on the day itself, says nothing.
    clock.set_fast(to_issue_day);
    let up = up_by(&clock, &scene.one, &card);
    up.await_state("up");
}

/// A token that expires in an hour, by the clocks that are right.
#[track_caller]
fn for_an_hour(scene: &Scene, gateway: &Gateway) -> Card {
    let expires = UnixTime(unix_time().0 + HOUR as u64).to_string();
    let options = ["--route", INNER_NETWORK, "--expires", &expires];
    scene.issue_with(gateway, "traveller", &options)
}

#[test]
fn a_token_that_expires_during_a_session_ends_it_by_the_computer_s_clock() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = for_an_hour(&scene, &gateway);
    let one = &scene.one;
    let before = one.network_state();
    let clock = WallClock::new(one);
    clock.set_fast(HOUR - 20);
    let up = up_by(&clock, one, &card);
    up.await_state("waiting_token");
    card.insert();
    up.await_state("expires_soon");
    up.await_state("up");
    assert!(one.pings(SERVER));
    let told = up.await_state_within("expired", Duration::from_secs(60));
    assert_eq!(told["code"], 6);
    let what = told["what"].as_str().expect("a text");
    let facts = ["expired on", "by this computer's clock", "no tunnel"];
    assert!(facts.iter().all(|fact| what.contains(fact)), "{what}");
    assert_eq!(up.process().exit_code(SOON), 6);
    assert_eq!(one.network_state(), before);
    assert_eq!(gateway.status().peers.len(), 1, "here it is not over");
}

#[test]
fn a_token_that_expires_while_its_pin_is_asked_opens_nothing() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = for_an_hour(&scene, &gateway);
    let one = &scene.one;
    let before = one.network_state();
    card.insert();
    card.reset_counts();
    let clock = WallClock::new(one);
    let expire_at_prompt = |options: &[&str]| {
        clock.set_fast(0);
        let pty = Pty::open();
        let up = one.tokenvpn(&["up"]).args(options).on(&pty);
        let up = Up::started(one, clock.of(up));
        pty.expect("tries left");
        pty.await_no_echo();
        clock.set_fast(HOUR + 2);
        pty.type_line(card.pin());
        pty.expect("this token expired on");
        pty.expect("there is no tunnel");
        pty.expect("ask your administrator to renew it");
        (pty, up)
    };
    let (_pty, up) = expire_at_prompt(&["--once"]);
    assert_eq!(up.process().exit_code(SOON), 6);
    assert_eq!(card.counts().right_pins, 1);
    assert_eq!(one.network_state(), before);

    // It was the clock: that is noticed when it is set.
    let (pty, _up) = expire_at_prompt(&[]);
    pty.expect("Waiting until that changes");
    clock.set_fast(0);
    one.type_pin(&pty, card.pin());
    pty.expect("Connected as traveller");
}

#[test]
fn access_ends_by_the_gateway_s_clock_and_no_clock_brings_it_back() {
    const TRAVELLER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 10);
    let world = World::new();
    let [traveller, machine] = ["traveller", "gateway"].map(|name| world.host(name));
    world.wire(
        (&traveller, "eth0", "203.0.113.10/24"),
        (&machine, "eth0", "203.0.113.5/24"),
    );
    let clock = WallClock::new(&machine);
    let gateway = Gateway::init(&machine, ENDPOINT, "10.77.0.0/24");
    let start = || gateway.started(clock.of(gateway.command(&["run"])));
    start();
    let key = PrivateKey::generate();
    let public = key.public().to_string();
    let expires = UnixTime(unix_time().0 + DAY as u64).to_string();
    let words = ["add", "traveller", "--public-key", &public];
    gateway
        .command(&words)
        .args(["--address", "10.77.0.10", "--expires", &expires])
        .ok();
    let own = gateway.status().public_key.expect("it has a key");
    let mut speaker = Speaker::new(&traveller, &key, TRAVELLER, ENDPOINT.parse().unwrap(), &own);
    speaker.connect();
    assert!(speaker.pings(GATEWAY));
    // By this clock there is time left, and before it was set back there was more of it.
    for fast in [-DAY, 0, DAY - HOUR] {
        clock.set_fast(fast);
        for _ in 0..20 {
            assert!(speaker.pings(GATEWAY), "by a clock fast by {fast} s");
        }
    }

    clock.set_fast(DAY + 2);
    let set = now();
    let mut last = set;
    while speaker.pings(GATEWAY) {
        last = now();
    }
    let cut = last.since(set);
    assert!(cut < promised(Duration::from_secs(1)), "{cut:?}");
    assert!(gateway.status().peers.is_empty());

    let mut is_out = || {
        let before = speaker.heard.len();
        let initiation = speaker.initiation();
        speaker.send(&initiation);
        assert!(!speaker.pings(GATEWAY));
        assert_eq!(speaker.heard.len(), before, "there is no answer");
        assert!(gateway.status().peers.is_empty());
        let listing = gateway.command(&["identities"]).ok();
        assert!(listing.contains("(over)"), "{listing}");
    };
    for fast in [DAY + 2, 0, -DAY] {
        clock.set_fast(fast);
        is_out();
        gateway.stop();
        start();
        is_out();
    }

    // The administrator knows that the clock was wrong, and says so when it is right.
    let reinstate = gateway.command(&["reinstate", "traveller"]);
    clock.set_fast(DAY + 2);
    reinstate
        .finish()
        .expect_error(1, &["over", "invite traveller"]);
    clock.set_fast(0);
    let recorded = speaker.sent[0].clone();
    gateway.command(&["reinstate", "--all"]).ok();
    // Who is back is who it was: what it said before is not answered again.
    speaker.is_not_answered_again(&recorded);
    assert!(speaker.pings(GATEWAY));
}
