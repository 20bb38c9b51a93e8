//! What a token holds.

use ipnet::IpNet;
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::io::card::{Facts, HolderName};
use tokenvpn_common::profile::{Gateway, Profile};
use tokenvpn_common::token::{Content, Ident, Label};

use super::list;

/// A line: what it is about, and what it says.
pub(crate) type Line = (&'static str, String);

/// Lines as text, in two columns.
pub(crate) fn columns(lines: &[Line]) -> String {
    lines
        .iter()
        .map(|(about, what)| format!("{about:<12}{what}\n"))
        .collect()
}

/// What a card says about itself.
pub(crate) fn facts_lines(facts: &Facts, now: UnixTime) -> Vec<Line> {
    let Facts {
        ident,
        manufacturer,
        version: (major, minor),
        ..
    } = facts;
    // Some makers' names are sentences.
    let manufacturer = manufacturer.trim_end_matches('.');
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

/// The name that the card itself has, if any.
pub(crate) fn card_name_line(name: &str) -> Line {
    ("Card name", name.escape_debug().to_string())
}

/// The card has another name now.
pub(crate) fn card_named(token: Ident, name: &HolderName) -> String {
    format!("The card {token} is called {name} now.")
}

/// Everything in a profile that is no secret.
pub(crate) fn profile_lines(profile: &Profile) -> Vec<Line> {
    let mut lines = vec![
        (
            "Name",
            format!("{}, serial {}", profile.name, profile.serial),
        ),
        ("Issued", profile.issued.to_string()),
    ];
    lines.extend(dates_lines(profile));
    lines.push(("Public key", profile.private_key.public().to_string()));
    lines.extend(profile.gateways.iter().map(gateway_line));
    lines.push(("Addresses", list(&profile.addresses)));
    lines.extend(settings_lines(profile));
    lines
}

/// A gateway, without its preshared key.
pub(crate) fn gateway_line(gateway: &Gateway) -> Line {
    let preshared = match gateway.preshared_key {
        Some(_) => ", with a preshared key",
        None => "",
    };
    let at = list(&gateway.endpoints);
    let gateway = format!("{}{preshared}, at {at}", gateway.public_key);
    ("Gateway", gateway)
}

/// What a token has once, for all its gateways, its key and its addresses apart.
pub(crate) fn shared_lines(profile: &Profile) -> Vec<Line> {
    [dates_lines(profile), settings_lines(profile)].concat()
}

fn dates_lines(profile: &Profile) -> Vec<Line> {
    let dates = [
        ("Valid from", profile.not_before),
        ("Valid until", profile.not_after),
    ];
    let line = |(about, date): (_, Option<UnixTime>)| Some((about, date?.to_string()));
    let mut lines: Vec<_> = dates.into_iter().filter_map(line).collect();
    if profile.not_after.is_none() {
        lines.push(("Valid until", "it is revoked".into()));
    }
    lines
}

fn settings_lines(profile: &Profile) -> Vec<Line> {
    let mut lines = vec![("Routes", list(&profile.allowed_ips))];
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

/// The routes and name servers of one profile that another lacks.
pub(crate) fn networks_dropped(old: &Profile, new: &Profile) -> Vec<Line> {
    let dropped = [
        ("Routes", list(&lacking(&old.allowed_ips, &new.allowed_ips))),
        ("DNS", list(&lacking(&old.dns, &new.dns))),
    ];
    let is_some = |(_, text): &Line| !text.is_empty();
    dropped.into_iter().filter(is_some).collect()
}

fn lacking<T: Copy + PartialEq>(old: &[T], new: &[T]) -> Vec<T> {
    let is_lacking = |item: &T| !new.contains(item);
    old.iter().copied().filter(is_lacking).collect()
}

/// How much of the room a profile takes.
pub(crate) fn size_line(bytes: usize, room: usize) -> Line {
    ("Size", format!("{bytes} of {room} bytes"))
}

/// `0006:12345678  traveller, until 2026-11-29`
pub(crate) fn listed(facts: &Facts, now: UnixTime) -> String {
    let blocked = match facts.tries_left {
        0 => ", PIN blocked",
        _ => "",
    };
    let label = match &facts.label {
        Content::Empty => "empty, or issued without a label".into(),
        label => label_text(label, now),
    };
    format!("{}  {label}{blocked}", facts.ident)
}

/// `traveller, until 2026-11-29`
pub(crate) fn label_text(content: &Content<Label>, now: UnixTime) -> String {
    text(content, "label", |label| match label.not_after {
        None => label.name.to_string(),
        Some(end) if end < now => format!("{}, expired on {}", label.name, end.day()),
        Some(end) => format!("{}, until {}", label.name, end.day()),
    })
}

/// `the profile of traveller, serial 1`
pub(crate) fn profile_text(content: &Content<Profile>) -> String {
    text(content, "profile", |profile| {
        format!("the profile of {}, serial {}", profile.name, profile.serial)
    })
}

fn text<T>(content: &Content<T>, object: &str, held: impl FnOnce(&T) -> String) -> String {
    match content {
        Content::Holds(value) => held(value),
        Content::Empty => format!("no {object}"),
        Content::Foreign => FOREIGN.into(),
        Content::Damaged { check } => format!("a damaged {object} ({check})"),
        Content::TooNew { what } => format!("a newer tokenvpn's {object} ({what})"),
    }
}

/// What is not ours.
pub(crate) const FOREIGN: &str = "another program's data";

/// `10.77.0.7, fd77::7`, without the networks' prefixes.
pub(crate) fn addresses(addresses: &[IpNet]) -> String {
    let addresses: Vec<_> = addresses.iter().map(IpNet::addr).collect();
    list(&addresses)
}
