//! What leads into a tunnel or nowhere.

use super::*;
use crate::net::fence;

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn networks(texts: &[&str]) -> Summary {
    Summary {
        allowed_ips: nets(texts),
        ..summary()
    }
}

/// What is to be closed, if something is.
fn fenced(actions: &[Action]) -> Option<Vec<IpNet>> {
    actions.iter().find_map(|action| match action {
        Action::Fence(networks) => Some(networks.clone()),
        _ => None,
    })
}

/// What is told to be closed beside a tunnel that is up.
fn told(actions: &[Action]) -> Vec<IpNet> {
    match actions.last() {
        Some(Action::Say(State::Up(connection))) => connection.closed.clone(),
        _ => panic!("{actions:?}"),
    }
}

impl Scene {
    /// A token with this profile, up to its packets; gives what that closes. The tunnel leads
    /// all of it to itself.
    fn carry_token(&mut self, serial: u32, profile: &[&str]) -> Vec<IpNet> {
        self.feed(inserted());
        self.feed(Input::Surveyed(Ok(vec![token(READER, serial)])));
        let summary = networks(profile);
        let candidates = candidates(&summary);
        self.report(Report::Unlocked(Box::new(summary)));
        let actions = self.feed(Input::Resolved {
            candidates,
            unresolved: Vec::new(),
        });
        let [Action::Fence(fenced), Action::Build { closed, .. }] = &actions[..] else {
            panic!("{actions:?}");
        };
        assert_eq!(fenced, closed);
        self.feed(Input::Built(Ok(())));
        fenced.clone()
    }

    /// It is pulled; the way stays closed.
    fn pull(&mut self) {
        assert_eq!(self.feed(removed()), [Action::Clear]);
        assert_eq!(self.cleared()[0], gone(true));
    }
}

#[test]
fn what_a_token_that_is_out_keeps_closed_stays_so_beside_another_s_tunnel() {
    let mut scene = Scene::with("hold", false);
    scene.carry_token(1, &["10.20.0.0/24", "10.40.0.0/16"]);
    scene.report(connected());
    scene.pull();
    // Before its tunnel is up, and when it is.
    let both = nets(&[
        "10.20.0.0/24",
        "10.40.0.0/16",
        "10.30.0.0/24",
        "10.40.7.0/24",
    ]);
    assert_eq!(
        scene.carry_token(2, &["10.30.0.0/24", "10.40.7.0/24"]),
        both
    );
    let actions = scene.report(connected());
    assert_eq!(fenced(&actions), None);
    assert_eq!(told(&actions), nets(&["10.20.0.0/24", "10.40.0.0/16"]));
    scene.pull();
    assert_eq!(scene.lifecycle.closed(), both);

    // Of the first one's tunnel nothing is outside, and the second one waits.
    assert_eq!(
        scene.carry_token(1, &["10.20.0.0/24", "10.40.0.0/16"]),
        both
    );
    let actions = scene.report(connected());
    assert_eq!(
        (fenced(&actions), told(&actions)),
        (None, nets(&["10.30.0.0/24"]))
    );
    assert_eq!(scene.lifecycle.closed(), both);
    scene.feed(Input::End);
    assert_eq!(scene.cleared()[0], Action::Unfence);
    assert_eq!(scene.lifecycle.closed(), []);
}

#[test]
fn a_token_with_other_routes_than_before_opens_the_old_ones_when_its_tunnel_is_up() {
    let mut scene = Scene::with("hold", false);
    scene.carry_token(1, &["10.20.0.0/24", "10.30.0.0/24"]);
    scene.report(connected());
    scene.pull();
    let old_and_new = nets(&["10.20.0.0/24", "10.30.0.0/24", "10.40.0.0/24"]);
    let new = ["10.30.0.0/24", "10.40.0.0/24"];
    assert_eq!(scene.carry_token(1, &new), old_and_new);
    // No gateway answered.
    scene.report(Report::Unreachable);
    scene.pull();
    assert_eq!(scene.lifecycle.closed(), old_and_new);
    scene.carry_token(1, &new);
    let actions = scene.report(connected());
    assert_eq!(fenced(&actions), Some(nets(&new)));
    assert_eq!(told(&actions), []);
    // Not what another one waits for.
    scene.pull();
    scene.carry_token(2, &["10.30.0.0/24"]);
    scene.report(connected());
    scene.pull();
    scene.carry_token(1, &["10.40.0.0/24"]);
    let actions = scene.report(connected());
    assert_eq!(fenced(&actions), None);
    assert_eq!(told(&actions), nets(&["10.30.0.0/24"]));
}

