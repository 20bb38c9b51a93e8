//! The shipped units, under a real systemd.

use std::{collections::HashMap, fs, path::Path, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rig::{
    Card, Gateway, Host, Process, Pty, Scene, ServiceManager, Tap,
    card::Slot,
    client::TUNNEL,
    process::{raw_line, threads},
    scene::{ENDPOINT, HOTEL_ADDRESS, INNER_NETWORK, SERVER, TUNNEL_NETWORK},
    wait::{self, SOON, promised},
};

const GATEWAY: &str = "tokenvpn-gateway.service";
const CLIENT: &str = "tokenvpn.service";

/// Insists that no service has panicked or said anything raw.
#[track_caller]
fn assert_said_well(manager: &ServiceManager) -> String {
    let said = manager.said();
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(raw_line(&said), None);
    said
}

/// Kills the main process of a unit, as the kernel does when memory is short.
#[track_caller]
fn kill_main(manager: &ServiceManager, unit: &str) -> i32 {
    let pid = manager.main_process(unit).expect("it runs");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it runs");
    pid
}

#[test]
fn the_gateway_s_unit_lets_it_serve_reload_and_come_back_with_no_power_but_its_own() {
    let scene = Scene::new();
    let host = &scene.gateway;
    let gateway = Gateway::init(host, ENDPOINT, TUNNEL_NETWORK);
    let card = scene.issue(&gateway, "traveller");
    let manager = ServiceManager::boot(host, &[GATEWAY]);
    let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib");
    host.run("systemd-sysusers")
        .arg(contrib.join("systemd/tokenvpn-gateway.sysusers"))
        .ok();
    // What systemd itself puts on whoever it starts like that.
    let shipped = fs::read_to_string(contrib.join("systemd").join(GATEWAY)).expect("the unit");
    let is_start = |line: &&str| !line.starts_with("Exec");
    let settings: Vec<&str> = shipped.lines().filter(is_start).collect();
    let settings = settings
        .join("\n")
        .replace("[Service]", "[Service]\nExecStart=/bin/sleep 1000");
    manager.add("sleeper.service", &settings);
    manager.control(&["start", "sleeper.service"]).ok();
    let sleeper = manager.main_process("sleeper.service").expect("it runs");
    let filters = |thread: &HashMap<String, String>| -> u32 {
        let filters = &thread["Seccomp_filters"];
        filters.parse().expect("a number")
    };
    let without_its_own = filters(&threads(sleeper)[0]);
    manager.control(&["stop", "sleeper.service"]).ok();

    manager.control(&["start", GATEWAY]).ok();
    wait::until("the gateway answers", SOON, || gateway.look());

    // A user of its own, and nothing else of what it was given to begin with.
    let pid = manager.main_process(GATEWAY).expect("it runs");
    let user = host.run("id").args(["-u", "tokenvpn"]).ok();
    assert_ne!(user.trim(), "0");
    for thread in threads(pid) {
        let name = &thread["Name"];
        assert!(thread["Uid"].starts_with(&format!("{}\t", user.trim())));
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(thread[set], "0000000000000000", "{set} of {name}");
        }
        assert_eq!(thread["NoNewPrivs"], "1", "{name}");
        assert!(filters(&thread) > without_its_own, "{name}");
    }

    let up = scene.connect(&scene.one, &card);
    assert!(scene.one.pings(SERVER));

    // What a reload brings is there, and whoever is connected does not notice.
    gateway.configure("keepalive = 25", "keepalive = 15");
    manager.control(&["reload", GATEWAY]).ok();
    assert!(gateway.invite("phone", &[]).contains("keepalive = 15"));
    gateway.configure("mtu = 1420", "mtu = 1400");
    assert!(
        !manager
            .control(&["reload", GATEWAY])
            .finish()
            .status
            .success()
    );
    gateway.configure("mtu = 1400", "mtu = 1420");
    assert_eq!(manager.main_process(GATEWAY), Some(pid));
    assert!(scene.one.pings(SERVER));

    // It comes back by itself, and so does the session.
    kill_main(&manager, GATEWAY);
    wait::until_true("another one runs", SOON, || {
        manager.main_process(GATEWAY).is_some_and(|new| new != pid) && gateway.look().is_some()
    });
    // Perhaps it was killed before it wrote down where it heard from whom: then the client asks.
    let soon = promised(Duration::from_secs(6));
    wait::until_true("the session is back", soon, || scene.one.pings(SERVER));

    // With a configuration that is wrong it would not help to try again.
    gateway.configure("mtu = 1420", "mtu = 99");
    manager.control(&["restart", GATEWAY]).finish();
    wait::until_true("it has failed", SOON, || {
        manager.show(GATEWAY, "ActiveState") == "failed"
    });
    assert_eq!(manager.show(GATEWAY, "ExecMainStatus"), "2");
    gateway.configure("mtu = 99", "mtu = 1420");
    manager.control(&["start", GATEWAY]).ok();
    wait::until_true("the session is back", SOON, || scene.one.pings(SERVER));
    manager.control(&["stop", GATEWAY]).ok();
    assert_eq!(manager.show(GATEWAY, "Result"), "success");
    let said = assert_said_well(&manager);
    assert!(said.contains("Listening"), "{said}");
    up.process().signal(Signal::SIGTERM);
    up.process().wait(SOON);
}

