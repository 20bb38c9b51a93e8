//! A watch of the readers that breaks off.

use super::*;

#[test]
fn a_lost_watch_is_a_removal_and_is_begun_again() {
    let mut scene = Scene::attended();
    scene.start();
    scene.connect();
    assert_eq!(scene.feed(Input::WatchLost), [Action::Clear]);
    let gone = say(State::TokenRemoved {
        seconds: 0.0,
        tunnel: true,
        closed: false,
        reason: Reason::ServiceLost,
    });
    assert_eq!(scene.cleared(), [gone, say(State::WaitingService)]);
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
        [
            Action::Say(State::TokenRemoved {
                reason: Reason::ServiceLost,
                ..
            }),
            Action::Say(State::WaitingService)
        ]
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
    assert_eq!(
        scene.feed(Input::WatchFailed(state())),
        [say(state()), waiting_change()]
    );
    assert_eq!(scene.after(WATCH_RETRY), [Action::Watch, Action::Survey]);
    assert_eq!(scene.feed(Input::WatchFailed(state())), []);

    let mut scene = Scene::attended();
    scene.start();
    assert_eq!(scene.feed(Input::WatchFailed(state())), [Action::Clear]);
    assert_eq!(scene.cleared(), [say(state()), waiting_change()]);
    assert_eq!(scene.after(WATCH_RETRY), [Action::Watch, Action::Survey]);
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
fn a_service_that_is_restarted_is_waited_for_and_one_that_is_gone_is_not() {
    let mut scene = Scene::attended();
    scene.feed(Input::Surveyed(Ok(vec![])));
    assert_eq!(scene.feed(Input::WatchLost), []);
    for round in 0..5 {
        let again = [Action::Watch, Action::Survey];
        assert_eq!(scene.after(Duration::from_secs(1)), again);
        let told = scene.feed(Input::WatchFailed(State::NoService));
        let waiting = (round == 0).then_some(say(State::WaitingService));
        assert_eq!(told, Vec::from_iter(waiting));
        let unanswered = Input::Surveyed(Err(State::NoService));
        assert_eq!(scene.feed(unanswered), []);
    }
    scene.after(Duration::from_secs(1));
    assert_eq!(scene.feed(Input::Surveyed(Ok(vec![]))), [waiting()]);

    scene.feed(Input::WatchLost);
    scene.after(Duration::from_secs(11));
    let actions = scene.feed(Input::WatchFailed(State::NoService));
    assert_eq!(
        actions,
        [say(State::NoService), Action::Exit(code::NO_SERVICE)]
    );
}

#[test]
fn a_service_that_goes_while_the_tokens_are_looked_at_is_waited_for_whoever_says_it_first() {
    let unserved = || Input::Surveyed(Err(State::NoService));
    let again = [Action::Watch, Action::Survey];
    let (mut seen, mut looked) = (Scene::attended(), Scene::attended());
    assert_eq!(seen.feed(inserted()), []);
    looked.feed(Input::Surveyed(Ok(vec![])));
    assert_eq!(looked.feed(inserted()), [Action::Survey]);
    for mut scene in [seen, looked] {
        assert_eq!(scene.feed(unserved()), []);
        assert_eq!(scene.feed(Input::WatchLost), []);
        assert_eq!(scene.after(WATCH_RETRY), again);
        assert_eq!(scene.feed(unserved()), [say(State::WaitingService)]);
        assert_eq!(scene.after(WATCH_RETRY), again);
        scene.start();
    }
    // There never was one.
    let actions = Scene::attended().feed(unserved());
    let exit = Action::Exit(code::NO_SERVICE);
    assert_eq!(actions, [say(State::NoService), exit]);
}
