//! A lifecycle, with the world played by the tests.

mod asking;
mod choosing;
mod closed;
mod parked;
mod removal;
mod resolving;
mod watching;

use tokenvpn_common::key::PrivateKey;
use tokenvpn_common::token::Content;

use super::parked::{BUSY_RETRY, LOOK};
use super::*;
use crate::message::{GatewaySummary, PinNeeded, Refusal};
use crate::pin::Source;
use crate::words::{Choice, Object};

const READER: &str = "Reader 0";
const DAY: u64 = 86_400;
/// 2026-11-20T09:12:00Z
const TODAY: u64 = 1_795_165_920;

/// Somebody sits at our terminal.
const TERMINAL: Askable = Askable {
    terminal: true,
    pinentry: false,
    agent: false,
};

/// A lifecycle with its clocks, which the tests move.
struct Scene {
    lifecycle: Lifecycle,
    now: Now,
    wall: u64,
}

impl Scene {
    fn new(options: Options) -> Scene {
        let mut scene = Scene::begun(options);
        assert_eq!(scene.actions(), [Action::Watch, Action::Survey]);
        scene
    }

    /// One that may have closed the way around the tunnel first.
    fn fenced(options: Options) -> Scene {
        let mut scene = Scene::begun(options);
        let actions = scene.actions();
        assert!(actions.ends_with(&[Action::Watch, Action::Survey]));
        scene
    }

    /// One on a terminal, with this policy.
    fn with(on_removal: &str, kill_switch: bool) -> Scene {
        Scene::fenced(Options {
            askable: TERMINAL,
            on_removal: on_removal.parse().unwrap(),
            kill_switch,
            ..Options::default()
        })
    }

    fn begun(options: Options) -> Scene {
        Scene::begun_after(Vec::new(), options)
    }

    /// One after another `up`, which left this closed.
    fn begun_after(left: Vec<IpNet>, options: Options) -> Scene {
        let now = Now::from_nanos(1_000_000_000);
        Scene {
            lifecycle: Lifecycle::new(options, "tokenvpn".into(), left, now),
            now,
            wall: TODAY,
        }
    }

    /// One on a terminal, with nothing special asked for.
    fn attended() -> Scene {
        Scene::new(Options {
            askable: TERMINAL,
            ..Options::default()
        })
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.lifecycle.poll_action()).collect()
    }

    fn feed(&mut self, input: Input) -> Vec<Action> {
        let wall = UnixTime(self.wall);
        self.lifecycle.handle(self.now, wall, input);
        self.actions()
    }

    fn after(&mut self, time: Duration) -> Vec<Action> {
        self.now = self.now + time;
        self.wall += time.as_secs();
        self.feed(Input::Timeout)
    }

    fn report(&mut self, report: Report) -> Vec<Action> {
        self.feed(Input::Report(report))
    }

    fn cleared(&mut self) -> Vec<Action> {
        self.feed(Input::Cleared)
    }

    /// Up to the worker's start.
    fn start(&mut self) {
        let actions = self.feed(Input::Surveyed(Ok(vec![token(READER, 1)])));
        let started = Action::Start {
            reader: READER.into(),
            token: ident(1),
        };
        assert_eq!(actions, [started]);
    }

    /// Up to the packets.
    fn carry(&mut self, summary: Summary) {
        let found = candidates(&summary);
        let actions = self.report(Report::Unlocked(Box::new(summary)));
        assert!(matches!(actions.last(), Some(Action::Resolve(_))));
        let actions = self.feed(Input::Resolved {
            candidates: found,
            unresolved: Vec::new(),
        });
        assert!(matches!(actions[..], [Action::Build { .. }]));
        assert_eq!(self.feed(Input::Built(Ok(()))), []);
    }

    /// Up to the session.
    fn connect(&mut self) {
        self.carry(summary());
        let actions = self.report(connected());
        assert!(matches!(actions[..], [Action::Say(State::Up(_))]));
    }
}

fn ident(serial: u32) -> Ident {
    Ident {
        manufacturer: 6,
        serial,
    }
}

fn token(reader: &str, serial: u32) -> Found {
    Found {
        reader: reader.into(),
        token: Ok(Facts {
            ident: ident(serial),
            manufacturer: "Yubico",
            version: (3, 4),
            room: 255,
            tries_left: 3,
            label: Content::Empty,
        }),
    }
}

fn busy() -> State {
    busy_with(None)
}

fn busy_with(token: Option<Ident>) -> State {
    State::TokenBusy {
        reader: READER.into(),
        token,
        wanted: None,
        holders: vec!["scdaemon, pid 6790".into()],
    }
}

