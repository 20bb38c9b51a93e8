//! What `gateway.toml` says of itself, and what is said of its mistakes.

use tokenvpn_common::language::say;

type Text = fn() -> String;

/// Each key with what `init` writes above it, in the order of `Config`.
pub(crate) const CONFIG_COMMENTS: [(&str, Text); 13] = [
    ("interface", || say().comment_on_interface()),
    ("listen_port", || say().comment_on_listen_port()),
    ("endpoints", || say().comment_on_endpoints()),
    ("networks", || say().comment_on_networks()),
    ("routes", || say().comment_on_routes()),
    ("dns", || say().comment_on_dns()),
    ("mtu", || say().comment_on_mtu()),
    ("keepalive", || say().comment_on_keepalive()),
    ("workers", || say().comment_on_workers()),
    ("invitation_days", || say().comment_on_invitation_days()),
    ("state_dir", || say().comment_on_state_dir()),
    ("runtime_dir", || say().comment_on_runtime_dir()),
    ("private_key_file", || say().comment_on_private_key_file()),
];

/// A line with a key that has no default.
pub(crate) fn config_example(key: &str) -> Option<&'static str> {
    match key {
        "interface" => Some("interface = \"tokenvpn-gw\""),
        "listen_port" => Some("listen_port = 51820"),
        "endpoints" => Some("endpoints = [\"vpn.example:51820\"]"),
        "networks" => Some("networks = [\"10.77.0.0/24\"]"),
        _ => None,
    }
}

/// serde's message in one line, and without Rust's names for types.
pub(crate) fn config_mistake(message: &str) -> String {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let unknown = message.strip_prefix("unknown field `");
    if let Some((key, _)) = unknown.and_then(|unknown| unknown.split_once('`')) {
        let keys = CONFIG_COMMENTS.map(|(key, _)| key).join(", ");
        return say().unknown_configuration_key(&key, &keys);
    }
    let wrong = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix));
    let Some((found, expected)) = wrong.and_then(|wrong| wrong.rsplit_once(", expected ")) else {
        return message;
    };
    match expected {
        "u8" => say().has_to_be_u8(&found),
        "u16" => say().has_to_be_u16(&found),
        "a sequence" => say().has_to_be_list(&found),
        "a string" | "path string" => say().has_to_be_quoted(&found),
        other => say().has_to_be(&other, &found),
    }
}
