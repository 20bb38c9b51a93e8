//! From a token in a reader to packets behind the gateway, with the real programs.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use rig::{
    Card, Gateway, OldKernel, Process, Pty, Scene, Tap, Up, Web,
    card::Slot,
    client::{PIN_FD, TUNNEL},
    old_kernel::TunOffload,
    pty::CTRL_C,
    scene::{
        ENDPOINT, GREETING, HOME_ADDRESS, HOTEL_ADDRESS, INNER_NETWORK, PAGE, SERVER,
        TUNNEL_NETWORK,
    },
    wait::{self, SOON, now, promised},
    web::pattern,
};

/// Where computer one moves when it moves.
const MOVED_TO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 77));

/// Gives computer one another address in its network.
fn move_one(scene: &Scene) {
    let one = &scene.one;
    one.ip("address del 192.0.2.10/24 dev eth0");
    one.ip(&format!("address add {MOVED_TO}/24 dev eth0"));
    one.ip("route add default via 192.0.2.1");
}

/// Where the gateway sees an identity.
#[track_caller]
fn endpoint(gateway: &Gateway, name: &str) -> Option<IpAddr> {
    gateway.peer(name).endpoint.map(|endpoint| endpoint.ip())
}

#[test]
fn the_token_and_its_pin_are_all_it_takes() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let _web = scene.serve();
    assert_eq!(scene.one.fetch(PAGE), None);

    let pty = Pty::open();
    let up = scene.one.up_on(&pty, &[]);
    pty.expect("Waiting for a token");
    assert!(!scene.one.has_link(TUNNEL));
    card.reset_counts();
    card.insert();
    let prompt = pty.expect("tries left");
    assert!(prompt.contains(&card.ident()), "{prompt}");
    pty.await_no_echo();
    pty.type_line(card.pin());
    let words = pty.expect("Pull the token to disconnect");
    for fact in ["Connected as traveller", "203.0.113.5", INNER_NETWORK] {
        assert!(words.contains(fact), "{fact} is missing: {words}");
    }
    assert_eq!(scene.one.fetch(PAGE).as_deref(), Some(GREETING));
    assert_eq!(card.counts().pins, 1);
    assert!(
        !pty.screen().all().contains(card.pin()),
        "the PIN is on the screen"
    );
    assert_eq!(endpoint(&gateway, "traveller"), Some(HOME_ADDRESS));
    pty.press(CTRL_C);
    assert_eq!(up.process().exit_code(SOON), 0);
}

#[test]
fn the_inner_server_sees_the_address_of_the_invitation() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let _web = scene.serve();
    let up = scene.connect(&scene.one, &card);
    let address = card_address(&up);
    let who = scene.one.fetch(&format!("{PAGE}who"));
    assert_eq!(who, Some(address.to_string()));
    assert!(scene.server.pings(address));
}

/// The tunnel address that `up` reports.
#[track_caller]
fn card_address(up: &Up) -> IpAddr {
    let events = up.events();
    let event = events.iter().rfind(|event| event["state"] == "up");
    let event = event.expect("it is up");
    let address = event["addresses"][0].as_str().expect("an address");
    let (address, _) = address.split_once('/').unwrap_or((address, ""));
    address.parse().expect("an address")
}

/// A download of three seconds at the first computer, of which a third is there.
struct Download {
    bytes: usize,
    curl: Process,
}

impl Download {
    #[track_caller]
    fn of(scene: &Scene, bytes: usize) -> Download {
        let url = format!("{PAGE}slow/{bytes}/3000");
        let curl = scene.one.curl(&url, Duration::from_secs(40)).spawn();
        wait::until_true("a third is here", SOON, || {
            curl.stdout().bytes().len() > bytes / 3
        });
        Download { bytes, curl }
    }

    /// Insists that it is not over yet, and whole in the end.
    #[track_caller]
    fn goes_on_to_its_end(self, within: Duration) {
        let received = self.curl.stdout().bytes().len();
        assert!(received < self.bytes, "it was over too soon");
        assert_eq!(self.curl.exit_code(within), 0);
        let came = self.curl.stdout().bytes();
        assert!(came == pattern(self.bytes), "not what was sent");
    }
}

#[test]
fn a_download_goes_on_while_the_computer_changes_its_address() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let _web = scene.serve();
    let _up = scene.connect(&scene.one, &card);

    let download = Download::of(&scene, 1_000_000);
    assert_eq!(endpoint(&gateway, "traveller"), Some(HOME_ADDRESS));
    move_one(&scene);
    wait::until_true(
        "the gateway follows",
        promised(Duration::from_secs(5)),
        || endpoint(&gateway, "traveller") == Some(MOVED_TO),
    );
    download.goes_on_to_its_end(SOON);
}

