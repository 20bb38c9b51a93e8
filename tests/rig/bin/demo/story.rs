//! The six steps.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use rig::{
    Card, Gateway, Host, Pty, Quarry, Scene, Tap, Up, Web,
    client::TUNNEL,
    memory,
    process::is_alive,
    programs,
    pty::CTRL_C,
    scene::{ENDPOINT, GREETING, HOTEL_ADDRESS, INNER_NETWORK, SERVER, TUNNEL_NETWORK},
    tap::Datagram,
    wait::{self, Now, SOON, now},
    web::pattern,
};
use tokenvpn_common::profile::Profile;

use crate::print::{announce, chapter, check, hand, holds, prefix, says, shown};

/// Within this time a removal has to be over.
const A_SECOND: Duration = Duration::from_secs(1);

/// The download of step 4: bytes, milliseconds.
const DOWNLOAD: (usize, u64) = (2_000_000, 3_000);

/// Where computer one moves in step 4.
const MOVED_TO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 77));

/// The end of what `up` asks at the terminal.
const PROMPT: &str = "tries left: ";

/// The characters, and what has been measured so far.
pub(crate) struct Story {
    gateway: Gateway,
    card: Card,
    /// Servers, taps and terminals that have to stay.
    web: Vec<Web>,
    tap: Option<Tap>,
    up: Option<(Pty, Up)>,
    /// Known to us alone, who read it from the card.
    profile: Option<Profile>,
    times: Vec<(&'static str, Duration)>,
    /// Last, so that it goes last.
    scene: Scene,
}

impl Story {
    /// What is told, in this order.
    pub(crate) const STEPS: [fn(&mut Story); 6] = [
        Story::the_gateway_starts,
        Story::a_token_is_issued,
        Story::the_token_goes_in,
        Story::the_computer_moves,
        Story::the_token_is_pulled,
        Story::the_token_goes_into_another_computer,
    ];

    pub(crate) fn begin() -> Story {
        println!("Two computers on different networks, a gateway, and a server behind it:");
        println!();
        println!("    one  192.0.2.10 ─────── router ─────── 203.0.113.5 gateway 10.20.0.1");
        println!("    two  198.51.100.20 ───────┘                           │");
        println!("                                                  server 10.20.0.80");
        let scene = Scene::new();
        Story {
            gateway: Gateway::at(&scene.gateway),
            card: Card::new(&scene.world, "traveller"),
            web: Vec::new(),
            tap: None,
            up: None,
            profile: None,
            times: Vec::new(),
            scene,
        }
    }

    /// Where the world's files are.
    pub(crate) fn dir(&self) -> &Path {
        self.scene.world.dir()
    }

    fn the_gateway_starts(&mut self) {
        chapter(1, "A gateway, and a web server in the network behind it");
        let Scene {
            one,
            gateway,
            server,
            ..
        } = &self.scene;
        let init = ["init", "--endpoint", ENDPOINT, "--network", TUNNEL_NETWORK];
        shown(gateway, self.gateway.command(&init)).ok();
        self.gateway
            .started(shown(gateway, self.gateway.command(&["run"])));
        holds("the gateway answers");
        let address = SocketAddr::new(SERVER, 80);
        self.web.push(Web::serve(server, address, GREETING));
        holds(&format!("a web server listens on {address}"));
        check(
            "computer one cannot reach it",
            one.fetch(&page("")).is_none(),
        );
    }

    fn a_token_is_issued(&mut self) {
        chapter(2, "An identity for a traveller: invite | issue | enrol");
        let Scene { one, gateway, .. } = &self.scene;
        one.start_pcscd();
        self.card.connect(one);
        self.card.insert();
        let ident = self.card.ident();
        hand(&format!(
            "a new OpenPGP card, {ident}, goes into the reader of computer one"
        ));

        let invite = ["invite", "traveller", "--route", INNER_NETWORK];
        let invite = self.gateway.command(&invite);
        announce(gateway, invite.words());
        let invitation = invite.ok();
        // It carries a preshared key.
        says(
            gateway,
            &format!("({} lines of TOML)", invitation.lines().count()),
        );

        announce(one, "tokenvpn token issue");
        let enrolment = one.issue(&invitation, self.card.pin());
        enrolment.lines().for_each(|line| says(one, line));

        let enrol = self.gateway.command(&["enrol"]).stdin(enrolment);
        shown(gateway, enrol).ok();

        let profile = self.card.profile(one);
        let key = profile.private_key.public();
        check(
            "the profile is on the card",
            profile.name.as_str() == "traveller",
        );
        check(
            &format!("the gateway knows its public key {key}"),
            self.gateway.peer("traveller").public_key == key,
        );
        self.profile = Some(profile);
        self.card.remove();
        hand("the card comes out again");
    }