#[test]
fn a_token_that_is_pulled_at_its_prompt_keeps_closed_what_it_kept_before() {
    let mut scene = Scene::with("hold", false);
    scene.carry_token(1, &["10.20.0.0/24"]);
    scene.report(connected());
    scene.pull();
    for (serial, waits) in [(1, true), (2, false)] {
        scene.feed(inserted());
        scene.feed(Input::Surveyed(Ok(vec![token(READER, serial)])));
        scene.feed(removed());
        let actions = scene.cleared();
        let is_it = matches!(
            actions[0],
            Action::Say(State::TokenRemoved { tunnel: false, closed, .. }) if closed == waits
        );
        assert!(is_it, "{actions:?}");
    }
    assert_eq!(scene.lifecycle.closed(), nets(&["10.20.0.0/24"]));
}

#[test]
fn hold_goes_on_with_what_an_earlier_up_left_closed_and_no_token_opens_it() {
    let hold = |kill_switch| Options {
        on_removal: OnRemoval::Hold,
        kill_switch,
        askable: TERMINAL,
        ..Options::default()
    };
    let left = || nets(&["10.20.0.0/24"]);
    let mut scene = Scene::begun_after(left(), hold(false));
    let stays_closed = say(State::StaysClosed {
        interface: "tokenvpn".into(),
    });
    let actions = scene.actions();
    assert_eq!(actions[..2], [Action::Fence(left()), stays_closed]);
    scene.carry_token(1, &["10.30.0.0/24"]);
    let actions = scene.report(connected());
    assert_eq!((fenced(&actions), told(&actions)), (None, left()));

    let mut scene = Scene::begun_after(left(), hold(true));
    let all = [&fence::everything()[..], &left()].concat();
    assert_eq!(
        scene.actions()[..2],
        [Action::Fence(all), say(State::KillSwitch)]
    );

    // Whoever asks for neither has asked for its end.
    let mut scene = Scene::begun_after(left(), Options::default());
    assert_eq!(scene.actions(), [Action::Watch, Action::Survey]);
    assert_eq!(scene.lifecycle.closed(), []);
}

#[test]
fn the_kill_switch_with_hold_closes_the_same_more_exactly() {
    let mut scene = Scene::with("hold", true);
    let everything = fence::everything().to_vec();
    assert_eq!(scene.lifecycle.closed(), everything);
    scene.carry_token(1, &["10.20.0.0/24"]);
    scene.report(connected());
    scene.pull();
    let all = [everything.clone(), nets(&["10.20.0.0/24", "10.30.0.0/24"])].concat();
    assert_eq!(scene.carry_token(2, &["10.30.0.0/24"]), all);
    // Without hold only what is in use.
    let mut scene = Scene::with("immediate", true);
    scene.carry_token(1, &["10.20.0.0/24"]);
    scene.pull();
    let all = [everything, nets(&["10.30.0.0/24"])].concat();
    assert_eq!(scene.carry_token(2, &["10.30.0.0/24"]), all);
}

#[test]
fn with_once_what_is_held_stays_closed_and_nothing_is_said_to_be_that_is_not() {
    let options = Options {
        once: true,
        on_removal: OnRemoval::Hold,
        ..Options::default()
    };
    let stays_closed = say(State::StaysClosed {
        interface: "tokenvpn".into(),
    });
    let mut scene = Scene::new(options.clone());
    scene.carry_token(1, &["10.20.0.0/24"]);
    scene.feed(removed());
    let end = [gone(true), stays_closed, Action::Exit(code::REMOVED)];
    assert_eq!(scene.cleared(), end);

    let mut scene = Scene::new(options);
    scene.start();
    scene.feed(removed());
    let actions = scene.cleared();
    assert_eq!(actions[1..], [Action::Exit(code::REMOVED)], "{actions:?}");
}

#[test]
fn hold_outlasts_the_smart_card_service() {
    let mut scene = Scene::with("hold", false);
    scene.carry_token(1, &["10.20.0.0/24"]);
    scene.report(connected());
    assert_eq!(scene.feed(Input::WatchLost), [Action::Clear]);
    let actions = scene.cleared();
    let is_closed = matches!(
        actions[0],
        Action::Say(State::TokenRemoved { closed: true, .. })
    );
    assert!(is_closed, "{actions:?}");
    // Longer than it may be away.
    scene.after(2 * WATCH_PATIENCE);
    let actions = scene.feed(Input::Surveyed(Err(State::NoService)));
    assert!(!actions.contains(&Action::Unfence), "{actions:?}");
    assert!(matches!(actions[1], Action::Say(State::StaysClosed { .. })));
    assert_eq!(actions[2..], [Action::Exit(code::NO_SERVICE)]);
}

