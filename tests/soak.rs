//! A working day in small: TCP and pings in a tunnel while its computer moves, its gateway is killed
//! and others come and go.
//!
//! In full length twenty minutes, otherwise as many seconds.

use std::{collections::BTreeSet, fs, time::Duration};

use rig::{
    Card, Gateway, Scene, Up, Web,
    process::Finished,
    scene::{PAGE, SERVER},
    usage,
    wait::{self, Now, SOON, now},
    web::pattern,
};
use tokenvpn_common::{guard, key::PrivateKey};

/// How long the pings and the download of one round last.
const ROUND: Duration = Duration::from_secs(5);

/// Bytes of a download.
const BYTES: usize = 4_000_000;

/// Pings a second.
const PINGS: u64 = 10;

/// What memory may grow by while nothing else does: the allocators' own business.
const GROWTH: u64 = 2 << 20;

/// What one process holds.
#[derive(Clone, Copy, Debug)]
struct Holding {
    resident: u64,
    descriptors: usize,
}

fn holding(pid: i32) -> Holding {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    Holding {
        resident: usage::memory(pid).resident,
        descriptors: descriptors.count(),
    }
}

struct Day {
    gateway: Gateway,
    up: Up,
    /// By the last byte of the computer's address.
    place: u8,
    /// When the last disturbance was over.
    calm_since: Now,
    /// Starts of sessions since then.
    sessions: BTreeSet<u64>,
    _card: Card,
    _web: Web,
    scene: Scene,
}

impl Day {
    fn begin() -> Day {
        let scene = Scene::new();
        let gateway = scene.start_gateway();
        let card = scene.issue(&gateway, "traveller");
        let web = scene.serve();
        let up = scene.connect(&scene.one, &card);
        Day {
            gateway,
            up,
            place: 10,
            calm_since: now(),
            sessions: BTreeSet::new(),
            _card: card,
            _web: web,
            scene,
        }
    }

    /// TCP and pings, and somebody who is let in and out again: nothing of that may be lost.
    fn work(&mut self) {
        let one = &self.scene.one;
        let millis = ROUND.as_millis();
        let url = format!("{PAGE}slow/{BYTES}/{millis}");
        let download = one.curl(&url, 2 * SOON).spawn();
        let count = (PINGS * ROUND.as_secs()).to_string();
        let interval = (1.0 / PINGS as f64).to_string();
        let ping = one
            .run("ping")
            .args(["-n", "-q", "-c", &count, "-i", &interval]);
        let ping = ping.arg(SERVER.to_string()).spawn();

        let key = PrivateKey::generate().public().to_string();
        let words = ["add", "other", "--public-key", &key];
        self.gateway.command(&words).ok();
        self.gateway.command(&["revoke", "other"]).ok();

        let told: Finished = ping.finish();
        assert!(told.stdout.contains(" 0% packet loss"), "{told}");
        let came = download.finish();
        assert!(came.status.success(), "{came}");
        assert!(
            download.stdout().bytes() == pattern(BYTES),
            "not what was sent"
        );
        let began = self.gateway.peer("traveller").latest_handshake;
        let began = began.expect("a session").0;
        // A second is as exact as it is told.
        if !self.sessions.iter().any(|known| known.abs_diff(began) <= 2) {
            self.sessions.insert(began);
        }
    }

    /// Insists that sessions were renewed no more often than their age asks for.
    fn expect_few_handshakes(&self) {
        let calm = now().since(self.calm_since);
        let due = calm.as_secs() / guard::REKEY_AFTER.as_secs();
        let begun = self.sessions.len() as u64;
        // The one that there was, and one at each end of the time.
        assert!(begun <= due + 3, "{begun} sessions in {calm:?}");
    }

    /// Waits until a disturbance is over.
    fn settle(&mut self) {
        wait::until_true("packets flow again", 2 * SOON, || {
            self.scene.one.pings(SERVER)
        });
        self.calm_since = now();
        self.sessions.clear();
    }

    fn move_on(&mut self) {
        let one = &self.scene.one;
        one.ip(&format!("address del 192.0.2.{}/24 dev eth0", self.place));
        self.place = if self.place == 10 { 77 } else { 10 };
        one.ip(&format!("address add 192.0.2.{}/24 dev eth0", self.place));
        one.ip("route add default via 192.0.2.1");
        self.settle();
    }

    fn crash(&mut self) {
        // Where it heard from whom is written once a second.
        std::thread::sleep(Duration::from_secs(2));
        self.gateway.kill();
        self.gateway.start();
        self.settle();
    }

    /// Supervisor, worker and gateway.
    fn holdings(&self) -> [Holding; 3] {
        let supervisor = self.up.process().pid();
        let worker = self.up.worker().expect("a worker");
        [supervisor, worker, self.gateway.process().pid()].map(holding)
    }

    /// Insists that no process holds more than it did.
    fn expect_no_growth(&self, before: [Holding; 3]) {
        // Whoever was asked a moment ago may still be closing that connection.
        wait::until_true("no descriptor is left behind", SOON, || {
            let after = self.holdings();
            let mut pairs = before.iter().zip(after);
            pairs.all(|(before, after)| before.descriptors == after.descriptors)
        });
        let after = self.holdings();
        println!("{before:?}\n{after:?}");
        for (before, after) in before.into_iter().zip(after) {
            let limit = before.resident + before.resident / 4 + GROWTH;
            assert!(after.resident <= limit, "{before:?} {after:?}");
        }
    }
}

#[test]
fn a_long_day_loses_nothing_but_in_disturbances_and_nothing_grows() {
    // Rounds between two disturbances, and disturbances.
    let (rounds, disturbances) = match rig::full_length() {
        true => (20, 11),
        false => (1, 2),
    };
    let mut day = Day::begin();
    let worker = day.up.worker();
    day.work();
    let mut warm = day.holdings();
    let mut gateway = day.gateway.process().pid();
    for disturbance in 0..=disturbances {
        for _ in 0..rounds {
            day.work();
        }
        day.expect_few_handshakes();
        if day.gateway.process().pid() == gateway {
            day.expect_no_growth(warm);
        } else {
            // Another one, which has worked by now.
            gateway = day.gateway.process().pid();
            warm[2] = day.holdings()[2];
        }
        match disturbance {
            last if last == disturbances => {}
            odd if odd % 2 == 1 => day.crash(),
            _ => day.move_on(),
        }
    }
    assert_eq!(day.up.worker(), worker, "it was never replaced");
    for process in [day.up.process(), &day.gateway.process()] {
        assert!(process.is_running());
        let said = process.stderr().all();
        assert!(!said.contains("panicked"), "{said}");
    }
    day.scene.one.tokenvpn(&["down"]).ok();
    assert_eq!(day.up.process().exit_code(SOON), 0);
}
