//! What an object holds, in words and in JSON.

use std::fmt::Display;

use ipnet::IpNet;
use serde_json::{Value, json};
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::io::card::Facts;
use tokenvpn_common::profile::Profile;
use tokenvpn_common::token::{Content, Label};

use crate::words::{Failure, State};

/// A line of what people read: what it is about, and what it says.
pub(super) type Line = (&'static str, String);

/// Lines as text, in two columns.
pub(super) fn columns(lines: &[Line]) -> String {
    lines
        .iter()
        .map(|(about, what)| format!("{about:<12}{what}\n"))
        .collect()
}

/// What a card says about itself.
pub(super) fn facts_lines(facts: &Facts, now: UnixTime) -> Vec<Line> {
    let Facts {
        ident,
        manufacturer,
        version: (major, minor),
        ..
    } = facts;
    vec![
        (
            "Token",
            format!("{ident} ({manufacturer}, OpenPGP card {major}.{minor})"),
        ),
        ("Room", format!("{} bytes", facts.room)),
        ("PIN", format!("tries left: {}", facts.tries_left)),
        ("Label", label_text(&facts.label, now)),
    ]
}

pub(super) fn facts_json(facts: &Facts) -> Value {
    let (major, minor) = facts.version;
    json!({
        "token": facts.ident,
        "manufacturer": facts.manufacturer,
        "version": format!("{major}.{minor}"),
        "room": facts.room,
        "tries_left": facts.tries_left,
        "label": label_json(&facts.label),
    })
}

/// Everything in a profile that is no secret.
pub(super) fn profile_lines(profile: &Profile) -> Vec<Line> {
    let mut lines = vec![
        (
            "Name",
            format!("{}, serial {}", profile.name, profile.serial),
        ),
        ("Issued", profile.issued.to_string()),
    ];
    let dates = [
        ("Valid from", profile.not_before),
        ("Valid until", profile.not_after),
    ];
    for (about, date) in dates {
        lines.extend(date.map(|date| (about, date.to_string())));
    }
    lines.push(("Public key", profile.private_key.public().to_string()));
    for gateway in &profile.gateways {
        let preshared = match gateway.preshared_key {
            Some(_) => ", with a preshared key",
            None => "",
        };
        let at = list(&gateway.endpoints);
        let gateway = format!("{}{preshared}, at {at}", gateway.public_key);
        lines.push(("Gateway", gateway));
    }
    lines.push(("Addresses", list(&profile.addresses)));
    lines.push(("Routes", list(&profile.allowed_ips)));
    if !profile.dns.is_empty() {
        lines.push(("DNS", list(&profile.dns)));
    }
    lines.push(("MTU", format!("{} bytes", profile.mtu)));
    let keepalive = match profile.keepalive {
        0 => "off".into(),
        seconds => format!("every {seconds} s"),
    };
    lines.push(("Keepalive", keepalive));
    lines
}

pub(super) fn size_line(bytes: usize, room: usize) -> Line {
    ("Size", format!("{bytes} of {room} bytes"))
}

pub(super) fn profile_json(content: &Content<Profile>, bytes: usize) -> Value {
    json(content, |profile| {
        let gateways: Vec<_> = profile
            .gateways
            .iter()
            .map(|gateway| {
                json!({
                    "public_key": gateway.public_key,
                    "preshared_key": gateway.preshared_key.is_some(),
                    "endpoints": gateway.endpoints,
                })
            })
            .collect();
        json!({
            "state": "valid",
            "bytes": bytes,
            "name": profile.name,
            "serial": profile.serial,
            "issued": profile.issued,
            "not_before": profile.not_before,
            "not_after": profile.not_after,
            "public_key": profile.private_key.public(),
            "gateways": gateways,
            "addresses": profile.addresses,
            "allowed_ips": profile.allowed_ips,
            "dns": profile.dns,
            "mtu": profile.mtu,
            "keepalive": profile.keepalive,
        })
    })
}

pub(super) fn label_json(content: &Content<Label>) -> Value {
    json(content, |label| {
        json!({
            "state": "valid",
            "name": label.name,
            "serial": label.serial,
            "not_after": label.not_after,
        })
    })
}

/// `traveller, until 2026-11-29`
pub(super) fn label_text(content: &Content<Label>, now: UnixTime) -> String {
    text(content, "label", |label| match label.not_after {
        None => label.name.to_string(),
        Some(end) if end < now => format!("{}, expired on {}", label.name, end.day()),
        Some(end) => format!("{}, until {}", label.name, end.day()),
    })
}

/// `the profile of traveller, serial 1`
pub(super) fn profile_text(content: &Content<Profile>) -> String {
    text(content, "profile", |profile| {
        format!("the profile of {}, serial {}", profile.name, profile.serial)
    })
}

/// The profile, or why there is none to use.
pub(super) fn holds_profile(content: &Content<Profile>) -> Result<&Profile, Failure> {
    let object = "profile".to_owned();
    let state = match content {
        Content::Holds(profile) => return Ok(profile),
        Content::Empty => State::Empty,
        Content::Foreign => State::Foreign,
        Content::Damaged { check } => State::Damaged {
            object,
            check: check.to_string(),
        },
        Content::TooNew { what } => State::TooNew {
            object,
            what: what.to_string(),
        },
    };
    Err(state.into())
}

fn text<T>(content: &Content<T>, object: &str, held: impl FnOnce(&T) -> String) -> String {
    match content {
        Content::Holds(value) => held(value),
        Content::Empty => format!("no {object}"),
        Content::Foreign => "another program's data".into(),
        Content::Damaged { check } => format!("a damaged {object} ({check})"),
        Content::TooNew { what } => format!("a newer tokenvpn's {object} ({what})"),
    }
}

fn json<T>(content: &Content<T>, held: impl FnOnce(&T) -> Value) -> Value {
    match content {
        Content::Holds(value) => held(value),
        Content::Empty => json!({ "state": "empty" }),
        Content::Foreign => json!({ "state": "foreign" }),
        Content::Damaged { check } => json!({ "state": "damaged", "check": check.to_string() }),
        Content::TooNew { what } => json!({ "state": "too_new", "what": what.to_string() }),
    }
}

/// `10.77.0.7, fd77::7`, without the networks' prefixes.
pub(super) fn addresses_text(addresses: &[IpNet]) -> String {
    let addresses: Vec<_> = addresses.iter().map(IpNet::addr).collect();
    list(&addresses)
}

fn list<T: Display>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(T::to_string).collect();
    items.join(", ")
}
