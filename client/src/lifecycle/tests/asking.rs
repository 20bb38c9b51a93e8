//! Who is asked for the PIN.

use super::*;

/// What is said and done when a card with so many tries left wants its PIN.
fn asked(askable: Askable, tries_left: u8, pinpad: bool) -> Vec<Action> {
    let mut scene = Scene::new(Options {
        askable,
        ..Options::default()
    });
    scene.start();
    let mut actions = scene.report(Report::PinNeeded {
        tries_left,
        refused: false,
        pinpad,
    });
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