    fn the_token_goes_in(&mut self) {
        chapter(3, "tokenvpn up on computer one, and then the card goes in");
        let one = self.scene.one.clone();
        let tap = Tap::on(&one, "eth0");
        let (pty, up, inserted) = self.connect(&one);
        let routes = one.ip("route show dev tokenvpn");
        check(
            &format!("{INNER_NETWORK} is routed into the tunnel"),
            routes.contains(INNER_NETWORK),
        );
        let first = first_packet(&tap, inserted);
        self.times.push(("insert → first packet (one)", first));
        self.tap = Some(tap);
        self.up = Some((pty, up));
    }

    /// Starts `up`, puts the card in, types the PIN and fetches the page. Also returns when the
    /// card went in.
    fn connect(&mut self, host: &Host) -> (Pty, Up, Now) {
        let pty = Pty::with_echo(prefix(host));
        announce(host, "tokenvpn up");
        let up = host.up_on(&pty, &[]);
        pty.expect("Waiting for a token");
        hand("the card goes in");
        let inserted = now();
        self.card.insert();
        pty.expect(PROMPT);
        self.type_pin(&pty);
        pty.expect("Connected as traveller");
        let fetch = shown(host, host.curl(&page(""), SOON));
        check(
            "the page came through the tunnel",
            fetch.ok().trim_end() == GREETING,
        );
        (pty, up, inserted)
    }

    /// Types the PIN at the prompt.
    #[track_caller]
    fn type_pin(&self, pty: &Pty) {
        pty.await_no_echo();
        pty.screen().show_prompt();
        hand("the PIN is typed");
        pty.type_line(self.card.pin());
    }

    fn the_computer_moves(&mut self) {
        chapter(
            4,
            "The computer's address changes in the middle of a download",
        );
        let Scene { one, gateway, .. } = &self.scene;
        let before = self.endpoint();
        let (bytes, milliseconds) = DOWNLOAD;
        let url = page(&format!("slow/{bytes}/{milliseconds}"));
        let download = one.curl(&url, Duration::from_secs(30));
        announce(one, download.words());
        let download = download.spawn();
        let received = || download.stdout().bytes().len();
        wait::until_true("a third of the download is here", SOON, || {
            received() > bytes / 3
        });
        says(one, &format!("({} of {bytes} bytes)", received()));
        for words in [
            "address del 192.0.2.10/24 dev eth0",
            &format!("address add {MOVED_TO}/24 dev eth0"),
            "route add default via 192.0.2.1",
        ] {
            announce(one, &format!("ip {words}"));
            one.ip(words);
        }
        let moved = now();
        wait::until_true("the gateway follows", SOON, || {
            self.endpoint().ip() == MOVED_TO
        });
        let followed = now().since(moved);
        let at_the_move = received();
        holds(&format!(
            "the gateway has followed the traveller from {before} to {}",
            self.endpoint()
        ));
        check("the download was not over", at_the_move < bytes);
        let ended = download.exit_code(SOON);
        check(
            "it went on to its end, byte for byte",
            ended == 0 && download.stdout().bytes() == pattern(bytes),
        );
        shown(gateway, self.gateway.command(&["status"])).ok();
        self.times.push(("move → gateway follows", followed));
    }

    /// Where the gateway sees the traveller.
    fn endpoint(&self) -> SocketAddr {
        let peer = self.gateway.peer("traveller");
        peer.endpoint
            .expect("a traveller who was there has an endpoint")
    }

