//! What `status` shows.

use std::io;

use ipnet::IpNet;
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::status::{Peer, Status};
use tokenvpn_common::watch::{Watch, amount};

use super::{count, list};
use crate::words::{Doing, Failure, code, printable};

/// The status in a few lines.
pub(crate) fn status(interface: &str, status: &Status, now: UnixTime) -> String {
    let mut lines = vec![format!("{interface}: {}", state(status))];
    let mut line = |name: &str, value: &str| lines.push(format!("  {name}: {value}"));
    if let Some(identity) = &status.identity {
        line("identity", identity);
    }
    if let Some(token) = &status.token {
        line("token", token);
    }
    if !status.addresses.is_empty() {
        line("addresses", &addresses(status));
    }
    if let Some(expires) = status.expires {
        line("expires", &expires.to_string());
    }
    if !status.closed.is_empty() {
        line("closed", &closed(&status.closed));
    }
    for peer in &status.peers {
        lines.push(format!("  gateway: {}", peer.name));
        if let Some(endpoint) = peer.endpoint {
            lines.push(format!("    endpoint: {endpoint}"));
        }
        lines.push(format!("    latest handshake: {}", handshake(peer, now)));
        lines.push(format!(
            "    received {}, sent {}",
            amount(peer.rx_bytes),
            amount(peer.tx_bytes)
        ));
        let routes = match peer.allowed_ips.is_empty() {
            // Another gateway has them.
            true => "none now".into(),
            false => list(&peer.allowed_ips),
        };
        lines.push(format!("    routes: {routes}"));
    }
    let lines: Vec<String> = lines.iter().map(|line| printable(line)).collect();
    lines.join("\n") + "\n"
}

/// The same, for a terminal of this many columns that is looked at all the time.
pub(crate) fn live_status(
    interface: &str,
    status: &Status,
    watch: &Watch,
    now: UnixTime,
    columns: usize,
) -> Vec<String> {
    const ABOUT: usize = 12;
    const AMOUNT: usize = 10;
    let title = format!("{interface}: {}", state(status));
    let quit = "q: quit";
    let gap = columns.saturating_sub(quit.len());
    let mut lines = vec![format!("{title:<gap$}{quit}"), String::new()];
    let mut line = |about: &str, value: String| lines.push(format!("  {about:<ABOUT$}{value}"));
    if let Some(token) = &status.token {
        let whose = status.identity.as_deref();
        let whose = whose.map_or(String::new(), |name| format!(" ({name})"));
        line("token", format!("{token}{whose}"));
    }
    if let Some(expires) = status.expires {
        line("expires", expires.to_string());
    }
    if !status.addresses.is_empty() {
        line("addresses", addresses(status));
    }
    if !status.closed.is_empty() {
        line("closed", closed(&status.closed));
    }
    for peer in &status.peers {
        line("gateway", peer.name.clone());
        if let Some(endpoint) = peer.endpoint {
            line("endpoint", endpoint.to_string());
        }
        line("handshake", handshake(peer, now));
    }
    if status.peers.is_empty() {
        return lines;
    }
    let rates = watch.rates();
    let total = |bytes: fn(&Peer) -> u64| amount(status.peers.iter().map(bytes).sum());
    let traffic = [
        ("received", total(|peer| peer.rx_bytes), rates.rx),
        ("sent", total(|peer| peer.tx_bytes), rates.tx),
    ];
    let width = columns.saturating_sub(2 + ABOUT + AMOUNT + AMOUNT + 4);
    let graphs = [
        watch.graph(width, |rates| rates.rx),
        watch.graph(width, |rates| rates.tx),
    ];
    for ((about, total, rate), graph) in traffic.into_iter().zip(graphs) {
        let rate = format!("{}/s", amount(rate));
        line(about, format!("{total:>AMOUNT$}  {rate:>AMOUNT$}  {graph}"));
    }
    lines
}

/// What leads into a tunnel or nowhere.
pub(super) fn closed(networks: &[IpNet]) -> String {
    match networks.iter().any(|network| network.prefix_len() == 0) {
        true => "nothing leaves but through the tunnel and to this computer's own links".into(),
        false => format!("{} lead into the tunnel or nowhere", list(networks)),
    }
}

/// There is nothing to show a live view on.
pub(crate) fn no_screen(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotConnected => Failure::new(
            code::USAGE,
            "a live view needs a terminal to fill",
            "leave out --watch, or add --json for one object a line",
        ),
        _ => Doing::UseTerminal.failed(error),
    }
}

/// A tunnel was ended.
pub(crate) fn is_down(interface: &str) -> String {
    format!("{interface} is down.")
}

