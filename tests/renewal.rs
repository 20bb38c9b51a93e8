//! `tokenvpn token renew` and `edit`, and further tokens of one name, from card to gateway.

use rig::card::{FACTORY_PIN, Slot};
use rig::client::PIN_FD;
use rig::desk::{Desk, invitation};
use rig::scene::{INNER_NETWORK, PAGE};
use rig::{Card, Gateway, Scene};
use serde_json::Value;
use tokenvpn_common::invitation::{Enrolment, Invitation};

fn text(invitation: &Invitation) -> String {
    invitation.to_toml().unwrap().to_string()
}

/// A desk with a token, and the invitation it was issued from.
fn issued(options: &[&str]) -> (Desk, Invitation) {
    let desk = Desk::new();
    let invitation = invitation();
    let words = [&["issue"], options].concat();
    desk.token(&words, desk.card.pin(), &text(&invitation))
        .expect_code(0);
    desk.card.reset_counts();
    (desk, invitation)
}

/// The invitation that renews a token.
fn renewal(first: &Invitation) -> Invitation {
    Invitation {
        name: first.name.clone(),
        expires: Some("2100-06-30".parse().unwrap()),
        endpoints: vec!["osaka.example:51820".parse().unwrap()],
        ..invitation()
    }
}

#[test]
fn a_renewed_token_keeps_its_key_and_gets_all_else_from_the_invitation() {
    let (desk, first) = issued(&[]);
    let before = desk.shown();
    desk.card.reset_counts();
    let renewal = renewal(&first);
    let pin = desk.card.pin();
    let renewed = desk.converse(&["renew"], &text(&renewal), &[("3 tries left: ", pin)]);
    let renewed = renewed.expect(0, &["osaka.example", "2100-06-30", "read back"]);
    let counts = desk.card.counts();
    assert_eq!((counts.pins, counts.right_pins), (1, 1));

    let enrolment = Enrolment::from_toml(&renewed.stdout).unwrap();
    assert_eq!((enrolment.id, enrolment.serial), (renewal.id, 2));
    let after = desk.shown();
    assert_eq!(
        after["profile"]["public_key"],
        before["profile"]["public_key"]
    );
    assert_eq!(
        after["profile"]["public_key"],
        enrolment.public_key.to_string()
    );
    let expires = renewal.expires.unwrap().0;
    assert_eq!(after["profile"]["not_after"], expires);
    assert_eq!(after["label"]["not_after"], expires);
    assert_eq!(after["label"]["serial"], 2);
    assert_eq!(
        after["profile"]["gateways"][0]["endpoints"][0],
        "osaka.example:51820"
    );
}

#[test]
fn what_a_renewal_takes_off_a_token_is_told() {
    let (desk, first) = issued(&[]);
    let renewal = Invitation {
        gateway_public_key: first.gateway_public_key,
        allowed_ips: vec!["10.21.0.0/16".parse().unwrap()],
        dns: Vec::new(),
        ..renewal(&first)
    };
    let renewed = desk.token(&["renew"], desk.card.pin(), &text(&renewal));
    let said = renewed.expect_code(0).stderr;
    let (_, dropped) = said.split_once("No longer on the token:\n").unwrap();
    let dropped: Vec<_> = dropped.lines().take(2).collect();
    assert_eq!(
        dropped,
        ["Routes      10.20.0.0/16", "DNS         10.77.0.1"]
    );
    // Its gateway is not: that one has invited.
    assert_eq!(said.matches("Gateway").count(), 1, "{said}");
}

#[test]
fn a_renewed_token_has_another_key_if_that_is_wanted() {
    let (desk, first) = issued(&[]);
    let before = desk.shown();
    let words = ["renew", "--new-key"];
    let renewed = desk.token(&words, desk.card.pin(), &text(&renewal(&first)));
    let enrolment = Enrolment::from_toml(&renewed.expect_code(0).stdout).unwrap();
    let after = desk.shown();
    assert_eq!(
        after["profile"]["public_key"],
        enrolment.public_key.to_string()
    );
    assert_ne!(
        after["profile"]["public_key"],
        before["profile"]["public_key"]
    );
}