/// A computer with the client's unit, which is not started, and a token beside its reader.
struct Computer {
    manager: ServiceManager,
    card: Card,
    _gateway: Gateway,
    scene: Scene,
}

impl Computer {
    #[track_caller]
    fn new() -> Computer {
        let scene = Scene::new();
        let gateway = scene.start_gateway();
        let options = ["--route", INNER_NETWORK, "--dns", &SERVER.to_string()];
        let card = scene.issue_with(&gateway, "traveller", &options);
        let manager = ServiceManager::boot(&scene.one, &[CLIENT]);
        card.connect(&scene.one);
        fs::create_dir_all(scene.one.path("/etc/tokenvpn")).expect("a directory");
        Computer {
            manager,
            card,
            _gateway: gateway,
            scene,
        }
    }

    fn host(&self) -> &Host {
        &self.scene.one
    }

    /// Writes the client's configuration.
    #[track_caller]
    fn configure(&self, text: &str) {
        let file = self.host().path("/etc/tokenvpn/client.toml");
        fs::write(file, text).expect("a file");
    }

    /// Keeps a PIN for the unit, as its own lines advise.
    #[track_caller]
    fn keep_pin(&self, pin: &str) {
        let words = [
            "--with-key=host",
            "--name=pin",
            "encrypt",
            "-",
            "/etc/tokenvpn/pin.cred",
        ];
        let encrypted = self.host().run("systemd-creds").args(words).stdin(pin);
        encrypted.ok();
        self.manager.amend(
            CLIENT,
            "[Service]\nLoadCredentialEncrypted=pin:/etc/tokenvpn/pin.cred\n",
        );
    }

    #[track_caller]
    fn control(&self, words: &[&str]) {
        self.manager.control(words).ok();
    }

    /// The unit's process by its number outside, if it runs.
    #[track_caller]
    fn main_process(&self) -> Option<i32> {
        self.manager.main_process(CLIENT)
    }

    #[track_caller]
    fn carries(&self) {
        let carries = || self.host().pings(SERVER);
        wait::until_true("the tunnel carries", 2 * SOON, carries);
    }

    #[track_caller]
    fn has_failed(&self, code: &str) {
        wait::until_true("it has failed", SOON, || {
            self.manager.show(CLIENT, "ActiveState") == "failed"
        });
        assert_eq!(self.manager.show(CLIENT, "ExecMainStatus"), code);
    }
}

/// Somebody at a computer who never stops trying to get out, past the tunnel.
struct Restless {
    tap: Tap,
    _ping: Process,
}

