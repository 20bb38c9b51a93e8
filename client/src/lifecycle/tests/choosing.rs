//! Which token is used.

use super::*;

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
fn a_busy_token_is_asked_again_without_being_told_again() {
    // Whoever may hold it comes and goes.
    let found = |holder: &str| {
        let token = Err(State::TokenBusy {
            reader: READER.into(),
            token: None,
            wanted: None,
            holders: vec![holder.into()],
        });
        let reader = READER.into();
        Input::Surveyed(Ok(vec![Found { reader, token }]))
    };
    let mut scene = Scene::attended();
    assert_eq!(scene.feed(found("scdaemon, pid 6790")), [say(busy())]);
    assert_eq!(scene.after(BUSY_RETRY), [Action::Survey]);
    assert_eq!(scene.feed(found("opensc-tool, pid 6791")), []);
    assert_eq!(scene.after(BUSY_RETRY), [Action::Survey]);
    scene.start();
}

#[test]
fn of_two_tokens_the_user_picks_one() {
    let two = || Input::Surveyed(Ok(vec![token(READER, 1), token("Reader 1", 2)]));
    let mut scene = Scene::attended();
    let said = scene.feed(two());
    assert!(matches!(&said[0], Action::Say(State::PickToken { tokens }) if tokens.len() == 2));
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

/// Another program holds what is in the other reader.
fn held() -> Input {
    let reader = "Reader 1".to_owned();
    let token = Err(State::TokenBusy {
        reader: reader.clone(),
        token: None,
        wanted: None,
        holders: Vec::new(),
    });
    Input::Surveyed(Ok(vec![Found { reader, token }]))
}

/// Which token that is said to be, and which it may be.
#[track_caller]
fn named(actions: &[Action]) -> (Option<Ident>, Option<Ident>) {
    match actions {
        [Action::Say(State::TokenBusy { token, wanted, .. })] => (*token, *wanted),
        _ => panic!("{actions:?}"),
    }
}

#[test]
fn a_held_token_is_named_if_it_was_seen_and_not_pulled_since() {
    let mut scene = Scene::attended();
    let two = vec![token(READER, 1), token("Reader 1", 2)];
    scene.feed(Input::Surveyed(Ok(two)));
    scene.feed(removed());
    assert_eq!(named(&scene.feed(held())), (Some(ident(2)), None));
    let reader = "Reader 1".to_owned();
    scene.feed(Input::Removed { reader });
    assert_eq!(scene.feed(Input::Surveyed(Ok(vec![]))), [waiting()]);
    scene.feed(inserted());
    assert_eq!(named(&scene.feed(held())), (None, None));
}

#[test]
fn a_held_token_may_be_the_one_that_was_asked_for_unless_it_was_seen() {
    let wanted = Some(ident(3));
    let asking = || {
        Scene::new(Options {
            token: wanted,
            askable: TERMINAL,
            ..Options::default()
        })
    };
    assert_eq!(named(&asking().feed(held())), (None, wanted));

    let mut scene = asking();
    let waiting = [say(State::WaitingToken { token: wanted })];
    let other = vec![token("Reader 1", 2)];
    assert_eq!(scene.feed(Input::Surveyed(Ok(other))), waiting);
    scene.feed(inserted());
    assert_eq!(scene.feed(held()), [], "it is another one");
}
