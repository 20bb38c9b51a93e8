//! The removal of a token, and what the user wants it to mean.

use super::super::resolving::RESOLVE_AGAIN;
use super::*;

fn grace() -> Action {
    say(State::TokenGrace { seconds: 10 })
}

fn thaw(reader: &str) -> Action {
    let reader = reader.to_owned();
    Action::Order(Order::Thaw { reader })
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
        reason: Reason::Pulled,
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
fn a_policy_is_one_of_three_and_a_grace_at_most_a_minute() {
    let policy = |text: &str| text.parse::<OnRemoval>();
    assert_eq!(policy("immediate"), Ok(OnRemoval::Immediate));
    assert_eq!(policy("hold"), Ok(OnRemoval::Hold));
    let minute = Duration::from_secs(60);
    assert_eq!(policy("grace:60"), Ok(OnRemoval::Grace(minute)));
    for text in [
        "", "grace", "grace:", "grace:0", "grace:61", "grace:-1", "Hold",
    ] {
        assert!(policy(text).is_err(), "{text}");
    }
}

#[test]
fn in_its_grace_the_tunnel_stands_still_and_goes_on_with_the_same_token() {
    let mut scene = Scene::with("grace:10", false);
    scene.start();
    scene.connect();
    let freeze = Action::Order(Order::Freeze);
    assert_eq!(scene.feed(removed()), [freeze, grace()]);
    assert_eq!(scene.lifecycle.shown().name(), "token_grace");
    scene.after(Duration::from_secs(9));
    assert_eq!(scene.feed(inserted()), [Action::Survey]);
    let back = Input::Surveyed(Ok(vec![token("Reader 7", 1)]));
    let actions = scene.feed(back);
    assert_eq!(
        actions,
        [thaw("Reader 7"), say(State::TokenBack { connected: true })]
    );
    assert_eq!(scene.lifecycle.shown().name(), "up");
    assert_eq!(scene.after(Duration::from_secs(60)), []);
    // From now on that reader counts, and each absence has a time of its own.
    assert_eq!(scene.feed(removed()), []);
    let reader = "Reader 7".to_owned();
    let actions = scene.feed(Input::Removed { reader });
    assert_eq!(actions[1], grace());
    assert_eq!(scene.after(Duration::from_secs(10)), [Action::Clear]);
}

#[test]
fn when_its_grace_is_over_a_token_is_gone() {
    let mut scene = Scene::with("grace:10", false);
    scene.start();
    scene.connect();
    scene.feed(removed());
    assert_eq!(scene.after(Duration::from_secs(9)), []);
    assert_eq!(scene.after(Duration::from_secs(1)), [Action::Clear]);
    assert_eq!(scene.cleared(), [gone(false), waiting()]);
}

#[test]
fn a_worker_that_counts_the_time_too_makes_no_trouble_of_it() {
    for end in [Input::WorkerEnded, Input::Report(Report::TokenGone)] {
        let mut scene = Scene::with("grace:10", false);
        scene.start();
        scene.connect();
        scene.feed(removed());
        assert_eq!(scene.feed(end), [Action::Clear]);
        assert_eq!(scene.cleared(), [gone(false), waiting()]);
    }
}

#[test]
fn another_token_does_not_thaw_the_tunnel_and_the_right_one_still_may() {
    let mut scene = Scene::with("grace:10", false);
    scene.start();
    scene.connect();
    scene.feed(removed());
    assert_eq!(scene.feed(inserted()), [Action::Survey]);
    let other = Input::Surveyed(Ok(vec![token(READER, 2)]));
    assert_eq!(scene.feed(other), []);
    assert_eq!(scene.feed(inserted()), [Action::Survey]);
    let both = vec![token("Reader 1", 2), token(READER, 1)];
    let actions = scene.feed(Input::Surveyed(Ok(both)));
    assert_eq!(actions[0], thaw(READER));
}

#[test]
fn a_token_that_was_out_again_while_it_was_looked_at_is_looked_at_again() {
    let mut scene = Scene::with("grace:10", false);
    scene.start();
    scene.connect();
    scene.feed(removed());
    scene.feed(inserted());
    assert_eq!(scene.feed(removed()), []);
    let stale = Input::Surveyed(Ok(vec![token(READER, 1)]));
    assert_eq!(scene.feed(stale), [Action::Survey]);
    assert_eq!(scene.feed(Input::Surveyed(Ok(vec![]))), []);
    // That gave it no more time.
    assert_eq!(scene.after(Duration::from_secs(10)), [Action::Clear]);
}

#[test]
fn a_token_that_was_pulled_out_of_another_reader_while_it_was_looked_at_thaws_nothing() {
    let mut scene = Scene::with("grace:10", false);
    scene.start();
    scene.connect();
    scene.feed(removed());
    let reader = || "Reader 7".to_owned();
    let inserted = Input::Inserted { reader: reader() };
    assert_eq!(scene.feed(inserted), [Action::Survey]);
    assert_eq!(scene.feed(Input::Removed { reader: reader() }), []);
    let stale = Input::Surveyed(Ok(vec![token("Reader 7", 1)]));
    assert_eq!(scene.feed(stale), [Action::Survey]);
    assert_eq!(scene.feed(Input::Surveyed(Ok(vec![]))), []);
    assert_eq!(scene.lifecycle.shown().name(), "token_grace");
}

#[test]
fn a_token_that_another_program_takes_at_once_is_looked_at_until_it_is_free() {
    let mut scene = Scene::with("grace:10", false);
    scene.start();
    scene.connect();
    scene.feed(removed());
    scene.feed(inserted());
    let held = Found {
        reader: READER.into(),
        token: Err(busy()),
    };
    let actions = scene.feed(Input::Surveyed(Ok(vec![held])));
    assert_eq!(actions, [Action::Survey]);
}

#[test]
fn there_is_no_grace_without_a_tunnel_or_without_a_watch() {
    let mut scene = Scene::with("grace:10", false);
    scene.start();
    assert_eq!(scene.feed(removed()), [Action::Clear]);

    let mut scene = Scene::with("grace:10", false);
    scene.start();
    scene.connect();
    scene.feed(removed());
    assert_eq!(scene.feed(Input::WatchLost), [Action::Clear]);
}

#[test]
fn down_ends_a_grace_and_all_with_it() {
    let mut scene = Scene::with("grace:10", false);
    scene.start();
    scene.connect();
    scene.feed(removed());
    assert_eq!(scene.feed(Input::End), [Action::Clear]);
    let down = say(State::Down {
        tunnel: true,
        opened: false,
    });
    assert_eq!(scene.cleared(), [down, Action::Exit(0)]);
}

#[test]
fn a_token_that_came_back_while_the_computer_slept_longer_than_its_grace_is_gone() {
    let mut scene = Scene::with("grace:10", false);
    scene.start();
    scene.connect();
    scene.feed(removed());
    scene.feed(inserted());
    // The answer is there before anybody has looked at the time.
    scene.now = scene.now + Duration::from_secs(10);
    let back = Input::Surveyed(Ok(vec![token(READER, 1)]));
    assert_eq!(scene.feed(back), [Action::Clear]);
    assert_eq!(scene.cleared(), [gone(false), waiting()]);
}

#[test]
fn a_token_that_is_back_before_any_gateway_answered_was_not_connected() {
    let mut scene = Scene::with("grace:10", false);
    scene.start();
    scene.carry(summary());
    scene.report(Report::Unreachable);
    for connected in [false, true] {
        scene.feed(removed());
        scene.feed(inserted());
        let actions = scene.feed(Input::Surveyed(Ok(vec![token(READER, 1)])));
        assert_eq!(actions[1], say(State::TokenBack { connected }));
        scene.report(self::connected());
    }
}

#[test]
fn no_name_is_looked_up_while_the_token_is_out() {
    let mut scene = Scene::with("grace:10", false);
    scene.start();
    scene.carry(summary());
    let looked_up = |actions: &[Action]| actions.iter().any(|a| matches!(a, Action::Resolve(_)));
    assert!(looked_up(&scene.report(Report::Unreachable)));
    scene.after(RESOLVE_AGAIN - Duration::from_secs(1));
    scene.feed(removed());
    assert!(!looked_up(&scene.after(Duration::from_secs(2))));
    // Said before the tunnel stood still.
    assert!(!looked_up(&scene.report(Report::Unreachable)));
    assert!(scene.lifecycle.poll_timeout() > Some(scene.now));
    scene.feed(inserted());
    scene.feed(Input::Surveyed(Ok(vec![token(READER, 1)])));
    assert!(looked_up(&scene.feed(Input::Timeout)));
}