impl Restless {
    #[track_caller]
    fn at(host: &Host) -> Restless {
        let ping = host.run("ping").args(["-n", "-i", "0.02"]);
        let restless = Restless {
            tap: Tap::on(host, "eth0"),
            _ping: ping.arg(HOTEL_ADDRESS.to_string()).spawn(),
        };
        wait::until_true("the way is open", SOON, || restless.got_out() > 0);
        restless
    }

    /// How often it got out so far.
    fn got_out(&self) -> usize {
        let packets = self.tap.clear_packets().into_iter();
        let out = packets.filter(|packet| packet.outgoing && packet.destination == HOTEL_ADDRESS);
        out.count()
    }
}

#[test]
fn the_client_s_unit_connects_follows_its_token_and_never_tries_a_wrong_pin_again() {
    let computer = Computer::new();
    let (host, card) = (computer.host(), &computer.card);
    let before = host.network_state();
    computer.keep_pin(card.pin());
    computer.control(&["start", CLIENT]);
    card.insert();
    computer.carries();

    let supervisor = computer.main_process().expect("it runs");
    for thread in threads(supervisor) {
        assert_eq!(thread["NoNewPrivs"], "1");
    }
    // For everybody on this computer, and whoever has managed that file so far changes nothing.
    let shell = |words: &str| computer.manager.run("sh").args(["-c", words]);
    let resolver = shell("cat /etc/resolv.conf").ok();
    assert!(
        resolver.contains(&format!("nameserver {SERVER}\n")),
        "{resolver}"
    );
    let written = shell("echo nameserver 192.0.2.1 >/etc/resolv.conf").finish();
    assert!(written.stderr.contains("Read-only"), "{written}");
    card.remove();
    wait::until_true("all is gone", SOON, || !host.has_link(TUNNEL));
    assert_eq!(computer.main_process(), Some(supervisor));
    card.insert();
    computer.carries();

    // Its end takes the keys and the tunnel, and systemd brings another.
    kill_main(&computer.manager, CLIENT);
    wait::until_true("the tunnel is back", 2 * SOON, || {
        computer.main_process().is_some_and(|new| new != supervisor) && host.pings(SERVER)
    });
    computer.control(&["stop", CLIENT]);
    assert_eq!(computer.manager.show(CLIENT, "Result"), "success");
    assert_eq!(host.network_state(), before);

    computer.keep_pin("654321");
    let tried = card.counts().pins;
    computer.control(&["start", CLIENT]);
    computer.has_failed("4");
    assert_eq!(card.counts().pins, tried + 1);
    let said = assert_said_well(&computer.manager);
    assert!(said.contains("error: "), "{said}");
    assert!(said.contains("whatever token comes"), "{said}");
}

#[test]
fn with_its_token_named_the_client_s_unit_neither_tries_its_pin_on_a_stranger_s_nor_ends() {
    let computer = Computer::new();
    let (host, card) = (computer.host(), &computer.card);
    computer.configure(&format!("token = \"{}\"\n", card.ident()));
    computer.keep_pin(card.pin());
    let stranger = Card::new(&computer.scene.world, "stranger");
    stranger.connect_to(host, Slot::Second);
    computer.control(&["start", CLIENT]);
    let supervisor = computer.main_process();
    stranger.insert();
    host.await_token(&stranger.ident());
    card.insert();
    computer.carries();
    assert_eq!(stranger.counts().pins, 0);
    assert_eq!(computer.main_process(), supervisor);
    computer.control(&["stop", CLIENT]);
    let said = assert_said_well(&computer.manager);
    assert!(!said.contains("whatever token comes"), "{said}");
}

