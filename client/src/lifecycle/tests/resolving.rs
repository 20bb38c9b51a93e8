//! Where the gateways are.

use super::super::resolving::{RESOLVE_AGAIN, RESOLVE_RETRY};
use super::*;

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
        [Action::Say(State::Unreachable { unresolved, tried: false, .. })] if unresolved.len() == 1
    ));
    let again = scene.after(RESOLVE_RETRY);
    assert!(matches!(again[..], [Action::Resolve(_)]));
    assert_eq!(scene.feed(nothing()), [], "told once");
}

#[test]
fn a_name_without_an_address_is_told_when_the_others_do_not_answer_either() {
    let mut scene = Scene::attended();
    scene.start();
    let found = candidates(&summary());
    scene.report(Report::Unlocked(Box::new(summary())));
    let unresolved = || vec!["vpn.example.com".to_owned()];
    scene.feed(Input::Resolved {
        candidates: found,
        unresolved: unresolved(),
    });
    scene.feed(Input::Built(Ok(())));
    let unreachable = |unresolved| {
        say(State::Unreachable {
            now: UnixTime(TODAY),
            tried: true,
            unresolved,
        })
    };
    let said = scene.report(Report::Unreachable);
    assert_eq!(said[0], unreachable(unresolved()));
    // Until it has one.
    scene.feed(Input::Resolved {
        candidates: Vec::new(),
        unresolved: Vec::new(),
    });
    let said = scene.report(Report::Unreachable);
    assert_eq!(said[0], unreachable(Vec::new()));
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