/// There was no tunnel, only what an earlier one had left.
pub(crate) fn was_left(interface: &str) -> String {
    format!("{interface} was not up; put back what an earlier one left.")
}

/// There was no tunnel.
pub(crate) fn was_not_up(interface: &str) -> String {
    format!("{interface} was not up.")
}

fn state(status: &Status) -> String {
    state_name(&status.state)
}

/// A state by its name, which is a contract, as people say it.
pub(crate) fn state_name(name: &str) -> String {
    match name {
        "waiting_token" => "waiting for a token",
        "no_service" | "waiting_service" => "waiting for the smart-card service",
        "token_busy" => "another program holds the token",
        "pick_token" => "several tokens are plugged in",
        "pin" | "pin_wrong" | "pin_too_long" | "pin_last" => "waiting for the PIN",
        "pin_cancelled" | "pin_missing" | "pin_untried" => "no PIN was given",
        "pin_blocked" => "the PIN is blocked",
        "empty" | "foreign" => "the token holds no profile",
        "expired" => "the token has expired",
        "clock" => "the clock cannot be right",
        "unsupported_card" => "the card cannot hold a profile",
        "resolving" => "looking up the gateways",
        "unreachable" => "no gateway answers, trying again",
        "lost" => "the gateway is lost, trying again",
        "token_grace" => "waiting for the token to come back",
        other => return other.replace('_', " "),
    }
    .into()
}

fn addresses(status: &Status) -> String {
    let addresses: Vec<_> = status.addresses.iter().map(|a| a.addr()).collect();
    list(&addresses)
}

fn handshake(peer: &Peer, now: UnixTime) -> String {
    match peer.latest_handshake {
        None => "none yet".into(),
        Some(at) => match now.0.saturating_sub(at.0) {
            seconds @ ..120 => format!("{seconds} s ago"),
            seconds => format!("{} ago", count(seconds / 60, "minute")),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokenvpn_common::clock::Now;
    use tokenvpn_common::key::PrivateKey;

    use super::*;

    fn up(rx_bytes: u64, tx_bytes: u64) -> Status {
        Status {
            identity: Some("traveller".into()),
            token: Some("0006:12345678".into()),
            addresses: vec!["10.77.0.7/24".parse().unwrap()],
            peers: vec![Peer {
                name: "vpn.example.com:51820".into(),
                public_key: PrivateKey::from_bytes([1; 32]).public(),
                endpoint: Some("203.0.113.5:51820".parse().unwrap()),
                latest_handshake: Some(UnixTime(1000)),
                rx_bytes,
                tx_bytes,
                allowed_ips: vec!["10.0.0.0/8".parse().unwrap()],
                persistent_keepalive: None,
                expires: None,
            }],
            ..Status::new("up")
        }
    }

    #[test]
    fn people_see_what_they_ask_for() {
        assert_eq!(
            status("tokenvpn", &up(7_000, 8), UnixTime(1060)),
            "tokenvpn: up\n  identity: traveller\n  token: 0006:12345678\n  \
             addresses: 10.77.0.7\n  gateway: vpn.example.com:51820\n    \
             endpoint: 203.0.113.5:51820\n    latest handshake: 60 s ago\n    \
             received 7.0 kB, sent 8 B\n    routes: 10.0.0.0/8\n"
        );
        assert_eq!(
            status("t", &Status::new("waiting_token"), UnixTime(0)),
            "t: waiting for a token\n"
        );
    }

    #[test]
    fn a_live_view_tells_rates_and_their_course() {
        let start = Now::from_nanos(0);
        let mut watch = Watch::default();
        for (second, bytes) in [0, 0, 1_200_000].into_iter().enumerate() {
            let now = start + Duration::from_secs(second as u64);
            watch.handle(now, &up(bytes, 0));
        }
        let lines = live_status("tokenvpn", &up(1_200_000, 0), &watch, UnixTime(1180), 60);
        assert_eq!(
            lines,
            [
                "tokenvpn: up                                         q: quit",
                "",
                "  token       0006:12345678 (traveller)",
                "  addresses   10.77.0.7",
                "  gateway     vpn.example.com:51820",
                "  endpoint    203.0.113.5:51820",
                "  handshake   3 minutes ago",
                "  received        1.2 MB    1.2 MB/s  ▁█",
                "  sent               0 B       0 B/s  ▁▁",
            ]
        );
        let down = live_status(
            "t",
            &Status::new("down"),
            &Watch::default(),
            UnixTime(0),
            20,
        );
        assert_eq!(down, ["t: down      q: quit", ""]);
    }
}
