//! Who is asked for the PIN.

use super::*;
use crate::message::Unable;

/// What is said and done when a card with so many tries left wants its PIN.
fn asked(askable: Askable, tries_left: u8, pinpad: bool) -> Vec<Action> {
    let mut scene = Scene::new(Options {
        askable,
        ..Options::default()
    });
    scene.start();
    let mut actions = scene.report(Report::PinNeeded(PinNeeded {
        tries_left,
        refused: None,
        pinpad,
        unable: None,
    }));
    if actions == [Action::Clear] {
        actions = scene.cleared();
    }
    actions
}

fn source(actions: &[Action]) -> Option<Source> {
    match actions.last() {
        Some(Action::Order(Order::AskPin { source })) => Some(*source),
        _ => None,
    }
}

const NOBODY: Askable = Askable {
    terminal: false,
    pinentry: false,
    agent: false,
};
const ALL: Askable = Askable {
    terminal: true,
    pinentry: true,
    agent: true,
};

#[test]
fn the_keypad_comes_first_then_terminal_pinentry_and_systemd() {
    let mut askable = ALL;
    assert_eq!(source(&asked(askable, 3, true)), Some(Source::Pinpad));
    assert_eq!(source(&asked(askable, 3, false)), Some(Source::Terminal));
    askable.terminal = false;
    assert_eq!(source(&asked(askable, 3, false)), Some(Source::Pinentry));
    askable.pinentry = false;
    assert_eq!(source(&asked(askable, 3, false)), Some(Source::Agent));
    assert_eq!(source(&asked(NOBODY, 3, true)), Some(Source::Pinpad));
}

#[test]
fn the_last_try_is_not_for_a_keypad_on_which_nobody_can_say_yes() {
    assert_eq!(source(&asked(ALL, 1, true)), Some(Source::Terminal));
    let actions = asked(NOBODY, 1, true);
    let untried = say(State::PinUntried { tries_left: 1 });
    assert_eq!(actions, [untried, Action::Exit(code::PIN)]);
}

#[test]
fn whoever_mistypes_is_asked_again_wherever_that_was() {
    for askable in [
        Askable {
            pinentry: true,
            ..NOBODY
        },
        Askable {
            agent: true,
            ..NOBODY
        },
    ] {
        let mut scene = Scene::new(Options {
            askable,
            ..Options::default()
        });
        scene.start();
        scene.report(pin_needed(3, false));
        let actions = scene.report(pin_needed(2, true));
        assert_eq!(actions[0], say(wrong(2, true)));
        assert!(source(&actions).is_some(), "{actions:?}");
    }
}

#[test]
fn whoever_cannot_ask_leaves_it_to_the_next_and_the_last_to_nobody() {
    let mut scene = Scene::new(Options {
        askable: Askable {
            terminal: false,
            ..ALL
        },
        ..Options::default()
    });
    scene.start();
    let needed = |tries_left, refused, unable| {
        Report::PinNeeded(PinNeeded {
            tries_left,
            refused,
            pinpad: false,
            unable,
        })
    };
    let failure = |source| Unable {
        source,
        failure: Fault::Answer.into(),
        told: false,
    };
    let asked = scene.report(needed(3, None, None));
    assert_eq!(source(&asked), Some(Source::Pinentry));
    let unable = failure(Source::Pinentry);
    let failed = say(State::PinSourceFailed {
        source: Source::Pinentry,
        reason: unable.failure.what.clone(),
    });
    let asked = scene.report(needed(3, None, Some(unable.clone())));
    assert_eq!(asked[0], failed);
    assert_eq!(source(&asked), Some(Source::Agent));
    // A wrong PIN there is no reason to go back, or to say it again.
    let unable = Unable {
        told: true,
        ..unable
    };
    let asked = scene.report(needed(2, Some(Refusal::Wrong), Some(unable)));
    assert_eq!(source(&asked), Some(Source::Agent));
    assert!(!asked.contains(&failed), "{asked:?}");
    let unable = failure(Source::Agent);
    let why = State::from(unable.failure.clone());
    assert_eq!(scene.report(needed(2, None, Some(unable))), [Action::Clear]);
    assert_eq!(scene.cleared()[0], say(why));
}

#[test]
fn a_pin_of_a_wrong_length_is_asked_again_and_costs_no_try() {
    let too_long = |asked_again| State::PinTooLong {
        max: 8,
        asked_again,
    };
    let by_card = (Refusal::TooLong { max: 8 }, too_long(true), too_long(false));
    let length = |asked_again| State::PinLength { asked_again };
    let by_reader = (Refusal::Length, length(true), length(false));
    for (refusal, again, end) in [by_card, by_reader] {
        let refused = || {
            Report::PinNeeded(PinNeeded {
                tries_left: 3,
                refused: Some(refusal),
                pinpad: false,
                unable: None,
            })
        };
        let mut scene = Scene::attended();
        scene.start();
        let actions = scene.report(refused());
        assert_eq!(actions[0], say(again));
        assert_eq!(source(&actions), Some(Source::Terminal));

        let mut scene = Scene::new(Options {
            once: true,
            askable: TERMINAL,
            ..Options::default()
        });
        scene.start();
        assert_eq!(scene.report(refused()), [Action::Clear]);
        assert_eq!(scene.cleared(), [say(end), Action::Exit(code::PIN)]);
    }
}

#[test]
fn a_reader_that_nobody_types_on_goes_on_asking_with_once_too() {
    let mut scene = Scene::new(Options {
        once: true,
        ..Options::default()
    });
    scene.start();
    let pin = Report::PinNeeded(PinNeeded {
        tries_left: 3,
        refused: None,
        pinpad: true,
        unable: None,
    });
    assert_eq!(source(&scene.report(pin)), Some(Source::Pinpad));
    assert_eq!(scene.report(Report::PinTimedOut), [say(State::PinTimedOut)]);
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
    assert_eq!(scene.cleared(), [say(State::PinBlocked), waiting_change()]);
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
fn a_given_pin_that_is_refused_is_the_end_even_on_a_terminal() {
    for state in [wrong(2, false), State::PinUntried { tries_left: 2 }] {
        let mut scene = Scene::attended();
        scene.start();
        scene.report(Report::Failed(state.clone()));
        assert_eq!(scene.cleared(), [say(state), Action::Exit(code::PIN)]);
    }
}