    fn the_token_is_pulled(&mut self) {
        chapter(5, "The card is pulled");
        let one = self.scene.one.clone();
        let tap = self.tap.take().expect("step 3 made it");
        let (pty, up) = self.up.take().expect("step 3 started it");
        let profile = self.profile.as_ref().expect("step 2 read it");
        let key = Quarry::key("private key", profile.private_key.expose());
        let psk = profile.gateways[0].preshared_key.as_ref();
        let psk = Quarry::key(
            "preshared key",
            psk.expect("the gateway gives everybody one").expose(),
        );

        let worker = up.worker().expect("the tunnel is up, so there is a worker");
        // The gateway has the preshared key too, as it must.
        for (what, quarry, pids, elsewhere) in [
            ("private", &key, self.our_processes(), "process of ours"),
            ("preshared", &psk, self.at_computers(), "of the computers"),
        ] {
            let found = memory::hunt_all(pids, quarry).sightings;
            let places = found.len();
            check(
                &format!("a memory scan finds the {what} key in the worker ({places} places)"),
                found.iter().any(|place| place.pid == worker),
            );
            check(
                &format!("and in no other {elsewhere}"),
                found.iter().all(|place| place.pid == worker),
            );
        }

        // A steady stream, so that the last packet says when the tunnel ended.
        let server = SERVER.to_string();
        let stream = one
            .run("ping")
            .args(["-n", "-q", "-i", "0.01", &server])
            .spawn();
        let packets = || {
            tap.datagrams()
                .iter()
                .filter(|one| one.carries_packet())
                .count()
        };
        let before = packets();
        wait::until_true("the stream flows", SOON, || packets() > before + 40);

        hand("the card is pulled");
        let pulled = now();
        self.card.remove();
        let until = |what: &str, gone: &dyn Fn() -> bool| {
            wait::until_true(what, SOON, gone);
            let time = now().since(pulled);
            check(&format!("{what} after {}", seconds(time)), time < A_SECOND);
            time
        };
        until("the worker is gone", &|| !is_alive(worker));
        let scans = [
            memory::hunt_all(self.our_processes(), &key),
            memory::hunt_all(self.at_computers(), &psk),
        ];
        let scanned = now().since(pulled);
        let [of_key, of_psk] = scans.map(|scan| {
            assert!(scan.bytes > 1 << 20, "the scan is blind");
            assert!(scan.sightings.is_empty(), "{:?}", scan.sightings);
            scan.bytes >> 20
        });
        check(
            &format!(
                "the same scans, over after {}, find neither key ({of_key} and {of_psk} MiB looked at)",
                seconds(scanned)
            ),
            scanned < A_SECOND,
        );
        until("the tunnel is gone", &|| !one.has_link(TUNNEL));
        until("its routes are gone", &|| {
            !one.ip("route show table all").contains(INNER_NETWORK)
        });
        pty.expect("Token removed");
        // Longer than anything that was still under way.
        let quiet = pulled + A_SECOND + A_SECOND;
        wait::until_true("two seconds have passed", SOON, || now() >= quiet);
        let last = last_datagram(&tap, pulled);
        check(
            &format!("the last encrypted packet left after {}", seconds(last)),
            last < A_SECOND,
        );
        check(
            "the inner server is out of reach",
            one.fetch(&page("")).is_none() && !one.pings(SERVER),
        );
        stream.kill();
        self.times.push(("pull → last packet", last));
        leave(&pty, &up);
    }

    /// All processes of the project in this world, but for the virtual card.
    fn our_processes(&self) -> Vec<i32> {
        let mut pids = self.at_computers();
        pids.extend(self.scene.gateway.processes_of(&programs::gateway()));
        pids
    }

    /// Those of the two computers.
    fn at_computers(&self) -> Vec<i32> {
        let computers = [&self.scene.one, &self.scene.two];
        let of = |computer: &Host| computer.processes_of(&programs::client());
        computers.into_iter().flat_map(of).collect()
    }

    fn the_token_goes_into_another_computer(&mut self) {
        chapter(6, "The card goes into computer two, on another network");
        let two = self.scene.two.clone();
        two.start_pcscd();
        self.card.connect(&two);
        let tap = Tap::on(&two, "eth0");
        let (pty, up, inserted) = self.connect(&two);
        check(
            &format!("the gateway now answers at {}", self.endpoint()),
            self.endpoint().ip() == HOTEL_ADDRESS,
        );
        let first = first_packet(&tap, inserted);
        self.times.push(("insert → first packet (two)", first));

        let address = self.profile.as_ref().expect("step 2 read it").addresses[0].addr();
        let listen: SocketAddr = "0.0.0.0:8080".parse().expect("an address");
        self.web
            .push(Web::serve(&two, listen, "Hello from computer two."));
        let server = &self.scene.server;
        let fetch = server.curl(&format!("http://{address}:8080/"), SOON);
        check(
            "the inner server reaches the traveller at computer two",
            shown(server, fetch).ok() == "Hello from computer two.\n",
        );
        self.up = Some((pty, up));
    }

