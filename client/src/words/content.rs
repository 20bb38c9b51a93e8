//! What a token holds.

use ipnet::IpNet;
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::io::card::Facts;
use tokenvpn_common::language::say;
use tokenvpn_common::profile::{Gateway, Profile};
use tokenvpn_common::token::{Content, Label};

use super::list;

/// A line: what it is about, and what it says.
pub(crate) type Line = (String, String);

/// Lines as text, in two columns.
pub(crate) fn columns(lines: &[Line]) -> String {
    lines
        .iter()
        .map(|(about, what)| format!("{about:<11} {what}\n"))
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
            say().about_token(),
            say().token_and_card(ident, &manufacturer, major, minor),
        ),
        (say().about_room(), say().room_in_bytes(&facts.room)),
        (say().about_pin(), say().pin_tries_left(&facts.tries_left)),
        (say().about_label(), label_text(&facts.label, now)),
    ]
}

/// The name that the card itself has, if any.
pub(crate) fn card_name_line(name: &str) -> Line {
    (say().about_card_name(), name.escape_debug().to_string())
}

/// Everything in a profile that is no secret.
pub(crate) fn profile_lines(profile: &Profile) -> Vec<Line> {
    let mut lines = vec![
        (
            say().about_name(),
            say().name_and_serial(&profile.name, &profile.serial),
        ),
        (say().about_issued(), profile.issued.to_string()),
    ];
    lines.extend(dates_lines(profile));
    lines.push((
        say().about_public_key(),
        profile.private_key.public().to_string(),
    ));
    lines.extend(profile.gateways.iter().map(gateway_line));
    lines.push((say().about_addresses(), list(&profile.addresses)));
    lines.extend(settings_lines(profile));
    lines
}

/// A gateway, without its preshared key.
pub(crate) fn gateway_line(gateway: &Gateway) -> Line {
    let (key, endpoints) = (&gateway.public_key, list(&gateway.endpoints));
    let what = match gateway.preshared_key {
        Some(_) => say().gateway_with_preshared_key_at(key, &endpoints),
        None => say().gateway_at(key, &endpoints),
    };
    (say().about_gateway(), what)
}

/// What a token has once, for all its gateways, its key and its addresses apart.
pub(crate) fn shared_lines(profile: &Profile) -> Vec<Line> {
    [dates_lines(profile), settings_lines(profile)].concat()
}

fn dates_lines(profile: &Profile) -> Vec<Line> {
    let dates = [
        (say().about_valid_from(), profile.not_before),
        (say().about_valid_until(), profile.not_after),
    ];
    let line = |(about, date): (_, Option<UnixTime>)| Some((about, date?.to_string()));
    let mut lines: Vec<_> = dates.into_iter().filter_map(line).collect();
    if profile.not_after.is_none() {
        lines.push((say().about_valid_until(), say().valid_until_revoked()));
    }
    lines
}

fn settings_lines(profile: &Profile) -> Vec<Line> {
    let mut lines = vec![(say().about_routes(), list(&profile.allowed_ips))];
    if !profile.dns.is_empty() {
        lines.push((say().about_dns(), list(&profile.dns)));
    }
    lines.push((say().about_mtu(), say().mtu_in_bytes(&profile.mtu)));
    let keepalive = match profile.keepalive {
        0 => say().keepalive_off(),
        seconds => say().keepalive_every(&seconds),
    };
    lines.push((say().about_keepalive(), keepalive));
    lines
}

/// The routes and name servers of one profile that another lacks.
pub(crate) fn networks_dropped(old: &Profile, new: &Profile) -> Vec<Line> {
    let dropped = [
        (
            say().about_routes(),
            list(&lacking(&old.allowed_ips, &new.allowed_ips)),
        ),
        (say().about_dns(), list(&lacking(&old.dns, &new.dns))),
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
    (say().about_size(), say().size_of_room(&bytes, &room))
}

/// `0006:12345678  traveller, until 2026-11-29`
pub(crate) fn listed(facts: &Facts, now: UnixTime) -> String {
    let label = match &facts.label {
        Content::Empty => say().listed_without_label(),
        label => label_text(label, now),
    };
    let label = match facts.tries_left {
        0 => say().listed_with_pin_blocked(&label),
        _ => label,
    };
    format!("{}  {label}", facts.ident)
}

/// `traveller, until 2026-11-29`
pub(crate) fn label_text(content: &Content<Label>, now: UnixTime) -> String {
    match content {
        Content::Holds(label) => match label.not_after {
            None => label.name.to_string(),
            Some(end) if end < now => say().label_expired_on(&label.name, &end.day()),
            Some(end) => say().label_until(&label.name, &end.day()),
        },
        Content::Empty => say().label_absent(),
        Content::Foreign => say().data_of_another_program(),
        Content::Damaged { check } => say().label_damaged(check),
        Content::TooNew { what } => say().label_too_new(what),
    }
}

/// `the profile of traveller, serial 1`
pub(crate) fn profile_text(content: &Content<Profile>) -> String {
    match content {
        Content::Holds(profile) => say().profile_of(&profile.name, &profile.serial),
        Content::Empty => say().profile_absent(),
        Content::Foreign => say().data_of_another_program(),
        Content::Damaged { check } => say().profile_damaged(check),
        Content::TooNew { what } => say().profile_too_new(what),
    }
}

/// `10.77.0.7, fd77::7`, without the networks' prefixes.
pub(crate) fn addresses(addresses: &[IpNet]) -> String {
    let addresses: Vec<_> = addresses.iter().map(IpNet::addr).collect();
    list(&addresses)
}
