//! No secret, and nothing else of a session, outlives it: whatever ends it, and however far it had
//! come.

// To let a program panic takes knowing its processor's registers.
#![cfg(target_arch = "x86_64")]

use std::{fs, os::unix::process::ExitStatusExt, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rig::{
    Card, Gateway, Pty, Puppet, Quarry, Scene, Tap, Up,
    client::TUNNEL,
    memory::{hunt, hunt_all},
    process::{self, is_alive},
    programs,
    scene::{ENDPOINT, SERVER, TUNNEL_NETWORK},
    session_keys,
    wait::{self, Now, SOON, now},
};

const A_SECOND: Duration = Duration::from_secs(1);

/// Long enough not to be in anybody's memory by chance.
const PIN: &str = "q7-zebra-4417";

/// How far `up` has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Half of the PIN is typed.
    Prompt,
    /// The card has accepted the PIN, and the profile is on its way.
    Read,
    /// The gateway does not answer.
    Handshake,
    /// Packets flow both ways.
    Connected,
}

/// What ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Pull,
    Terminate,
    KillSupervisor,
    KillWorker,
    AbortWorker,
    PanicSupervisor,
    PanicWorker,
}

const EVENTS: [Event; 7] = [
    Event::Pull,
    Event::Terminate,
    Event::KillSupervisor,
    Event::KillWorker,
    Event::AbortWorker,
    Event::PanicSupervisor,
    Event::PanicWorker,
];

/// A scene with an issued token, of which everything is known.
struct Stage {
    card: Card,
    key: Quarry,
    preshared_key: Quarry,
    pin: Quarry,
    profile: Quarry,
    /// The first computer's network without us.
    before: String,
    gateway: Gateway,
    scene: Scene,
}

/// An `up` on a terminal that has come to some step.
struct Run {
    up: Up,
    worker: i32,
    pty: Pty,
    tap: Tap,
}

impl Stage {
    /// The token's way leads everything into the tunnel, name service too.
    #[track_caller]
    fn new() -> Stage {
        let scene = Scene::new();
        let gateway = Gateway::init(&scene.gateway, ENDPOINT, TUNNEL_NETWORK);
        gateway.start();
        let card = Card::with_pin(&scene.world, "traveller", PIN);
        scene.one.start_pcscd();
        card.connect(&scene.one);
        card.insert();
        let routes = ["--route", "0.0.0.0/0", "--dns", "10.20.0.80"];
        let invitation = gateway.invite("traveller", &routes);
        gateway.enrol(&scene.one.issue(&invitation, PIN));
        let profile = card.profile(&scene.one);
        card.remove();
        // As on many a computer; `up` has to make it less strict for as long as it lasts.
        scene
            .one
            .within(|| fs::write("/proc/sys/net/ipv4/conf/all/rp_filter", "1"))
            .expect("a sysctl");
        let preshared_key = profile.gateways[0].preshared_key.as_ref();
        let preshared_key = preshared_key.expect("the gateway gives everybody one");
        let bytes = profile.encode().expect("it was on the card");
        Stage {
            key: Quarry::key("private key", profile.private_key.expose()),
            preshared_key: Quarry::key("preshared key", preshared_key.expose()),
            pin: Quarry::pin(PIN),
            profile: Quarry::profile(&bytes),
            before: scene.one.network_state(),
            card,
            gateway,
            scene,
        }
    }

    /// Starts `up`, with no limit to core files, and brings it to this step.
    #[track_caller]
    fn run_to(&self, step: Step) -> Run {
        let one = &self.scene.one;
        let tap = Tap::on(one, "eth0");
        let pty = Pty::open();
        let up = one.run("prlimit").arg("--core=unlimited");
        let up = up.arg(programs::client()).arg("up").on(&pty);
        let up = Up::started(one, up);
        pty.expect("Waiting for a token");
        if step == Step::Handshake {
            self.scene.gateway.ip("link set eth0 down");
        }
        self.card.insert();
        pty.expect("PIN for");
        pty.await_no_echo();
        let run = |up: Up| Run {
            worker: up.worker().expect("a worker asks for the PIN"),
            up,
            pty,
            tap,
        };
        match step {
            Step::Prompt => {
                let run = run(up);
                run.pty.press(&PIN[..6]);
                run
            }
            Step::Read => {
                let run = run(up);
                self.card.reset_counts();
                self.card.delay(Duration::from_millis(500));
                run.pty.type_line(PIN);
                wait::until_true("the card accepts the PIN", SOON, || {
                    self.card.counts().right_pins == 1
                });
                run
            }
            Step::Handshake => {
                let run = run(up);
                run.pty.type_line(PIN);
                run.pty.expect("Connecting to");
                run
            }
            Step::Connected => {
                let run = run(up);
                run.pty.type_line(PIN);
                run.pty.expect("Connected as traveller");
                run
            }
        }
    }