#[test]
fn an_idle_client_that_moves_is_followed_without_being_asked() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let up = scene.connect(&scene.one, &card);
    move_one(&scene);
    // Far below the keepalive's 25 s: the change itself is the reason to send.
    wait::until_true(
        "the gateway follows",
        promised(Duration::from_secs(5)),
        || endpoint(&gateway, "traveller") == Some(MOVED_TO),
    );
    up.await_state("roamed");
    assert!(scene.server.pings(card_address(&up)));
}

#[test]
fn the_next_computer_takes_over_at_once() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let _web = scene.serve();
    let first = scene.connect(&scene.one, &card);
    let address = card_address(&first);
    let _one = Web::serve(&scene.one, "0.0.0.0:8080".parse().unwrap(), "one");
    let at_traveller = format!("http://{address}:8080/");
    assert_eq!(scene.server.fetch(&at_traveller).as_deref(), Some("one"));

    scene.two.start_pcscd();
    card.remove();
    first.await_state("token_removed");
    card.connect(&scene.two);
    let second = scene.connect(&scene.two, &card);
    let _two = Web::serve(&scene.two, "0.0.0.0:8080".parse().unwrap(), "two");
    assert_eq!(scene.two.fetch(PAGE).as_deref(), Some(GREETING));
    assert_eq!(card_address(&second), address);
    assert_eq!(endpoint(&gateway, "traveller"), Some(HOTEL_ADDRESS));
    assert_eq!(scene.server.fetch(&at_traveller).as_deref(), Some("two"));
    assert_eq!(scene.one.fetch(PAGE), None);
}

#[test]
fn two_travellers_keep_out_of_each_others_way() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let a = scene.issue(&gateway, "alpha");
    let _web = scene.serve();
    // The second token is issued at the second computer.
    let b = Card::new(&scene.world, "beta");
    scene.two.start_pcscd();
    b.connect(&scene.two);
    b.insert();
    let invitation = gateway.invite("beta", &["--route", INNER_NETWORK]);
    gateway.enrol(&scene.two.issue(&invitation, b.pin()));
    b.remove();

    let at_one = scene.connect(&scene.one, &a);
    let at_two = scene.connect(&scene.two, &b);
    let (first, second) = (card_address(&at_one), card_address(&at_two));
    assert_ne!(first, second);
    let who = format!("{PAGE}who");
    assert_eq!(scene.one.fetch(&who), Some(first.to_string()));
    assert_eq!(scene.two.fetch(&who), Some(second.to_string()));
    b.remove();
    at_two.await_state("token_removed");
    assert_eq!(scene.one.fetch(&who), Some(first.to_string()));
    assert_eq!(scene.two.fetch(&who), None);
}

#[test]
fn of_two_tokens_in_one_computer_the_chosen_one_is_used() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let a = scene.issue(&gateway, "alpha");
    let b = Card::new(&scene.world, "beta");
    b.connect_to(&scene.one, Slot::Second);
    b.insert();
    let invitation = gateway.invite("beta", &["--route", INNER_NETWORK]);
    gateway.enrol(&scene.one.issue(&invitation, b.pin()));
    a.insert();
    wait::until_true("both are seen", SOON, || {
        let list = scene.one.tokenvpn(&["token", "list"]).ok();
        list.contains("alpha") && list.contains("beta")
    });
    b.reset_counts();

    let undecided = scene.one.up(b.pin(), &[]);
    assert_eq!(undecided.process().exit_code(SOON), 2);
    let ident = a.ident();
    let up = scene.one.up(a.pin(), &["--token", &ident]);
    assert_eq!(up.await_state("up")["name"], "alpha");
    assert_eq!(b.counts().pins, 0, "the other token was shown a PIN");
    // The other one does not matter.
    b.remove();
    wait::holds_for("alpha is up", Duration::from_secs(1), || {
        scene.one.has_link(TUNNEL)
    });
    a.remove();
    up.await_state("token_removed");
}

#[test]
fn a_gateway_that_crashed_finds_its_clients_by_itself() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let up = scene.connect(&scene.one, &card);
    let address = card_address(&up);
    wait::until_true("the server reaches the traveller", SOON, || {
        scene.server.pings(address)
    });
    // The last-seen endpoint is what it comes back with, and it is written every second.
    wait::holds_for("the session is up", Duration::from_secs(2), || {
        endpoint(&gateway, "traveller") == Some(HOME_ADDRESS)
    });
    gateway.kill();
    assert!(!scene.server.pings(address));
    gateway.start();
    // The client is idle and its keepalive is 25 s away: the gateway has to speak first.
    wait::until_true(
        "the traveller is back",
        promised(Duration::from_secs(10)),
        || scene.server.pings(address),
    );
    assert!(scene.one.has_link(TUNNEL));
}