#[test]
fn the_client_s_unit_has_systemd_ask_for_the_pin() {
    let computer = Computer::new();
    let card = &computer.card;
    computer.control(&["start", CLIENT]);
    card.insert();
    let questions = computer.host().path("/run/systemd/ask-password");
    let is_asked = || {
        let mut asked = questions.read_dir().into_iter().flatten().flatten();
        asked.any(|entry| entry.file_name().to_string_lossy().starts_with("ask."))
    };
    wait::until_true("systemd asks", SOON, is_asked);
    // Whoever stops it then has not refused to give a PIN.
    computer.control(&["stop", CLIENT]);
    assert_eq!(computer.manager.show(CLIENT, "Result"), "success");
    assert!(!is_asked());
    computer.control(&["start", CLIENT]);
    wait::until_true("systemd asks", SOON, is_asked);
    let pty = Pty::open();
    let agent = computer.manager.run("systemd-tty-ask-password-agent");
    let agent = agent.arg("--query").on(&pty).spawn();
    pty.expect("3 tries left");
    pty.type_line(card.pin());
    assert_eq!(agent.exit_code(SOON), 0, "{}", pty.screen().all());
    computer.carries();
    let counts = card.counts();
    assert_eq!((counts.pins, counts.right_pins), (1, 1));
    computer.control(&["stop", CLIENT]);
    assert_eq!(computer.manager.show(CLIENT, "Result"), "success");
    assert_said_well(&computer.manager);
}

#[test]
fn an_upgrade_of_pcscd_neither_opens_the_kill_switch_nor_ends_the_client_s_unit() {
    let computer = Computer::new();
    let card = &computer.card;
    computer.configure("kill-switch = true\n");
    computer.keep_pin(card.pin());
    let restless = Restless::at(computer.host());
    computer.control(&["start", CLIENT]);
    card.insert();
    computer.carries();
    let supervisor = computer.main_process();
    let got_out = restless.got_out();

    let put_in_again = || {
        // The reader of another pcscd is a new one to the card.
        card.connect(computer.host());
        card.insert();
        computer.carries();
    };
    computer.control(&["restart", "pcscd.service"]);
    put_in_again();
    // As Debian's package does it when it is upgraded.
    computer.control(&["restart", "pcscd.service", "pcscd.socket"]);
    put_in_again();
    assert_eq!(computer.main_process(), supervisor);
    computer.control(&["stop", "pcscd.socket"]);
    wait::until_true("the tunnel is gone", SOON, || {
        !computer.host().has_link(TUNNEL)
    });
    computer.control(&["start", "pcscd.socket"]);
    put_in_again();
    assert_eq!(computer.main_process(), supervisor);

    // Away for longer than it is waited for, it is brought back.
    computer.control(&["stop", "pcscd.socket"]);
    wait::until_true("another one runs", 2 * SOON, || {
        computer
            .main_process()
            .is_some_and(|new| Some(new) != supervisor)
    });
    put_in_again();
    assert_eq!(restless.got_out(), got_out, "something left in the clear");

    computer.control(&["stop", CLIENT]);
    wait::until_true("the way is open", SOON, || restless.got_out() > got_out);
    assert_said_well(&computer.manager);
}

#[test]
fn an_upgrade_of_tokenvpn_itself_opens_nothing_and_a_stop_does() {
    let computer = Computer::new();
    let (host, card) = (computer.host(), &computer.card);
    let before = host.network_state();
    computer.configure("kill-switch = true\n");
    computer.keep_pin(card.pin());
    let restless = Restless::at(host);
    computer.control(&["start", CLIENT]);
    let got_out = restless.got_out();
    card.insert();
    computer.carries();
    let supervisor = computer.main_process();

    computer.control(&["restart", CLIENT]);
    computer.carries();
    assert_ne!(computer.main_process(), supervisor);
    // Whatever it finds when it is there again: only a person opens it.
    computer.configure("kill-switch = maybe\n");
    let restart = computer.manager.control(&["restart", CLIENT]).finish();
    assert!(!restart.status.success(), "{restart}");
    computer.has_failed("2");
    assert!(!host.pings(HOTEL_ADDRESS));
    computer.configure("kill-switch = true\n");
    computer.control(&["start", CLIENT]);
    computer.carries();
    assert_eq!(restless.got_out(), got_out, "something left in the clear");

    computer.control(&["stop", CLIENT]);
    wait::until_true("the way is open", SOON, || restless.got_out() > got_out);
    assert_eq!(host.network_state(), before);
    assert_said_well(&computer.manager);
}