    /// What the worker has of secrets at this step, each found in its memory now and in no other
    /// process of ours.
    #[track_caller]
    fn secrets_of(&self, run: &Run, step: Step) -> Vec<Quarry> {
        let mut held = match step {
            Step::Prompt => Vec::new(),
            Step::Read => vec![&self.pin],
            Step::Handshake | Step::Connected => vec![&self.key, &self.preshared_key],
        };
        let session_keys = match step {
            Step::Connected => run.session_keys(),
            _ => Vec::new(),
        };
        held.extend(&session_keys);
        for secret in held {
            let found = hunt(run.worker, secret);
            assert!(
                !found.sightings.is_empty(),
                "blind for the {}",
                secret.name()
            );
        }
        session_keys
    }

    /// Insists that no living process of ours at the first computer but `except` has a secret, and
    /// that none lies open there.
    #[track_caller]
    fn assert_nowhere(&self, run: &Run, session_keys: &[Quarry], except: Option<i32>) {
        let own = [&self.key, &self.preshared_key, &self.pin, &self.profile];
        let pids = run.up.pids().into_iter().filter(|pid| Some(*pid) != except);
        let pids: Vec<i32> = pids.collect();
        for secret in own.into_iter().chain(session_keys) {
            let found = hunt_all(pids.iter().copied(), secret);
            if found.bytes <= 1 << 16 {
                wait::until_true("who has no memory left has ended", SOON, || {
                    !pids.iter().any(|pid| is_alive(*pid))
                });
            }
            let sightings = found.sightings;
            assert!(sightings.is_empty(), "{}: {sightings:?}", secret.name());
            let open = self.scene.one.exposes(secret);
            assert!(open.is_empty(), "{}: {open:?}", secret.name());
        }
    }

    /// Lets `up` come to this step, ends it, and looks at what is left; gives how long worker
    /// and tunnel were still there.
    #[track_caller]
    fn play(&self, step: Step, event: Event) -> Duration {
        let one = &self.scene.one;
        let run = self.run_to(step);
        let address = SERVER.to_string();
        let stream = (step == Step::Connected).then(|| {
            let ping = one.run("ping").args(["-n", "-q", "-i", "0.01", &address]);
            let ping = ping.spawn();
            wait::until_true("packets flow both ways", SOON, || run.has_traffic());
            ping
        });
        let session_keys = self.secrets_of(&run, step);
        self.assert_nowhere(&run, &session_keys, Some(run.worker));
        process::assert_sealed(run.worker);

        let ended = run.end_by(event, step, &self.card);
        let mut tunnel_seen = ended;
        let link = one.path(format!("/sys/class/net/{TUNNEL}"));
        wait::until_true("worker and tunnel are gone", SOON, || {
            let at = now();
            let is_there = link.exists();
            if is_there {
                tunnel_seen = at;
            }
            !is_there && !is_alive(run.worker)
        });
        let gone = now();
        self.assert_nowhere(&run, &session_keys, None);

        let supervisor = run.up.process();
        match event {
            Event::KillSupervisor => {
                supervisor.wait(SOON);
                // The journal, if there was anything to note yet.
                one.tokenvpn(&["down"]).finish();
            }
            Event::PanicSupervisor => {
                assert_eq!(supervisor.exit_code(SOON), 70);
                let screen = run.pty.screen().all();
                assert!(screen.contains("error: the program failed: "), "{screen}");
                assert!(screen.contains("(puppet:1:1)"), "{screen}");
                assert!(screen.contains("hint: this should not happen"), "{screen}");
            }
            Event::Terminate => assert_eq!(supervisor.exit_code(SOON), 0),
            _ => {
                supervisor.signal(Signal::SIGTERM);
                supervisor.wait(SOON);
            }
        }
        wait::until_true("the terminal echoes again", SOON, || run.pty.echoes());
        assert_eq!(one.network_state(), self.before);
        assert!(one.runtime_files().is_empty(), "{:?}", one.runtime_files());
        assert!(run.up.pids().is_empty());
        let status = supervisor.status().expect("it has ended");
        assert!(!status.core_dumped(), "{status}");
        assert!(self.core_files().is_empty(), "{:?}", self.core_files());
        if !self.card.is_inserted() {
            assert_eq!(event, Event::Pull);
        } else {
            self.card.remove();
        }
        self.card.delay(Duration::ZERO);
        self.scene.gateway.ip("link set eth0 up");
        self.scene
            .gateway
            .ip("route replace default via 203.0.113.1");
        if let Some(stream) = stream {
            wait::holds_for("nothing is encrypted any more", A_SECOND / 2, || {
                let mut datagrams = run.tap.datagrams().into_iter();
                !datagrams.any(|one| one.outgoing && one.at > gone)
            });
            let mut clear = run.tap.clear_packets().into_iter();
            let leaked = clear.find(|packet| {
                packet.outgoing && packet.destination == SERVER && packet.at <= tunnel_seen
            });
            assert!(leaked.is_none(), "{leaked:?}");
            stream.kill();
        }
        gone.since(ended)
    }