#[test]
fn hold_closes_the_profile_s_networks_before_the_tunnel_stands_and_opens_them_at_the_end() {
    let mut scene = Scene::with("hold", false);
    scene.start();
    let summary = summary();
    let networks = summary.allowed_ips.clone();
    let found = candidates(&summary);
    scene.report(Report::Unlocked(Box::new(summary)));
    let actions = scene.feed(Input::Resolved {
        candidates: found,
        unresolved: Vec::new(),
    });
    let [Action::Fence(fenced), Action::Build { closed, .. }] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert_eq!((fenced, closed), (&networks, &networks));
    scene.feed(Input::Fenced(Ok(())));
    scene.feed(Input::Built(Ok(())));
    assert_eq!(scene.feed(removed()), [Action::Clear]);
    assert_eq!(scene.cleared(), [gone(true), waiting()]);
    let actions = scene.feed(Input::End);
    let down = say(State::Down {
        tunnel: false,
        opened: true,
    });
    assert_eq!(actions, [Action::Unfence, down, Action::Exit(0)]);
}

#[test]
fn the_kill_switch_closes_everything_first_and_opens_it_only_for_who_ends_it() {
    let mut scene = Scene::with("immediate", true);
    assert_eq!(scene.feed(Input::Fenced(Ok(()))), []);
    let actions = scene.feed(Input::End);
    let down = say(State::Down {
        tunnel: false,
        opened: true,
    });
    assert_eq!(actions, [Action::Unfence, down, Action::Exit(0)]);

    let mut scene = Scene::with("immediate", true);
    let actions = scene.feed(Input::Surveyed(Err(State::NoService)));
    let closed = say(State::StaysClosed {
        interface: "tokenvpn".into(),
    });
    let no_service = say(State::NoService);
    assert_eq!(
        actions,
        [no_service, closed, Action::Exit(code::NO_SERVICE)]
    );
}

#[test]
fn who_hands_over_leaves_closed_what_is_closed() {
    let closed = say(State::StaysClosed {
        interface: "tokenvpn".into(),
    });
    let down = |tunnel| {
        let opened = false;
        say(State::Down { tunnel, opened })
    };
    let mut scene = Scene::with("immediate", true);
    let actions = scene.feed(Input::HandOver);
    assert_eq!(actions, [down(false), closed.clone(), Action::Exit(0)]);

    let mut scene = Scene::with("hold", false);
    scene.carry_token(1, &["10.20.0.0/24"]);
    assert_eq!(scene.feed(Input::HandOver), [Action::Clear]);
    assert_eq!(scene.cleared(), [down(true), closed, Action::Exit(0)]);

    let mut scene = Scene::with("immediate", false);
    scene.start();
    scene.connect();
    assert_eq!(scene.feed(Input::HandOver), [Action::Clear]);
    assert_eq!(scene.cleared(), [down(true), Action::Exit(0)]);
}

#[test]
fn a_worker_cannot_open_what_is_closed() {
    let mut scene = Scene::with("immediate", true);
    scene.start();
    let mut failure = Failure::from(Fault::WorkerEnded);
    failure.code = 0;
    scene.report(Report::Failed(failure.into()));
    let actions = scene.cleared();
    assert!(!actions.contains(&Action::Unfence), "{actions:?}");
    assert_eq!(actions.last(), Some(&Action::Exit(0)));
}

#[test]
fn what_cannot_be_closed_is_not_begun() {
    let options = Options {
        kill_switch: true,
        ..Options::default()
    };
    let now = Now::from_nanos(1);
    let mut lifecycle = Lifecycle::new(options, "tokenvpn".into(), Vec::new(), now);
    let all = fence::everything().to_vec();
    assert_eq!(lifecycle.poll_action(), Some(Action::Fence(all)));
    let what = "no permission".to_owned();
    let refused = State::NoPermission { what, cards: false };
    lifecycle.handle(now, UnixTime(TODAY), Input::Fenced(Err(refused.clone())));
    assert_eq!(lifecycle.poll_action(), Some(say(refused)));
    // Nor is it said to be.
    let end = Action::Exit(code::NO_PERMISSION);
    assert_eq!(lifecycle.poll_action(), Some(end));
}