#[test]
fn the_kill_switch_can_be_closed_before_there_is_a_network() {
    let computer = Computer::new();
    computer.configure("kill-switch = true\n");
    // As the unit's own lines advise.
    let unit = computer.host().path("/run/units").join(CLIENT);
    let unit = fs::read_to_string(unit).expect("the unit");
    let is_order = |line: &str| {
        let mut keys = ["After=", "Before=", "Wants="].into_iter();
        keys.any(|key| line.starts_with(key))
    };
    let ordered = unit.lines().filter(|line| !is_order(line)).map(|line| {
        let instead = line.strip_prefix('#').filter(|line| is_order(line));
        instead.unwrap_or(line)
    });
    let ordered: Vec<_> = ordered.collect();
    let manager = &computer.manager;
    manager.add(CLIENT, &ordered.join("\n"));
    // A boot is one transaction, and so is its end.
    let part = "[Unit]\nPartOf=boot.target\n";
    manager.amend(CLIENT, part);
    let pre = format!("{part}DefaultDependencies=no\n");
    manager.add("network-pre.target", &pre);
    let looks = [("Start", "first"), ("Stop", "last")]
        .map(|(when, name)| format!("Exec{when}=/bin/sh -c 'ip rule >/run/rules-at-{name}'\n"));
    let network = format!(
        "{part}After=network-pre.target\n[Service]\nType=oneshot\nRemainAfterExit=yes\n{}",
        looks.concat()
    );
    manager.add("network.service", &network);
    let boot = format!("[Unit]\nWants=network.service {CLIENT}\n");
    manager.add("boot.target", &boot);
    computer.control(&["start", "boot.target"]);
    computer.control(&["stop", "boot.target"]);
    eprintln!(
        "DEBUG {}",
        computer
            .manager
            .control(&[
                "status",
                "--no-pager",
                "boot.target",
                "network.service",
                CLIENT,
                "network-pre.target"
            ])
            .finish()
    );
    for file in ["/run/rules-at-first", "/run/rules-at-last"] {
        let file_outside = computer.host().path(file);
        let read = || fs::read_to_string(&file_outside).ok();
        let rules = wait::until("the network looks", SOON, || {
            read().filter(|rules| rules.contains("default"))
        });
        assert!(rules.contains("unreachable"), "{file}: {rules}");
    }
    assert_said_well(&computer.manager);
}

#[test]
fn what_hold_keeps_closed_stays_so_through_a_restart_of_the_client_s_unit() {
    let computer = Computer::new();
    let (host, card) = (computer.host(), &computer.card);
    computer.configure("on-removal = \"hold\"\n");
    computer.keep_pin(card.pin());
    computer.control(&["start", CLIENT]);
    card.insert();
    computer.carries();
    let tap = Tap::on(host, "eth0");
    card.remove();
    wait::until_true("the tunnel is gone", SOON, || !host.has_link(TUNNEL));
    computer.control(&["restart", CLIENT]);
    assert!(!host.pings(SERVER));
    card.insert();
    computer.carries();
    let packets = tap.clear_packets();
    assert!(packets.iter().all(|packet| packet.destination != SERVER));
    computer.control(&["stop", CLIENT]);
    assert_said_well(&computer.manager);
}

#[test]
fn started_before_there_is_a_network_the_client_s_unit_connects_when_there_is_one() {
    let computer = Computer::new();
    let (host, card) = (computer.host(), &computer.card);
    host.ip("link set eth0 down");
    computer.keep_pin(card.pin());
    computer.control(&["start", CLIENT]);
    let supervisor = computer.main_process();
    card.insert();
    let status = || host.tokenvpn(&["status", "--json"]).finish().stdout;
    wait::until_true("it knows that nobody answers", 2 * SOON, || {
        status().contains("unreachable")
    });
    host.ip("link set eth0 up");
    host.ip("route add default via 192.0.2.1");
    computer.carries();
    assert_eq!(computer.main_process(), supervisor);
    computer.control(&["stop", CLIENT]);
    assert_said_well(&computer.manager);
}