fn summary() -> Summary {
    Summary {
        name: "traveller".parse().unwrap(),
        public_key: PrivateKey::from_bytes([1; 32]).public(),
        not_after: None,
        gateways: vec![GatewaySummary {
            public_key: PrivateKey::from_bytes([2; 32]).public(),
            endpoints: vec![
                "vpn.example.com:51820".parse().unwrap(),
                "203.0.113.5:51820".parse().unwrap(),
            ],
        }],
        addresses: vec!["10.77.0.7/24".parse().unwrap()],
        allowed_ips: vec!["10.0.0.0/8".parse().unwrap()],
        dns: vec![],
        mtu: 1420,
        keepalive: 25,
    }
}

fn candidates(summary: &Summary) -> Vec<Candidate> {
    vec![Candidate {
        gateway: 0,
        endpoint: summary.gateways[0].endpoints[1].clone(),
        address: "203.0.113.5:51820".parse().unwrap(),
    }]
}

fn connected() -> Report {
    Report::Connected {
        candidate: 0,
        round_trip_ms: Some(41),
    }
}

fn removed() -> Input {
    Input::Removed {
        reader: READER.into(),
    }
}

fn inserted() -> Input {
    Input::Inserted {
        reader: READER.into(),
    }
}

fn gone(closed: bool) -> Action {
    say(State::TokenRemoved {
        seconds: 0.0,
        tunnel: true,
        closed,
        reason: Reason::Pulled,
    })
}

fn ask(source: Source) -> Action {
    Action::Order(Order::AskPin { source })
}

fn say(state: State) -> Action {
    Action::Say(state)
}

fn waiting() -> Action {
    say(State::WaitingToken { token: None })
}

fn waiting_change() -> Action {
    say(State::WaitingChange { unlabelled: false })
}

fn pin_needed(tries_left: u8, refused: bool) -> Report {
    Report::PinNeeded(PinNeeded {
        tries_left,
        refused: refused.then_some(Refusal::Wrong),
        pinpad: false,
        unable: None,
    })
}

fn wrong(tries_left: u8, asked_again: bool) -> State {
    State::PinWrong {
        tries_left,
        asked_again,
    }
}

#[test]
fn the_way_from_pin_to_session() {
    let mut scene = Scene::attended();
    scene.start();
    let pin = say(State::Pin {
        token: ident(1),
        tries_left: 3,
        source: Source::Terminal,
    });
    assert_eq!(
        scene.report(pin_needed(3, false)),
        [pin, ask(Source::Terminal)]
    );
    let actions = scene.report(Report::Unlocked(Box::new(summary())));
    let hosts = vec!["vpn.example.com".into()];
    assert_eq!(actions[0], say(State::Resolving { hosts }));
    assert!(matches!(&actions[1], Action::Resolve(endpoints) if endpoints.len() == 2));
    let found = candidates(&summary());
    let actions = scene.feed(Input::Resolved {
        candidates: found.clone(),
        unresolved: vec![],
    });
    assert!(matches!(&actions[..], [Action::Build { candidates, .. }] if *candidates == found));
    assert_eq!(scene.feed(Input::Built(Ok(()))), []);
    let actions = scene.report(Report::Connecting { candidate: 0 });
    assert!(matches!(
        actions[..],
        [Action::Say(State::Connecting {
            index: 1,
            count: 1,
            ..
        })]
    ));
    let actions = scene.report(connected());
    let [Action::Say(State::Up(up))] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!(up.round_trip_ms, Some(41));
    assert_eq!(scene.report(Report::Roamed), [say(State::Roamed)]);
    assert_eq!(scene.lifecycle.shown().name(), "up");
    assert_eq!(scene.lifecycle.poll_timeout(), None);
}

#[test]
fn a_token_that_is_changed_for_another_while_a_problem_is_cleared_is_looked_at() {
    let mut scene = Scene::attended();
    scene.start();
    let failed = Report::Failed(State::PinBlocked);
    assert_eq!(scene.report(failed), [Action::Clear]);
    assert_eq!(scene.feed(removed()), []);
    assert_eq!(
        scene.cleared(),
        [say(State::PinBlocked), waiting_change(), Action::Survey]
    );
}

/// All that can be wrong with a token, and the exit codes.
fn troubles() -> Vec<(State, u8)> {
    let (yesterday, now) = (UnixTime(TODAY - DAY), UnixTime(TODAY));
    let tomorrow = UnixTime(TODAY + DAY);
    let object = Object::Profile;
    let choice = |serial| Choice {
        token: ident(serial),
        name: None,
    };
    vec![
        (
            State::PickToken {
                tokens: vec![choice(1), choice(2)],
            },
            2,
        ),
        (State::PinCancelled, 4),
        (State::PinMissing, 4),
        (State::PinBlocked, 5),
        (
            State::Expired {
                not_after: yesterday,
                now,
            },
            6,
        ),
        (
            State::Damaged {
                object,
                check: "the checksum is wrong".into(),
            },
            7,
        ),
        (
            State::TooNew {
                object,
                what: "version 3".into(),
            },
            7,
        ),
        (State::Empty, 8),
        (State::Foreign, 8),
        (busy_with(Some(ident(1))), 11),
        (State::Clock { now, issued: None }, 14),
        (
            State::Clock {
                now,
                issued: Some(tomorrow),
            },
            14,
        ),
        (
            State::NotYetValid {
                not_before: tomorrow,
                now,
            },
            14,
        ),
        (State::UnsupportedCard, 15),
        (
            State::CardFailed {
                what: "the card does not do as it should".into(),
            },
            1,
        ),
    ]
}