    /// What was measured.
    pub(crate) fn summary(&self, all: Duration) {
        println!("\n=== Done in {}", seconds(all));
        for (what, time) in &self.times {
            println!("    {what:<30} {:>7}", seconds(*time));
        }
    }

    /// Leaves the world up until Enter or a signal, with a hand at the card.
    pub(crate) fn stay(&self, signals: &Receiver<()>) {
        println!("\nThe world stays up. Look around in it with a shell at any of its hosts:");
        let Scene {
            one,
            two,
            router,
            gateway,
            server,
            ..
        } = &self.scene;
        let client = programs::client();
        let dir = client.parent().expect("a program is in a directory");
        for host in [one, two, router, gateway, server] {
            println!(
                "    {:>8}: nsenter -t {} -m -n -p -u --wd={} env \"PATH={}:$PATH\" bash",
                host.name(),
                host.init(),
                host.dir().display(),
                dir.display()
            );
        }
        println!(
            "\nThe card is in the reader of computer two; its PIN is {}.",
            self.card.pin()
        );
        println!("Type here, each with Enter:");
        println!("    pull      pulls it out");
        println!("    insert    puts it in, and types the PIN for the `tokenvpn up` from above");
        println!("Enter alone or SIGTERM ends it all.");
        let (sender, lines) = mpsc::channel();
        // At the end of a closed stdin nobody has pressed Enter.
        thread::spawn(move || {
            let mut lines = io::stdin().lines().map_while(Result::ok);
            lines.try_for_each(|line| sender.send(line))
        });
        loop {
            match lines.try_recv().as_deref().map(str::trim) {
                Ok("") => break,
                Ok(order @ ("pull" | "insert")) => self.obey(order),
                Ok(_) => println!("pull, insert, or Enter alone?"),
                Err(_) => match signals.recv_timeout(Duration::from_millis(200)) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                },
            }
        }
    }

    /// Moves the card as the person at the keyboard wants it.
    fn obey(&self, order: &str) {
        let (pty, up) = self.up.as_ref().expect("step 6 started it");
        let (word, done) = match order {
            "pull" => ("remove", "the card is pulled"),
            _ => ("insert", "the card goes in"),
        };
        if let Err(refusal) = self.card.order(word) {
            return println!("{refusal}");
        }
        hand(done);
        // Another `up` asks on its own terminal.
        let asks = || up.process().is_running() && pty.screen().look_for(PROMPT, SOON).is_some();
        if order == "insert" && asks() {
            self.type_pin(pty);
        }
    }

    /// Ends what runs, in order; the world goes with it.
    pub(crate) fn end(self) {
        println!();
        let (pty, up) = self.up.as_ref().expect("step 6 started it");
        leave(pty, up);
        check("its tunnel is gone", !self.scene.two.has_link(TUNNEL));
        self.gateway.stop();
        holds("the gateway ends well");
    }
}

/// Ends `up` as a person does.
#[track_caller]
fn leave(pty: &Pty, up: &Up) {
    hand("Ctrl-C");
    pty.press(CTRL_C);
    let code = up.process().exit_code(SOON);
    pty.screen().show_prompt();
    check("tokenvpn up ends well", code == 0);
}

/// A page of the inner server.
fn page(path: &str) -> String {
    format!("http://{SERVER}/{path}")
}

/// From `start` to the first inner packet that came back.
#[track_caller]
fn first_packet(tap: &Tap, start: Now) -> Duration {
    let came = |one: &Datagram| !one.outgoing && one.carries_packet() && one.at > start;
    let first = wait::until("a packet from the gateway", SOON, || {
        tap.datagrams().into_iter().find(came)
    });
    first.at.since(start)
}

/// From `start` to the last datagram that left; zero if none did.
fn last_datagram(tap: &Tap, start: Now) -> Duration {
    let left = |one: &&Datagram| one.outgoing && one.at > start;
    let datagrams = tap.datagrams();
    let last = datagrams.iter().rev().find(left);
    last.map_or(Duration::ZERO, |last| last.at.since(start))
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