#[test]
fn a_token_without_a_label_is_renewed_and_edited_without_one() {
    let (desk, first) = issued(&["--no-label"]);
    let pin = desk.card.pin();
    desk.token(&["renew"], pin, &text(&renewal(&first)))
        .expect_code(0);
    desk.token(&["edit", "--name", "other"], pin, "")
        .expect_code(0);
    let shown = desk.shown();
    assert_eq!(shown["label"]["state"], "empty");
    assert_eq!(shown["profile"]["name"], "other");
}

#[test]
fn only_what_the_invitation_is_for_is_renewed() {
    let (desk, first) = issued(&[]);
    let pin = desk.card.pin();
    let renewal = renewal(&first);
    let other_name = Invitation {
        name: "somebody".parse().unwrap(),
        ..renewal.clone()
    };
    let other_key = Invitation {
        addresses: vec!["10.77.0.8/24".parse().unwrap()],
        ..renewal.clone()
    };
    let late = Invitation {
        valid_until: "2026-11-02".parse().unwrap(),
        ..renewal.clone()
    };
    for (stdin, facts) in [
        (
            text(&other_name),
            &["traveller", "somebody", "token issue"][..],
        ),
        (
            text(&other_key),
            &["10.77.0.7", "10.77.0.8", "--address 10.77.0.7"],
        ),
        (text(&late), &["valid until"]),
        (String::new(), &["empty"]),
    ] {
        let renewed = desk.token(&["renew"], pin, &stdin).expect_error(1, facts);
        assert_eq!(renewed.stdout, "");
    }
    assert_eq!(desk.card.counts().writes, 0);
    desk.computer
        .tokenvpn(&["token", "renew"])
        .stdin(text(&renewal))
        .finish()
        .expect_error(4, &["no terminal"]);

    let empty = Desk::new();
    empty
        .token(&["renew"], empty.card.pin(), &text(&renewal))
        .expect_error(8, &["holds no VPN profile"]);
    let new = Desk::with(|world| Card::with_pin(world, "new", FACTORY_PIN));
    new.token(&["renew"], FACTORY_PIN, &text(&renewal))
        .expect_error(1, &["PIN of every new one"]);
}

#[test]
fn a_second_gateway_is_added_beside_the_first_and_taken_off_again() {
    let (desk, first) = issued(&[]);
    let pin = desk.card.pin();
    let before = desk.shown();
    desk.card.reset_counts();
    let second = Invitation {
        expires: Some("2098-06-30".parse().unwrap()),
        endpoints: vec!["osaka.example:51820".parse().unwrap()],
        ..invitation()
    };
    let added = desk.converse(&["add-gateway"], &text(&second), &[("3 tries left: ", pin)]);
    let added = added.expect(
        0,
        &["tokyo.example", "osaka.example", "2098-06-30", "read back"],
    );
    assert!(
        added.said.contains("Not taken from the invitation"),
        "{}",
        added.said
    );
    let counts = desk.card.counts();
    assert_eq!((counts.pins, counts.right_pins), (1, 1));
    let enrolment = Enrolment::from_toml(&added.stdout).unwrap();
    assert_eq!(
        (enrolment.id.clone(), enrolment.serial),
        (second.id.clone(), 2)
    );

    let after = desk.shown();
    let profile = &after["profile"];
    assert_eq!(profile["public_key"], enrolment.public_key.to_string());
    for kept in ["public_key", "not_after", "addresses", "allowed_ips", "dns"] {
        assert_eq!(profile[kept], before["profile"][kept], "{kept}");
    }
    let key = |at: usize| profile["gateways"][at]["public_key"].clone();
    assert_eq!(
        [key(0), key(1), key(2)],
        [
            first.gateway_public_key.to_string().into(),
            second.gateway_public_key.to_string().into(),
            Value::Null
        ]
    );

    desk.token(&["add-gateway"], pin, &text(&second))
        .expect_error(1, &["on the token already", "token renew"]);
    desk.token(&["edit", "--remove-gateway", "3"], pin, "")
        .expect_error(2, &["no gateway 3", "2 gateways"]);
    assert_eq!(desk.shown(), after);

    let words = ["edit", "--remove-gateway", "1"];
    desk.token(&words, pin, "").expect_code(0);
    let left = desk.shown()["profile"]["gateways"].clone();
    assert_eq!(left, serde_json::json!([profile["gateways"][1]]));
    desk.token(&words, pin, "")
        .expect_error(1, &["only gateway", "token erase"]);
}

