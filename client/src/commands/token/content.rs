//! What an object holds, for programs.

use serde_json::{Value, json};
use tokenvpn_common::io::card::Facts;
use tokenvpn_common::profile::Profile;
use tokenvpn_common::token::{Content, Label};

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

fn json<T>(content: &Content<T>, held: impl FnOnce(&T) -> Value) -> Value {
    match content {
        Content::Holds(value) => held(value),
        Content::Empty => json!({ "state": "empty" }),
        Content::Foreign => json!({ "state": "foreign" }),
        Content::Damaged { check } => json!({ "state": "damaged", "check": check.to_string() }),
        Content::TooNew { what } => json!({ "state": "too_new", "what": what.to_string() }),
    }
}
