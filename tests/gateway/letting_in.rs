//! Who is let in: invitations, enrolments, renewals, and what is refused.

use rig::{desk::enrolment, programs};
use tokenvpn_common::{
    clock::UnixTime, invitation::Invitation, io::clock::unix_time, key::PrivateKey,
};

use super::{ENDPOINT, Place, fresh_key};

#[test]
fn an_invitation_that_nobody_gets_is_withdrawn() {
    let place = Place::new();
    let gateway = &place.gateway;
    for running in [false, true] {
        if running {
            gateway.start();
        }
        let invite = gateway.host().run("sh").args([
            "-c".as_ref(),
            "exec \"$0\" invite traveller > /dev/full".as_ref(),
            programs::gateway().as_os_str(),
        ]);
        invite.finish().expect_error(1, &["output", "withdrawn"]);
        let text = gateway.command(&["identities", "--json"]).ok();
        let listing: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(listing["invitations"], serde_json::json!([]), "{text}");
    }
}

#[test]
fn an_invitation_is_good_for_one_enrolment_whether_the_gateway_runs_or_not() {
    let place = Place::new();
    let gateway = &place.gateway;
    for running in [false, true] {
        let name = if running { "second" } else { "first" };
        if running {
            gateway.start();
        }
        let text = gateway.invite(name, &["--route", "10.20.0.0/24", "--dns", "10.20.0.80"]);
        let invitation = Invitation::from_toml(&text).unwrap();
        assert_eq!(invitation.gateway_public_key, place.gateway.own_key());
        assert_eq!(invitation.endpoints[0].to_string(), ENDPOINT);
        let allowed: Vec<_> = invitation
            .allowed_ips
            .iter()
            .map(|n| n.to_string())
            .collect();
        assert_eq!(allowed, ["10.77.0.0/24", "10.20.0.0/24"]);

        let key = PrivateKey::generate().public();
        let once = enrolment(&text, key);
        gateway.enrol(&once);
        let again = gateway.command(&["enrol"]).stdin(once).finish();
        again.expect_error(1, &["used already"]);
        if running {
            assert_eq!(gateway.peer(name).public_key, key);
        }
    }
    assert_eq!(place.names(), ["first", "second"]);
    assert_eq!(gateway.status().peers.len(), 2);
}

#[test]
fn a_renewal_takes_effect_when_it_is_enrolled() {
    let place = Place::new();
    let gateway = &place.gateway;
    gateway.start();
    let [old, new] = [(); 2].map(|()| PrivateKey::generate().public());
    gateway.enrol(&enrolment(&gateway.invite("traveller", &[]), old));
    let renewal = gateway.invite("traveller", &[]);
    let before = gateway.peer("traveller");
    assert_eq!(before.public_key, old);
    gateway.enrol(&enrolment(&renewal, new));
    let after = gateway.peer("traveller");
    assert_eq!(after.public_key, new);
    assert_eq!(after.allowed_ips, before.allowed_ips);
    assert_eq!(gateway.status().peers.len(), 1);

    let spare = PrivateKey::generate().public();
    gateway.enrol(&enrolment(
        &gateway.invite("traveller", &["--spare"]),
        spare,
    ));
    assert_eq!(gateway.status().peers.len(), 2);
    let key = new.to_string();
    gateway
        .command(&["revoke", "traveller", "--key", &key])
        .ok();
    assert_eq!(gateway.peer("traveller").public_key, spare);
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let place = Place::new();
    let gateway = &place.gateway;
    let low_order = "4Ot6fDtBuK4WVuP68Z/EatoJjeucMrH9hmIFFl9JuAA=";
    let [key, free] = [(); 2].map(|()| fresh_key());
    let own = place.gateway.own_key().to_string();
    gateway
        .command(&["add", "laptop", "--public-key", &key])
        .ok();
    let yesterday = UnixTime(unix_time().0 - 86_400).day();
    for running in [false, true] {
        if running {
            gateway.start();
        }
        let add = |more: &[&str], code, facts: &[&str]| {
            let finished = gateway.command(&["add", "phone"]).args(more).finish();
            assert_eq!(finished.stdout, "");
            finished.expect_error(code, facts);
        };
        add(
            &["--public-key", low_order],
            2,
            &["low order", "wg genkey | wg pubkey"],
        );
        add(
            &["--public-key", "AAAA"],
            2,
            &["44 characters", "wg genkey | wg pubkey"],
        );
        add(
            &["--public-key", &free, "--preshared-key", "/nope"],
            1,
            &["no preshared key at /nope", "wg genpsk > /nope"],
        );
        add(&["--public-key", &key], 1, &["enrolled already", "laptop"]);
        add(&["--public-key", &own], 1, &["gateway's own"]);
        for (address, fact) in [
            ("10.77.0.2", "taken"),
            ("10.77.0.1", "gateway's own"),
            ("10.78.0.2", "none of the tunnel's networks"),
        ] {
            add(
                &["--public-key", &free, "--address", address],
                1,
                &[address, fact],
            );
        }
        add(
            &["--public-key", &free, "--expires", &yesterday],
            1,
            &["ended"],
        );
        add(
            &["--public-key", &free, "--expires", "soon"],
            2,
            &["2026-11-29"],
        );
        for (words, code, fact) in [
            (
                &["add", "laptop", "--public-key", &free][..],
                1,
                "exists already",
            ),
            (&["add", "a\u{1b}[2Jb", "--public-key", &free], 2, "control"),
            (
                &["invite", "phone", "--route", "10.0.0.0/33"],
                2,
                "10.0.0.0/33",
            ),
            (
                &["invite", "phone", "--route", "nowhere"],
                2,
                "--route 10.20.0.0/16",
            ),
            (
                &["invite", "phone", "--route", "10.0.0.1/8"],
                2,
                "10.0.0.0/8",
            ),
            (
                &["invite", "phone", "--route", "127.0.0.0/8"],
                1,
                "127.0.0.0/8",
            ),
            (
                &["invite", "phone", "--endpoint", "127.0.0.1:1"],
                1,
                "127.0.0.1:1",
            ),
            (&["invite", "phone", "--dns", "224.0.0.1"], 1, "224.0.0.1"),
            (&["invite", "phone", "--spare"], 1, "no phone"),
            (&["revoke", "phone"], 1, "no phone"),
            (&["revoke", "laptop", "--key", &free], 1, "no such key"),
        ] {
            let finished = gateway.command(words).finish();
            assert_eq!(finished.stdout, "");
            finished.expect_error(code, &[fact]);
        }
        for (text, facts) in [
            ("", &["empty"][..]),
            ("version = 1\nnonsense\n", &["line 2"]),
            (
                &format!(
                    "version = 1\nid = \"{}\"\nname = \"x\"\npublic_key = \"{free}\"\nserial = 1\n",
                    "0".repeat(32)
                ),
                &["unknown here"],
            ),
            (
                &format!(
                    "version = 1\nid = \"{}\"\nname = \"x\"\npublic_key = \"{low_order}\"\nserial = 1\n",
                    "0".repeat(32)
                ),
                &["line 4", "low order"],
            ),
        ] {
            let enrol = gateway.command(&["enrol"]).stdin(text).finish();
            enrol.expect_error(1, facts);
        }
        assert_eq!(place.names(), ["laptop"]);
    }
}