#[test]
fn a_gateway_that_does_not_belong_on_the_token_is_not_added() {
    let (desk, _) = issued(&[]);
    let pin = desk.card.pin();
    let other_name = Invitation {
        name: "somebody".parse().unwrap(),
        ..invitation()
    };
    let other_address = Invitation {
        addresses: vec!["10.77.0.8/24".parse().unwrap()],
        ..invitation()
    };
    let late = Invitation {
        valid_until: "2026-11-02".parse().unwrap(),
        ..invitation()
    };
    for (stdin, facts) in [
        (text(&other_name), &["traveller", "somebody"][..]),
        (text(&other_address), &["10.77.0.8", "--address 10.77.0.7"]),
        (text(&late), &["valid until"]),
        (String::new(), &["empty"]),
    ] {
        let added = desk.token(&["add-gateway"], pin, &stdin);
        assert_eq!(added.expect_error(1, facts).stdout, "");
    }
    assert_eq!(desk.card.counts().writes, 0);
    let empty = Desk::new();
    empty
        .token(&["add-gateway"], empty.card.pin(), &text(&invitation()))
        .expect_error(8, &["holds no VPN profile"]);
}

#[test]
fn a_gateway_that_does_not_invite_is_told_to_be_gone() {
    let (desk, first) = issued(&[]);
    let pin = desk.card.pin();
    let renewal = renewal(&first);
    let renewed = desk.token(&["renew"], pin, &text(&renewal));
    let told = renewed.expect_code(0).stderr;
    let (_, gone) = told.split_once("No longer on the token:").unwrap();
    assert!(
        gone.contains(&first.gateway_public_key.to_string()),
        "{told}"
    );
    assert!(gone.contains("tokyo.example:51820"), "{told}");
}

#[test]
fn an_edited_token_differs_in_what_was_said_and_in_nothing_else() {
    let (desk, _) = issued(&[]);
    let before = desk.shown();
    let pin = desk.card.pin();
    let words = ["edit", "--endpoint", "osaka.example:443", "--endpoint"];
    let words = [
        &words[..],
        &["[2001:db8::5]:51820", "--route", "10.0.0.0/8"],
    ]
    .concat();
    let words = [&words[..], &["--dns", "10.77.0.2", "--name", "roamer"]].concat();
    let edited = desk.converse(&words, "", &[("3 tries left: ", pin)]);
    let edited = edited.expect(0, &["osaka.example:443", "10.0.0.0/8", "read back"]);
    assert_eq!(edited.stdout, "");
    assert_eq!(desk.card.counts().right_pins, 2);

    let mut expected = before.clone();
    let profile = &mut expected["profile"];
    profile["gateways"][0]["endpoints"] =
        serde_json::json!(["osaka.example:443", "[2001:db8::5]:51820"]);
    profile["allowed_ips"] = serde_json::json!(["10.0.0.0/8"]);
    profile["dns"] = serde_json::json!(["10.77.0.2"]);
    for object in ["profile", "label"] {
        expected[object]["name"] = "roamer".into();
        expected[object]["serial"] = 2.into();
    }
    let mut after = desk.shown();
    for written in ["issued", "bytes"] {
        expected["profile"][written] = Value::Null;
        after["profile"][written] = Value::Null;
    }
    assert_eq!(after, expected);

    desk.token(&["edit", "--no-dns"], pin, "").expect_code(0);
    assert_eq!(desk.shown()["profile"]["dns"], serde_json::json!([]));
}