    fn core_files(&self) -> Vec<String> {
        let files = fs::read_dir(self.scene.one.dir()).expect("the host has a directory");
        let names = files.map(|file| file.expect("a file").file_name());
        let names = names.map(|name| name.to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("core")).collect()
    }

    /// Lets everything happen at one step. The gateway hears of none of it.
    #[track_caller]
    fn play_all(step: Step) {
        let stage = Stage::new();
        for event in EVENTS {
            println!("{step:?}, {event:?}");
            wait::keeps_promise("worker and tunnel are gone", A_SECOND, || {
                stage.play(step, event)
            });
        }
        let gateway = stage.gateway.process().pid();
        for secret in [&stage.key, &stage.pin, &stage.profile] {
            let found = hunt(gateway, secret);
            assert!(found.bytes > 1 << 16 && found.sightings.is_empty());
        }
    }
}

impl Run {
    fn has_traffic(&self) -> bool {
        let datagrams = self.tap.datagrams();
        let count = |outgoing| {
            let short =
                |one: &&rig::tap::Datagram| one.outgoing == outgoing && one.carries_packet();
            datagrams.iter().filter(short).count()
        };
        count(true) > 20 && count(false) > 20
    }

    /// The keys for both directions, as the worker has them.
    #[track_caller]
    fn session_keys(&self) -> Vec<Quarry> {
        let key = |outgoing: bool| {
            let datagrams = self.tap.datagrams();
            let mut datagrams = datagrams.iter().rev();
            let datagram = datagrams
                .find(|one| one.outgoing == outgoing && one.kind == 4 && !one.payload.is_empty());
            let datagram = datagram.expect("there were short ones");
            let key = session_keys::find(self.worker, datagram);
            Quarry::key(
                "session key",
                &key.expect("the worker can read its own messages"),
            )
        };
        vec![key(true), key(false)]
    }

