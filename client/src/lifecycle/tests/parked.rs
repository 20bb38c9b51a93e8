//! A token that cannot be used, until somebody changes it.

use super::*;
use tokenvpn_common::token::Label;

/// The token with this label and so many tries left.
fn with(label: Content<Label>, tries_left: u8) -> Input {
    let mut found = token(READER, 1);
    if let Ok(facts) = &mut found.token {
        (facts.label, facts.tries_left) = (label, tries_left);
    }
    Input::Surveyed(Ok(vec![found]))
}

fn label(serial: u32) -> Content<Label> {
    Content::Holds(Label {
        name: "traveller".parse().unwrap(),
        serial,
        not_after: None,
    })
}

fn started() -> [Action; 1] {
    [Action::Start {
        reader: READER.into(),
        token: ident(1),
    }]
}

/// On a terminal, a token with this label that cannot be used for this reason.
fn parked(label: Content<Label>, state: &State) -> Scene {
    let mut scene = Scene::attended();
    assert_eq!(scene.feed(with(label, 3)), started());
    scene.report(Report::Failed(state.clone()));
    assert_eq!(scene.cleared(), [say(state.clone()), waiting_change()]);
    scene
}

#[test]
fn a_token_that_is_written_to_elsewhere_is_begun_with_again() {
    for state in [State::Empty, State::Foreign] {
        let mut scene = parked(label(1), &state);
        assert_eq!(scene.after(LOOK), [Action::Survey]);
        assert_eq!(scene.lifecycle.poll_timeout(), None, "one look at a time");
        assert_eq!(scene.feed(with(label(1), 3)), [], "it is what it was");
        assert_eq!(scene.after(LOOK), [Action::Survey]);
        // Whoever writes to it has it to himself.
        let (reader, token) = (READER.to_owned(), Err(busy()));
        let held = Input::Surveyed(Ok(vec![Found { reader, token }]));
        assert_eq!(scene.feed(held), []);
        assert_eq!(scene.after(LOOK), [Action::Survey]);
        assert_eq!(scene.feed(with(label(2), 3)), started());
    }
}

#[test]
fn whoever_mends_a_token_without_a_label_is_told_to_put_it_in_again() {
    for (label, state, unlabelled) in [
        (Content::Empty, State::Empty, true),
        (Content::Foreign, State::Empty, true),
        (label(1), State::Empty, false),
        // That shows in its tries.
        (Content::Empty, State::PinBlocked, false),
    ] {
        let mut scene = Scene::attended();
        scene.feed(with(label, 3));
        scene.report(Report::Failed(state.clone()));
        let waiting_change = say(State::WaitingChange { unlabelled });
        assert_eq!(scene.cleared(), [say(state), waiting_change]);
    }
}

#[test]
fn a_blocked_token_is_begun_with_again_when_it_has_tries() {
    let mut scene = parked(label(1), &State::PinBlocked);
    for tries_left in [0, 0] {
        assert_eq!(scene.after(LOOK), [Action::Survey]);
        assert_eq!(scene.feed(with(label(1), tries_left)), []);
    }
    assert_eq!(scene.after(LOOK), [Action::Survey]);
    assert_eq!(scene.feed(with(label(1), 3)), started());
}

#[test]
fn a_mistyped_pin_elsewhere_is_no_change() {
    let mut scene = parked(label(1), &State::Empty);
    assert_eq!(scene.after(LOOK), [Action::Survey]);
    assert_eq!(scene.feed(with(label(1), 2)), []);
}

#[test]
fn a_token_that_went_unseen_is_gone_and_so_is_what_was_wrong_with_it() {
    let mut scene = parked(label(1), &State::Empty);
    assert_eq!(scene.after(LOOK), [Action::Survey]);
    assert_eq!(scene.feed(Input::Surveyed(Ok(vec![]))), [waiting()]);
}

#[test]
fn what_nobody_can_change_elsewhere_is_not_looked_at() {
    for state in [State::PinCancelled, State::UnsupportedCard] {
        let scene = parked(label(1), &state);
        assert_eq!(scene.lifecycle.poll_timeout(), None, "{state:?}");
    }
}

#[test]
fn a_clock_that_is_set_begins_again() {
    let now = UnixTime(TODAY);
    let (before, after) = (UnixTime(TODAY - DAY), UnixTime(TODAY + DAY));
    let issued = Some(after);
    let expired = State::Expired {
        not_after: before,
        now,
    };
    let too_early = State::NotYetValid {
        not_before: after,
        now,
    };
    for (state, wall) in [
        (State::Clock { now, issued: None }, TODAY + 3600),
        (State::Clock { now, issued: None }, TODAY - 3600),
        (State::Clock { now, issued }, TODAY + DAY),
        (expired, before.0 - 60),
        (too_early, after.0),
    ] {
        let mut scene = parked(label(1), &state);
        let looks = match state {
            State::Clock { issued: None, .. } => vec![],
            _ => vec![Action::Survey],
        };
        assert_eq!(scene.after(LOOK), looks);
        scene.feed(with(label(1), 3));
        scene.wall = wall;
        assert_eq!(scene.after(LOOK), [Action::Survey], "{state:?}");
        assert_eq!(scene.feed(with(label(1), 3)), started(), "{state:?}");
    }
}