#[test]
fn what_no_profile_may_say_is_not_edited_in() {
    let (desk, _) = issued(&[]);
    let pin = desk.card.pin();
    for (words, code, facts) in [
        (&["edit"][..], 2, &["--endpoint"][..]),
        (&["edit", "--dns", "10.0.0.1", "--no-dns"], 2, &["--no-dns"]),
        (&["edit", "--endpoint", "osaka.example"], 2, &["HOST:PORT"]),
        (&["edit", "--route", "10.0.0.1/8"], 1, &["10.0.0.1/8"]),
        (&["edit", "--endpoint", "127.0.0.1:1"], 1, &["127.0.0.1:1"]),
        (&["edit", "--dns", "127.0.0.53"], 1, &["127.0.0.53"]),
    ] {
        desk.token(words, pin, "").expect_error(code, facts);
    }
    assert_eq!(desk.card.counts().all, 0, "nobody types a PIN for that");
}

/// The gateway's keys: of the first token and of the spare.
fn keys(gateway: &Gateway) -> [Option<String>; 2] {
    let list = gateway.command(&["identities", "--json"]).ok();
    let list: Value = serde_json::from_str(&list).unwrap();
    let key = |spare: bool| {
        let identities = list["identities"].as_array().unwrap();
        let found = identities.iter().find(|one| one["spare"] == spare)?;
        Some(found["public_key"].as_str().unwrap().to_owned())
    };
    [key(false), key(true)]
}

#[test]
fn a_renewed_token_connects_with_the_old_key_or_a_new_one() {
    let scene = Scene::new();
    let gateway = scene.start_gateway();
    let card = scene.issue(&gateway, "traveller");
    let _web = scene.serve();
    let [issued, _] = keys(&gateway);
    for (options, same) in [(&[][..], true), (&["--new-key"], false)] {
        card.insert();
        scene.one.await_token(&card.ident());
        let number = PIN_FD.to_string();
        let renewed = scene
            .one
            .tokenvpn(&["token", "renew", "--pin-fd", &number])
            .args(options)
            .text_on(PIN_FD, card.pin())
            .stdin(gateway.invite("traveller", &["--route", INNER_NETWORK]))
            .ok();
        gateway.enrol(&renewed);
        assert_eq!(keys(&gateway)[0] == issued, same);
        card.remove();
        let up = scene.connect(&scene.one, &card);
        assert!(scene.one.fetch(PAGE).is_some());
        card.remove();
        up.await_state("token_removed");
        up.process().kill();
    }
}

#[test]
fn each_of_two_tokens_of_one_name_can_be_revoked_alone() {
    for revoked in [0, 1] {
        let scene = Scene::new();
        let gateway = scene.start_gateway();
        let first = scene.issue(&gateway, "traveller");
        let _web = scene.serve();
        let spare = Card::new(&scene.world, "spare").with_serial("8a1b2c3d");
        spare.connect_to(&scene.one, Slot::Second);
        spare.insert();
        scene.one.await_token(&spare.ident());
        let invitation = gateway.invite("traveller", &["--spare", "--route", INNER_NETWORK]);
        gateway.enrol(&scene.one.issue(&invitation, spare.pin()));
        spare.remove();
        let [Some(first_key), Some(spare_key)] = keys(&gateway) else {
            panic!("two keys were enrolled");
        };

        let mut addresses = Vec::new();
        for card in [&first, &spare] {
            let up = scene.connect(&scene.one, card);
            card.remove();
            up.await_state("token_removed");
            let event = up.events().into_iter().find(|event| event["state"] == "up");
            addresses.push(event.unwrap()["addresses"].clone());
            up.process().kill();
        }
        assert_ne!(addresses[0], addresses[1]);

        let key = [&first_key, &spare_key][revoked];
        gateway.command(&["revoke", "traveller", "--key", key]).ok();
        let [lost, kept] = match revoked {
            0 => [&first, &spare],
            _ => [&spare, &first],
        };
        let up = scene.connect(&scene.one, kept);
        assert!(scene.one.fetch(PAGE).is_some());
        kept.remove();
        up.await_state("token_removed");
        up.process().kill();
        let up = scene
            .one
            .up(lost.pin(), &["--ready-timeout", "3", "--once"]);
        lost.insert();
        assert_eq!(up.process().exit_code(rig::wait::SOON), 9);
    }
}
