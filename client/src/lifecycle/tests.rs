//! A lifecycle, with the world played by the tests.

use tokenvpn_common::key::PrivateKey;

use super::*;
use crate::message::GatewaySummary;
use crate::pin::Source;

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

    fn begun(options: Options) -> Scene {
        let now = Now::from_nanos(1_000_000_000);
        Scene {
            lifecycle: Lifecycle::new(options, "tokenvpn".into(), now),
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
        token: Ok(Choice {
            token: ident(serial),
            name: None,
        }),
    }
}

fn busy() -> State {
    State::TokenBusy {
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

fn ask(source: Source) -> Action {
    Action::Order(Order::AskPin { source })
}

fn say(state: State) -> Action {
    Action::Say(state)
}

fn waiting() -> Action {
    say(State::WaitingToken { token: None })
}

fn pin_needed(tries_left: u8, refused: bool) -> Report {
    Report::PinNeeded {
        tries_left,
        refused,
        pinpad: false,
    }
}

fn wrong(tries_left: u8, asked_again: bool) -> State {
    State::PinWrong {
        tries_left,
        asked_again,
    }
}

#[test]
fn up_waits_for_an_insertion_and_starts_a_worker_on_it() {
    let mut scene = Scene::attended();
    assert_eq!(scene.feed(Input::Surveyed(Ok(vec![]))), [waiting()]);
    let reader = READER.to_owned();
    assert_eq!(scene.feed(Input::Inserted { reader }), [Action::Survey]);
    scene.start();
}

#[test]
fn a_token_that_is_in_from_the_start_is_looked_at_once() {
    let mut scene = Scene::attended();
    let reader = READER.to_owned();
    assert_eq!(scene.feed(Input::Inserted { reader }), []);
    scene.start();
}

#[test]
fn what_changes_during_a_look_is_looked_at_again() {
    for change in [
        removed(),
        Input::Inserted {
            reader: "Reader 1".into(),
        },
    ] {
        let mut scene = Scene::attended();
        assert_eq!(scene.feed(change), []);
        let seen = Input::Surveyed(Ok(vec![token(READER, 1)]));
        assert_eq!(scene.feed(seen), [Action::Survey]);
        scene.start();
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
fn a_pull_clears_first_speaks_after_and_waits_for_the_next_insertion() {
    let mut scene = Scene::attended();
    scene.start();
    scene.connect();
    assert_eq!(scene.feed(removed()), [Action::Clear]);
    scene.now = scene.now + Duration::from_millis(400);
    let gone = say(State::TokenRemoved {
        seconds: 0.4,
        tunnel: true,
        closed: false,
    });
    assert_eq!(scene.cleared(), [gone, waiting()]);
    assert_eq!(scene.lifecycle.token(), None);
    let reader = READER.to_owned();
    assert_eq!(scene.feed(Input::Inserted { reader }), [Action::Survey]);
}

#[test]
fn a_pull_ends_whatever_is_going_on() {
    let until: [fn(&mut Scene); 4] = [
        |_| {},
        |scene| {
            scene.report(pin_needed(3, false));
        },
        |scene| {
            scene.report(Report::Unlocked(Box::new(summary())));
        },
        Scene::connect,
    ];
    for go in until {
        for news in [
            removed(),
            Input::Report(Report::TokenGone),
            Input::WatchLost,
        ] {
            let mut scene = Scene::attended();
            scene.start();
            go(&mut scene);
            assert_eq!(scene.feed(news), [Action::Clear]);
            let said = scene.cleared();
            assert!(matches!(said[0], Action::Say(State::TokenRemoved { .. })));
        }
    }
}

#[test]
fn another_reader_s_card_is_none_of_its_business() {
    let mut scene = Scene::attended();
    scene.start();
    scene.connect();
    let reader = "Reader 1".to_owned();
    assert_eq!(
        scene.feed(Input::Inserted {
            reader: reader.clone()
        }),
        []
    );
    assert_eq!(scene.feed(Input::Removed { reader }), []);
}

#[test]
fn with_once_a_pull_is_the_end() {
    let mut scene = Scene::new(Options {
        once: true,
        askable: TERMINAL,
        ..Options::default()
    });
    scene.start();
    scene.connect();
    assert_eq!(scene.feed(removed()), [Action::Clear]);
    assert_eq!(scene.cleared()[1..], [Action::Exit(code::REMOVED)]);
}

#[test]
fn a_lost_watch_is_a_removal_and_is_begun_again() {
    let mut scene = Scene::attended();
    scene.start();
    scene.connect();
    assert_eq!(scene.feed(Input::WatchLost), [Action::Clear]);
    assert_eq!(scene.cleared().len(), 1);
    assert_eq!(scene.after(WATCH_RETRY), [Action::Watch, Action::Survey]);
    assert_eq!(
        scene
            .feed(Input::Surveyed(Ok(vec![token(READER, 1)])))
            .len(),
        1
    );
}

#[test]
fn a_service_that_breaks_off_while_the_token_is_read_is_waited_for() {
    let mut scene = Scene::attended();
    scene.start();
    let broken_off = Report::Failed(State::NoService);
    assert_eq!(scene.report(broken_off), [Action::Clear]);
    let said = scene.cleared();
    assert!(matches!(
        said[..],
        [Action::Say(State::TokenRemoved { .. })]
    ));
    assert_eq!(scene.after(WATCH_RETRY), [Action::Watch, Action::Survey]);
    let unserved = Input::Surveyed(Err(State::NoService));
    assert_eq!(scene.feed(unserved), []);
    assert_eq!(scene.after(WATCH_RETRY), [Action::Watch, Action::Survey]);
    scene.start();
}

#[test]
fn a_watch_that_cannot_be_begun_is_tried_again_whatever_is_wrong() {
    let state = || State::CardFailed {
        what: "the card system is upset".into(),
    };
    let mut scene = Scene::attended();
    scene.feed(Input::Surveyed(Ok(vec![])));
    assert_eq!(scene.feed(Input::WatchFailed(state())), [say(state())]);
    assert_eq!(scene.after(WATCH_RETRY), [Action::Watch, Action::Survey]);
    assert_eq!(scene.feed(Input::WatchFailed(state())), []);

    let mut scene = Scene::attended();
    scene.start();
    assert_eq!(scene.feed(Input::WatchFailed(state())), [Action::Clear]);
    assert_eq!(scene.cleared(), [say(state())]);
    assert_eq!(scene.after(WATCH_RETRY), [Action::Watch, Action::Survey]);
}

#[test]
fn a_token_that_only_the_worker_took_for_gone_is_looked_at_again() {
    let mut scene = Scene::attended();
    scene.start();
    assert_eq!(scene.report(Report::TokenGone), [Action::Clear]);
    scene.cleared();
    assert_eq!(scene.after(BUSY_RETRY), [Action::Survey]);
    scene.start();
    // One that our own watch saw go will be announced.
    assert_eq!(scene.feed(removed()), [Action::Clear]);
    scene.cleared();
    assert_eq!(scene.after(10 * BUSY_RETRY), []);
}

#[test]
fn a_token_that_came_while_another_s_pin_was_asked_for_is_used_when_that_goes() {
    let mut scene = Scene::attended();
    scene.start();
    scene.report(pin_needed(3, false));
    // The first watch tells of the card that is in use, too.
    assert_eq!(scene.feed(inserted()), []);
    let reader = "Reader 1".to_owned();
    assert_eq!(scene.feed(Input::Inserted { reader }), []);
    assert_eq!(scene.feed(removed()), [Action::Clear]);
    assert_eq!(scene.cleared()[1..], [Action::Survey]);

    let mut scene = Scene::attended();
    scene.start();
    assert_eq!(scene.feed(inserted()), []);
    assert_eq!(scene.feed(removed()), [Action::Clear]);
    assert_eq!(scene.cleared()[1..], [waiting()]);
}

#[test]
fn no_more_gateways_are_tried_than_there_is_room_for() {
    let mut scene = Scene::attended();
    scene.start();
    let summary = summary();
    let found = vec![candidates(&summary).remove(0); MAX_CANDIDATES + 1];
    scene.report(Report::Unlocked(Box::new(summary)));
    let actions = scene.feed(Input::Resolved {
        candidates: found,
        unresolved: Vec::new(),
    });
    let [Action::Build { candidates, .. }] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!(candidates.len(), MAX_CANDIDATES);
}

#[test]
fn on_a_terminal_a_wrong_pin_is_asked_again_and_the_last_try_warned_of() {
    let mut scene = Scene::attended();
    scene.start();
    scene.report(pin_needed(3, false));
    let actions = scene.report(pin_needed(1, true));
    let pin = State::Pin {
        token: ident(1),
        tries_left: 1,
        source: Source::Terminal,
    };
    assert_eq!(
        actions,
        [
            say(wrong(1, true)),
            say(pin),
            say(State::PinLast),
            ask(Source::Terminal)
        ]
    );
    assert_eq!(scene.report(pin_needed(0, true)), [Action::Clear]);
    assert_eq!(scene.cleared(), [say(State::PinBlocked)]);
    assert_eq!(scene.feed(removed()), [Action::Survey]);
}

#[test]
fn with_once_nobody_is_asked_a_second_time() {
    let mut scene = Scene::new(Options {
        once: true,
        askable: TERMINAL,
        ..Options::default()
    });
    scene.start();
    assert_eq!(scene.report(pin_needed(2, true)), [Action::Clear]);
    let wrong = say(wrong(2, false));
    assert_eq!(scene.cleared(), [wrong, Action::Exit(code::PIN)]);
}

#[test]
fn without_a_terminal_nobody_is_asked_at_all() {
    let mut scene = Scene::new(Options::default());
    scene.start();
    assert_eq!(scene.report(pin_needed(3, false)), [Action::Clear]);
    assert_eq!(
        scene.cleared(),
        [say(State::PinMissing), Action::Exit(code::PIN)]
    );
}

#[test]
fn a_token_that_is_back_before_all_is_cleared_is_looked_at() {
    let mut scene = Scene::attended();
    scene.start();
    scene.connect();
    assert_eq!(scene.feed(removed()), [Action::Clear]);
    assert_eq!(scene.feed(inserted()), []);
    let actions = scene.cleared();
    assert!(matches!(
        actions[0],
        Action::Say(State::TokenRemoved { .. })
    ));
    assert_eq!(actions[1..], [Action::Survey]);
    scene.start();
}

#[test]
fn a_watch_lost_while_clearing_is_begun_again() {
    let ends: [fn(&mut Scene); 2] = [
        |scene| {
            scene.report(Report::TokenGone);
        },
        |scene| {
            scene.report(Report::Failed(State::PinBlocked));
        },
    ];
    for end in ends {
        let mut scene = Scene::attended();
        scene.start();
        end(&mut scene);
        assert_eq!(scene.feed(Input::WatchLost), []);
        scene.cleared();
        assert_eq!(scene.after(WATCH_RETRY), [Action::Watch, Action::Survey]);
    }
}

#[test]
fn a_token_that_is_changed_for_another_while_a_problem_is_cleared_is_looked_at() {
    let mut scene = Scene::attended();
    scene.start();
    let failed = Report::Failed(State::PinBlocked);
    assert_eq!(scene.report(failed), [Action::Clear]);
    assert_eq!(scene.feed(removed()), []);
    assert_eq!(scene.cleared(), [say(State::PinBlocked), Action::Survey]);
}

#[test]
fn a_watch_that_cannot_be_begun_while_a_token_is_in_use_ends_that_first() {
    let mut scene = Scene::attended();
    scene.start();
    scene.connect();
    let failed = Input::WatchFailed(State::NoService);
    assert_eq!(scene.feed(failed), [Action::Clear]);
    assert_eq!(
        scene.cleared(),
        [say(State::NoService), Action::Exit(code::NO_SERVICE)]
    );
}

#[test]
fn what_is_wrong_with_a_token_ends_up_only_when_nobody_can_change_it() {
    let (not_after, now) = (UnixTime(TODAY - DAY), UnixTime(TODAY));
    for (state, code) in [
        (State::PinBlocked, 5),
        (State::Expired { not_after, now }, 6),
        (
            State::Damaged {
                object: "profile".into(),
                check: "the checksum is wrong".into(),
            },
            7,
        ),
        (State::Empty, 8),
        (busy(), 11),
        (State::Clock { now }, 14),
        (State::UnsupportedCard, 15),
    ] {
        let failed = || Input::Report(Report::Failed(state.clone()));
        let mut scene = Scene::new(Options::default());
        scene.start();
        assert_eq!(scene.feed(failed()), [Action::Clear]);
        assert_eq!(scene.cleared(), [say(state.clone()), Action::Exit(code)]);

        let mut scene = Scene::attended();
        scene.start();
        assert_eq!(scene.feed(failed()), [Action::Clear]);
        assert_eq!(scene.cleared(), [say(state.clone())]);
        assert_eq!(scene.feed(removed()), [Action::Survey]);
        assert_eq!(scene.feed(Input::Surveyed(Ok(vec![]))), [waiting()]);
    }
}

#[test]
fn a_given_pin_that_is_refused_is_the_end_even_on_a_terminal() {
    for state in [wrong(2, false), State::PinUntried { tries_left: 2 }] {
        let mut scene = Scene::attended();
        scene.start();
        scene.report(Report::Failed(state.clone()));
        assert_eq!(scene.cleared(), [say(state), Action::Exit(code::PIN)]);
    }
}

#[test]
fn a_busy_token_is_asked_again_without_being_told_again() {
    let found = || {
        let reader = READER.into();
        let token = Err(busy());
        Input::Surveyed(Ok(vec![Found { reader, token }]))
    };
    let mut scene = Scene::attended();
    assert_eq!(scene.feed(found()), [say(busy())]);
    assert_eq!(scene.after(BUSY_RETRY), [Action::Survey]);
    assert_eq!(scene.feed(found()), []);
    assert_eq!(scene.after(BUSY_RETRY), [Action::Survey]);
    scene.start();
}

#[test]
fn of_two_tokens_the_user_picks_one() {
    let two = || Input::Surveyed(Ok(vec![token(READER, 1), token("Reader 1", 2)]));
    let mut scene = Scene::attended();
    let said = scene.feed(two());
    assert!(matches!(&said[..], [Action::Say(State::PickToken { tokens })] if tokens.len() == 2));
    assert_eq!(scene.feed(removed()), [Action::Survey]);

    let mut scene = Scene::new(Options {
        token: Some(ident(2)),
        ..Options::default()
    });
    let started = Action::Start {
        reader: "Reader 1".into(),
        token: ident(2),
    };
    assert_eq!(scene.feed(two()), [started]);
}

#[test]
fn a_card_that_is_no_token_does_not_stand_in_the_way_of_one() {
    let mut scene = Scene::new(Options::default());
    let card = Found {
        reader: "Reader 1".into(),
        token: Err(State::UnsupportedCard),
    };
    let actions = scene.feed(Input::Surveyed(Ok(vec![card, token(READER, 1)])));
    assert!(matches!(actions[..], [Action::Start { .. }]));
}

#[test]
fn a_token_that_was_not_asked_for_is_left_alone() {
    let wanted = Some(ident(2));
    let mut scene = Scene::new(Options {
        token: wanted,
        ..Options::default()
    });
    let card = Found {
        reader: "Reader 1".into(),
        token: Err(State::UnsupportedCard),
    };
    let actions = scene.feed(Input::Surveyed(Ok(vec![card, token(READER, 1)])));
    assert_eq!(actions, [say(State::WaitingToken { token: wanted })]);
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
            say(State::NoGateway { seconds: 10 }),
            Action::Exit(code::NO_GATEWAY)
        ]
    );
}

#[test]
fn names_without_an_address_are_looked_up_again() {
    let mut scene = Scene::attended();
    scene.start();
    scene.report(Report::Unlocked(Box::new(summary())));
    let nothing = || Input::Resolved {
        candidates: vec![],
        unresolved: vec!["vpn.example.com".into()],
    };
    let said = scene.feed(nothing());
    assert!(matches!(
        &said[..],
        [Action::Say(State::Unreachable { unresolved, .. })] if unresolved.len() == 1
    ));
    let again = scene.after(RESOLVE_RETRY);
    assert!(matches!(again[..], [Action::Resolve(_)]));
    assert_eq!(scene.feed(nothing()), [], "told once");
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
    assert_eq!(scene.cleared(), [say(State::Expired { not_after, now })]);
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
        [say(State::Down { tunnel: false }), Action::Exit(0)]
    );
    assert_eq!(scene.feed(Input::End), []);

    let mut scene = Scene::attended();
    scene.start();
    scene.connect();
    assert_eq!(scene.feed(Input::End), [Action::Clear]);
    assert_eq!(
        scene.cleared(),
        [say(State::Down { tunnel: true }), Action::Exit(0)]
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
    let state = State::NoPermission { what };
    assert_eq!(
        scene.feed(Input::Built(Err(state.clone()))),
        [Action::Clear]
    );
    assert_eq!(
        scene.cleared(),
        [say(state), Action::Exit(code::NO_PERMISSION)]
    );
}

mod asking;
mod removal;
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

#[test]
fn names_are_looked_up_again_when_the_gateway_falls_silent() {
    let mut scene = Scene::attended();
    scene.start();
    let mut named = summary();
    named.gateways[0].endpoints = vec!["vpn.example.com:51820".parse().unwrap()];
    named.allowed_ips = vec!["10.0.0.0/8".parse().unwrap()];
    let at = |address: &str| Candidate {
        gateway: 0,
        endpoint: "vpn.example.com:51820".parse().unwrap(),
        address: address.parse().unwrap(),
    };
    scene.report(Report::Unlocked(Box::new(named)));
    let old = at("203.0.113.5:51820");
    scene.feed(Input::Resolved {
        candidates: vec![old.clone()],
        unresolved: Vec::new(),
    });
    scene.feed(Input::Built(Ok(())));
    scene.report(connected());
    let asked = scene.report(Report::Silent);
    assert!(matches!(asked[..], [Action::Resolve(_)]), "{asked:?}");
    assert_eq!(scene.report(Report::Silent), [], "not all the time");
    let new = at("203.0.113.6:51820");
    // Where the tunnel itself leads, its own datagrams would go round and round.
    let inside = at("10.0.0.6:51820");
    let actions = scene.feed(Input::Resolved {
        candidates: vec![inside, old, new.clone()],
        unresolved: Vec::new(),
    });
    assert_eq!(actions, [Action::Order(Order::AddCandidates(vec![new]))]);
    // While there is no session it goes on.
    scene.report(Report::Lost);
    let again = scene.after(RESOLVE_AGAIN);
    assert!(matches!(again[..], [Action::Resolve(_)]), "{again:?}");
}