#[test]
fn a_download_survives_a_restart_of_the_gateway() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let _web = scene.serve();
    let _up = scene.connect(&scene.one, &card);
    let download = Download::of(&scene, 500_000);
    gateway.stop();
    assert!(!scene.gateway.has_link("tokenvpn-gw"));
    gateway.start();
    download.goes_on_to_its_end(Duration::from_secs(35));
}

#[test]
fn a_client_that_starts_before_its_gateway_connects_when_it_comes() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    gateway.stop();
    let up = scene.one.up(card.pin(), &[]);
    up.await_state("waiting_token");
    card.insert();
    up.await_state("unreachable");
    gateway.start();
    up.await_state_within("up", Duration::from_secs(30));
}

#[test]
fn a_revoked_traveller_is_cut_off_within_a_second() {
    wait::keeps_promise("the session is cut", Duration::from_secs(1), || {
        let scene = Scene::new();
        let gateway = scene.start_gateway();
        let card = scene.issue(&gateway, "traveller");
        let _web = scene.serve();
        let _up = scene.connect(&scene.one, &card);
        assert!(scene.one.pings(SERVER));
        let start = now();
        gateway.command(&["revoke", "traveller"]).ok();
        let cut = now().since(start);
        assert!(!scene.one.pings(SERVER), "the session outlived its key");
        let status = gateway.status();
        assert!(status.peers.is_empty(), "{status:?}");
        cut
    });
}

#[test]
fn events_and_status_have_the_fields_that_scripts_read() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let status = |code: i32| {
        let shown = scene.one.tokenvpn(&["status", "--json"]).finish();
        let shown = shown.expect_code(code).stdout;
        serde_json::from_str::<serde_json::Value>(&shown).expect("JSON")
    };
    status(3);
    let up = scene.one.up(card.pin(), &[]);
    up.await_state("waiting_token");
    status(3);
    card.insert();
    let connecting = up.await_state("connecting");
    assert_eq!(connecting["endpoint"], ENDPOINT);
    let event = up.await_state("up");
    assert_eq!(event["name"], "traveller");
    let events = up.events();
    let waiting = events
        .iter()
        .filter(|event| event["state"] == "waiting_token");
    assert_eq!(waiting.count(), 1, "{events:?}");
    let routes = event["routes"].as_array().expect("a list");
    assert!(routes.contains(&INNER_NETWORK.into()), "{event}");

    assert!(scene.one.pings(SERVER));
    for shown in [
        status(0),
        serde_json::from_str(&gateway.command(&["status", "--json"]).ok()).expect("JSON"),
    ] {
        assert_eq!(shown["schema"], 1);
        let peer = &shown["peers"][0];
        for field in [
            "name",
            "public_key",
            "endpoint",
            "latest_handshake",
            "rx_bytes",
            "tx_bytes",
            "allowed_ips",
        ] {
            assert!(!peer[field].is_null(), "{field} is missing: {shown}");
        }
        assert!(peer["rx_bytes"].as_u64() > Some(0) && peer["tx_bytes"].as_u64() > Some(0));
        let ago = unix_seconds() - peer["latest_handshake"].as_u64().expect("a time");
        assert!(ago < 60, "{shown}");
    }
    let people = scene.one.tokenvpn(&["status"]).ok();
    assert!(people.contains("203.0.113.5"), "{people}");

    scene.one.tokenvpn(&["down"]).ok();
    assert_eq!(up.process().exit_code(SOON), 0);
    status(3);
}

fn unix_seconds() -> u64 {
    tokenvpn_common::io::clock::unix_time().0
}

#[test]
fn down_leaves_the_computer_as_it_was() {
    let scene = Scene::new();
    let gateway = Gateway::init(&scene.gateway, ENDPOINT, TUNNEL_NETWORK);
    gateway.start();
    // Everything that can be put in is put in: a resolver, and all routes.
    let options = ["--route", "0.0.0.0/0", "--dns", "10.20.0.80"];
    let card = scene.issue_with(&gateway, "traveller", &options);
    let _web = scene.serve();

    let before = scene.one.network_state();
    let up = scene.connect(&scene.one, &card);
    let resolver = fs::read_to_string(scene.one.path("/etc/resolv.conf")).unwrap();
    assert!(resolver.contains("nameserver 10.20.0.80"), "{resolver}");
    assert!(!resolver.contains("127.0.0.1"), "{resolver}");
    // The outer datagrams still find their way past the default route into the tunnel.
    assert_eq!(scene.one.fetch(PAGE).as_deref(), Some(GREETING));
    let tap = Tap::on(&scene.one, "eth0");
    assert!(scene.one.pings([203, 0, 113, 5].into()));
    let tunnelled = tap.datagrams().iter().any(|one| one.carries_packet());
    assert!(tunnelled, "a packet to the gateway's own address went past");
    assert_ne!(scene.one.network_state(), before);

    scene.one.tokenvpn(&["down"]).ok();
    assert_eq!(up.process().exit_code(SOON), 0);
    assert_eq!(scene.one.network_state(), before);
    assert_eq!(scene.one.runtime_files(), [""; 0]);
}