    /// Ends it; gives the moment.
    #[track_caller]
    fn end_by(&self, event: Event, step: Step, card: &Card) -> Now {
        let supervisor = self.up.process().pid();
        let send = |pid: i32, signal: Signal| {
            let at = now();
            kill(Pid::from_raw(pid), signal).expect("it runs");
            at
        };
        match event {
            Event::Pull => {
                let at = now();
                card.remove();
                at
            }
            Event::Terminate => send(supervisor, Signal::SIGTERM),
            Event::KillSupervisor => send(supervisor, Signal::SIGKILL),
            Event::KillWorker => send(self.worker, Signal::SIGKILL),
            Event::AbortWorker => send(self.worker, Signal::SIGABRT),
            Event::PanicSupervisor => {
                let function = "tokenvpn::supervisor::Supervisor::set_alarm";
                let status = || {
                    self.up.host().tokenvpn(&["status"]).spawn();
                };
                let puppet = Puppet::at(supervisor, function, status);
                let at = now();
                puppet.panic();
                at
            }
            Event::PanicWorker => {
                let puppet = match step {
                    // With the PIN in hand.
                    Step::Prompt => {
                        let function = "tokenvpn_common::io::card::pin::Pin::new";
                        Puppet::at(self.worker, function, || self.pty.type_line(&PIN[6..]))
                    }
                    // With the profile in hand.
                    Step::Read => {
                        let function = "tokenvpn_common::profile::Profile::decode";
                        let hurry = || card.delay(Duration::ZERO);
                        Puppet::at(self.worker, function, hurry)
                    }
                    Step::Handshake | Step::Connected => {
                        let function = "tokenvpn::worker::carrier::Carrier::set_alarm";
                        let status = || {
                            self.up.host().tokenvpn(&["status"]).spawn();
                        };
                        Puppet::at(self.worker, function, status)
                    }
                };
                let at = now();
                puppet.panic();
                at
            }
        }
    }
}

#[test]
fn nothing_is_left_of_a_session_that_ends_at_its_prompt() {
    Stage::play_all(Step::Prompt);
}

#[test]
fn nothing_is_left_of_a_session_that_ends_while_its_token_is_read() {
    Stage::play_all(Step::Read);
}

#[test]
fn nothing_is_left_of_a_session_that_ends_in_its_handshake() {
    Stage::play_all(Step::Handshake);
}

#[test]
fn nothing_is_left_of_a_session_that_ends_under_load() {
    Stage::play_all(Step::Connected);
}

/// What makes the missing core files above mean something.
#[test]
fn a_program_that_is_not_sealed_leaves_a_core_file() {
    let world = rig::World::new();
    let host = world.host("computer");
    let sleep = host
        .run("prlimit")
        .args(["--core=unlimited", "sleep", "60"]);
    let sleep = sleep.spawn();
    wait::until_true("it sleeps", SOON, || {
        host.processes_named("sleep").len() == 1
    });
    sleep.signal(Signal::SIGABRT);
    assert!(sleep.wait(SOON).core_dumped());
}

/// The allocator wipes what is given back: the card's crates keep copies that they do not wipe.
#[test]
fn a_connected_worker_has_forgotten_the_pin_and_what_the_card_said() {
    let stage = Stage::new();
    let run = stage.run_to(Step::Read);
    assert!(!hunt(run.worker, &stage.pin).sightings.is_empty());
    let decode = "tokenvpn_common::profile::Profile::decode";
    let puppet = Puppet::at(run.worker, decode, || stage.card.delay(Duration::ZERO));
    assert!(!hunt(run.worker, &stage.profile).sightings.is_empty());
    drop(puppet);
    run.pty.expect("Connected as traveller");
    for secret in [&stage.pin, &stage.profile] {
        let found = hunt(run.worker, secret);
        assert!(found.bytes > 1 << 16);
        let sightings = found.sightings;
        assert!(sightings.is_empty(), "{}: {sightings:?}", secret.name());
    }
}

/// How many descriptors a process has open.
fn descriptors(pid: i32) -> usize {
    let listed = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    listed.count()
}

#[test]
fn fifty_pulls_leave_no_descriptor_route_or_process_behind() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let network = scene.one.network_state();
    let pty = Pty::open();
    let up = scene.one.up_on(&pty, &[]);
    let supervisor = up.process().pid();
    let gateways = scene.gateway.processes_of(&programs::gateway());
    let count = || -> Vec<usize> {
        let pids = gateways.iter().chain([&supervisor]);
        pids.map(|pid| descriptors(*pid)).collect()
    };
    let mut after_first = None;
    for pull in 1..=50 {
        scene.one.connect_on(&pty, &card);
        let worker = up.worker().expect("a worker");
        card.remove();
        pty.expect("Token removed");
        assert!(!is_alive(worker), "pull {pull}");
        assert_eq!(up.pids(), [supervisor], "pull {pull}");
        assert_eq!(scene.one.network_state(), network, "pull {pull}");
        // The first session opens what is kept for all.
        let first = after_first.get_or_insert_with(count);
        wait::until_true("no descriptor is left", SOON, || count() == *first);
    }
}