#[test]
fn what_is_wrong_with_a_token_ends_up_only_when_nobody_can_change_it() {
    for (state, code) in troubles() {
        let failed = || Input::Report(Report::Failed(state.clone()));
        let nobody = Options::default();
        let once = Options {
            once: true,
            askable: TERMINAL,
            ..Options::default()
        };
        for options in [nobody, once] {
            let mut scene = Scene::new(options);
            scene.start();
            assert_eq!(scene.feed(failed()), [Action::Clear]);
            assert_eq!(scene.cleared(), [say(state.clone()), Action::Exit(code)]);
        }

        let mut scene = Scene::attended();
        scene.start();
        assert_eq!(scene.feed(failed()), [Action::Clear]);
        let mut said = vec![say(state.clone())];
        // What holds a token lets go of it by itself.
        // Its token has no label.
        let unlabelled = state.is_about_what_it_holds();
        let waiting_change = say(State::WaitingChange { unlabelled });
        let is_busy = matches!(state, State::TokenBusy { .. });
        said.extend((!is_busy).then_some(waiting_change));
        assert_eq!(scene.cleared(), said);
        assert_eq!(scene.lifecycle.shown(), &state);
        assert_eq!(scene.feed(removed()), [Action::Survey]);
        assert_eq!(scene.feed(Input::Surveyed(Ok(vec![]))), [waiting()]);
    }
}

#[test]
fn wait_ends_when_no_token_comes_and_not_when_one_came() {
    let options = || Options {
        wait: Some(Duration::from_secs(30)),
        askable: TERMINAL,
        ..Options::default()
    };
    let mut scene = Scene::new(options());
    scene.feed(Input::Surveyed(Ok(vec![])));
    assert_eq!(scene.after(Duration::from_secs(29)), []);
    assert_eq!(
        scene.after(Duration::from_secs(1)),
        [
            say(State::NoToken { seconds: 30 }),
            Action::Exit(code::NO_TOKEN)
        ]
    );

    let mut scene = Scene::new(options());
    scene.start();
    assert_eq!(scene.after(Duration::from_secs(31)), []);
}

#[test]
fn a_look_that_takes_longer_than_wait_decides_whether_there_is_a_token() {
    let begin = |askable| {
        let mut scene = Scene::new(Options {
            wait: Some(Duration::from_secs(1)),
            askable,
            ..Options::default()
        });
        assert_eq!(scene.after(Duration::from_secs(2)), []);
        let timeout = scene.lifecycle.poll_timeout();
        assert!(timeout > Some(scene.now), "it would not sleep: {timeout:?}");
        scene
    };
    let held = || {
        let (reader, token) = (READER.to_owned(), Err(busy()));
        Input::Surveyed(Ok(vec![Found { reader, token }]))
    };
    let nothing = || Input::Surveyed(Ok(vec![]));
    let too_late = [
        say(State::NoToken { seconds: 1 }),
        Action::Exit(code::NO_TOKEN),
    ];

    let mut scene = begin(Askable::default());
    assert_eq!(scene.feed(nothing()), too_late);
    let mut scene = begin(Askable::default());
    assert_eq!(scene.feed(held()), [say(busy()), Action::Exit(code::BUSY)]);
    let mut scene = begin(Askable::default());
    scene.start();
    // A service that hangs never answers.
    let mut scene = begin(Askable::default());
    assert_eq!(scene.after(WATCH_PATIENCE), too_late);

    // On a terminal what holds it is waited for, and no other token when that is pulled.
    let mut scene = begin(TERMINAL);
    assert_eq!(scene.feed(held()), [say(busy())]);
    assert_eq!(scene.after(Duration::from_secs(1)), []);
    assert_eq!(scene.feed(removed()), [Action::Survey]);
    assert_eq!(scene.feed(nothing()), too_late);
}