#[test]
fn tunnel_and_gateway_may_both_speak_ipv6() {
    let scene = Scene::new();
    scene.add_ipv6();
    let Scene {
        one,
        gateway,
        server,
        ..
    } = &scene;

    let endpoint = "[2001:db8:3::5]:51820";
    let running = Gateway::init(gateway, endpoint, "10.77.0.0/24,fd77::/64");
    running.start();
    let options = ["--route", INNER_NETWORK, "--route", "fd20::/64"];
    let card = scene.issue_with(&running, "traveller", &options);
    let before = one.network_state();
    let listen: SocketAddr = "[::]:80".parse().unwrap();
    let _web = Web::serve(server, listen, GREETING);
    let up = scene.connect(one, &card);
    assert_eq!(one.fetch("http://[fd20::80]/").as_deref(), Some(GREETING));
    assert_eq!(one.fetch(PAGE).as_deref(), Some(GREETING));
    assert!(
        running
            .peer("traveller")
            .endpoint
            .is_some_and(|at| at.is_ipv6())
    );
    card.remove();
    up.await_state("token_removed");
    assert_eq!(one.network_state(), before);
}

#[test]
fn a_gateway_with_a_name_is_looked_up() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let options = ["--route", INNER_NETWORK, "--endpoint", "vpn.example:51820"];
    let card = scene.issue_with(&gateway, "traveller", &options);
    let hosts = scene.one.path("/etc/hosts");
    fs::write(hosts, "127.0.0.1 localhost\n203.0.113.5 vpn.example\n").unwrap();
    let up = scene.connect(&scene.one, &card);
    assert!(scene.one.pings(SERVER));
    drop(up);
}

#[test]
fn the_second_of_two_endpoints_is_used_when_the_first_is_silent() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let options = [
        ["--route", INNER_NETWORK],
        // Nobody listens there.
        ["--endpoint", "203.0.113.1:9"],
        ["--endpoint", ENDPOINT],
    ];
    let card = scene.issue_with(&gateway, "traveller", &options.concat());
    let up = scene.one.up(card.pin(), &[]);
    up.await_state("waiting_token");
    card.insert();
    let event = up.await_state_within("up", Duration::from_secs(30));
    assert_eq!(event["endpoint"], ENDPOINT);
    assert!(scene.one.pings(SERVER));
}

/// Both programs on kernels that lack the offloads, and what each has to say of that.
fn goes_without(offload: TunOffload, of_the_tun: &str) {
    let scene = Scene::new();
    let gateway = Gateway::init(&scene.gateway, ENDPOINT, TUNNEL_NETWORK);
    let kernel = OldKernel::new(&scene.gateway, offload);
    let server = gateway.started(kernel.of(gateway.command(&["run"])));
    let card = scene.issue(&gateway, "traveller");
    let _web = scene.serve();
    let number = PIN_FD.to_string();
    let words = ["up", "--json", "--pin-fd", &number];
    let up = scene.one.tokenvpn(&words).text_on(PIN_FD, card.pin());
    let kernel = OldKernel::new(&scene.one, offload);
    card.insert();
    let up = Up::started(&scene.one, kernel.of(up));
    up.await_state("up");

    const BYTES: usize = 3_000_000;
    let curl = scene
        .one
        .curl(&format!("{PAGE}slow/{BYTES}/0"), SOON)
        .spawn();
    assert_eq!(curl.exit_code(SOON), 0);
    assert!(curl.stdout().bytes() == pattern(BYTES), "not what was sent");
    for process in [&server, up.process()] {
        let log = String::from_utf8_lossy(&process.stderr().whole()).into_owned();
        let lines = |what: &str| log.lines().filter(|line| line.contains(what)).count();
        for what in ["the kernel offers no UDP", "the kernel offers no TUN"] {
            assert_eq!(lines(what), 1, "{what}: {log}");
        }
        assert_eq!(lines(of_the_tun), 1, "{of_the_tun}: {log}");
    }
}

#[test]
fn without_any_offload_packets_pass_one_by_one_and_a_line_says_so() {
    goes_without(TunOffload::Nothing, "no TUN offload; one packet a call");
}

#[test]
fn without_the_offload_of_udp_the_rest_is_used_and_a_line_says_so() {
    goes_without(
        TunOffload::Tcp,
        "no TUN offload of UDP; one datagram a call",
    );
}