#[test]
fn ready_timeout_ends_the_search_for_a_gateway() {
    let mut scene = Scene::new(Options {
        ready_timeout: Some(Duration::from_secs(10)),
        askable: TERMINAL,
        ..Options::default()
    });
    scene.start();
    scene.carry(summary());
    let said = scene.report(Report::Unreachable);
    assert!(matches!(
        said[..],
        [Action::Say(State::Unreachable { .. }), Action::Resolve(_)]
    ));
    assert_eq!(scene.after(Duration::from_secs(10)), [Action::Clear]);
    assert_eq!(
        scene.cleared(),
        [
            say(State::NoGateway {
                seconds: 10,
                unresolved: Vec::new(),
            }),
            Action::Exit(code::NO_GATEWAY)
        ]
    );
}

#[test]
fn a_profile_ends_with_its_last_second_also_while_it_is_in_use() {
    let mut scene = Scene::attended();
    scene.start();
    let not_after = UnixTime(TODAY + 90);
    scene.carry(Summary {
        not_after: Some(not_after),
        ..summary()
    });
    scene.report(connected());
    assert_eq!(scene.after(EXPIRY_CHECK), []);
    assert_eq!(scene.after(Duration::from_secs(30)), []);
    assert_eq!(scene.after(Duration::from_secs(1)), [Action::Clear]);
    let now = UnixTime(TODAY + 91);
    let expired = say(State::Expired { not_after, now });
    let waiting_change = say(State::WaitingChange { unlabelled: true });
    assert_eq!(scene.cleared(), [expired, waiting_change]);
}

#[test]
fn the_last_two_weeks_are_announced() {
    for (days, is_soon) in [(13, true), (14, false)] {
        let mut scene = Scene::attended();
        scene.start();
        let actions = scene.report(Report::Unlocked(Box::new(Summary {
            not_after: Some(UnixTime(TODAY + days * DAY)),
            ..summary()
        })));
        let announced = matches!(actions[0], Action::Say(State::ExpiresSoon { .. }));
        assert_eq!(announced, is_soon, "{days} days");
    }
}

#[test]
fn the_end_comes_at_once_when_nothing_runs_and_after_clearing_otherwise() {
    let mut scene = Scene::attended();
    scene.feed(Input::Surveyed(Ok(vec![])));
    assert_eq!(
        scene.feed(Input::End),
        [
            say(State::Down {
                tunnel: false,
                opened: false
            }),
            Action::Exit(0)
        ]
    );
    assert_eq!(scene.feed(Input::End), []);

    let mut scene = Scene::attended();
    scene.start();
    scene.connect();
    assert_eq!(scene.feed(Input::End), [Action::Clear]);
    assert_eq!(
        scene.cleared(),
        [
            say(State::Down {
                tunnel: true,
                opened: false
            }),
            Action::Exit(0)
        ]
    );
}

#[test]
fn a_worker_that_dies_or_talks_nonsense_is_the_end() {
    let endings: [Input; 4] = [
        Input::WorkerEnded,
        Input::Report(pin_needed(3, false)),
        Input::Report(Report::Unlocked(Box::new(summary()))),
        Input::Report(Report::Connecting { candidate: 7 }),
    ];
    for ending in endings {
        let mut scene = Scene::attended();
        scene.start();
        scene.connect();
        assert_eq!(scene.feed(ending), [Action::Clear]);
        let said = scene.cleared();
        assert!(matches!(
            said[..],
            [Action::Say(State::Failed(_)), Action::Exit(code::INTERNAL)]
        ));
    }
}

#[test]
fn a_tunnel_that_cannot_be_made_is_the_end() {
    let mut scene = Scene::attended();
    scene.start();
    scene.report(Report::Unlocked(Box::new(summary())));
    scene.feed(Input::Resolved {
        candidates: candidates(&summary()),
        unresolved: vec![],
    });
    let what = "no permission to create a TUN device".to_owned();
    let state = State::NoPermission { what, cards: false };
    assert_eq!(
        scene.feed(Input::Built(Err(state.clone()))),
        [Action::Clear]
    );
    assert_eq!(
        scene.cleared(),
        [say(state), Action::Exit(code::NO_PERMISSION)]
    );
}

#[test]
fn a_session_that_goes_on_elsewhere_is_told_and_stays_up() {
    let mut scene = Scene::attended();
    scene.start();
    scene.connect();
    let Action::Say(told) = scene
        .report(Report::Moved {
            candidate: 0,
            round_trip_ms: Some(5),
            silent_ms: Some(3_200),
        })
        .remove(0)
    else {
        panic!("it is told");
    };
    assert!(
        told.text().contains("stopped answering; now on"),
        "{}",
        told.text()
    );
    assert!(told.text().ends_with("(3.2 s)."), "{}", told.text());
    assert!(matches!(scene.lifecycle.shown(), State::Up(up) if up.round_trip_ms == Some(5)));
    let actions = scene.report(Report::Moved {
        candidate: 99,
        round_trip_ms: None,
        silent_ms: None,
    });
    assert_eq!(actions, [Action::Clear]);
}
