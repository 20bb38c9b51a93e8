//! What `status` shows.

use std::io;

use ipnet::IpNet;
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::language::say;
use tokenvpn_common::status::{Peer, Status};
use tokenvpn_common::watch::{Watch, amount};

use super::list;
use crate::words::{Doing, Failure, code, printable};

/// The status in a few lines.
pub(crate) fn status(interface: &str, status: &Status, now: UnixTime) -> String {
    let mut lines = vec![title(interface, status)];
    let mut line = |text: String| lines.push(format!("  {text}"));
    if let Some(identity) = &status.identity {
        line(say().status_identity(identity));
    }
    if let Some(token) = &status.token {
        line(say().status_token(token));
    }
    if !status.addresses.is_empty() {
        line(say().status_addresses(&addresses(status)));
    }
    if let Some(expires) = status.expires {
        line(say().status_expires(&expires));
    }
    if !status.closed.is_empty() {
        line(say().status_closed(&closed(&status.closed)));
    }
    for peer in &status.peers {
        line(say().status_gateway(&peer.name));
        let mut line = |text: String| line(format!("  {text}"));
        if let Some(endpoint) = peer.endpoint {
            line(say().status_endpoint(&endpoint));
        }
        line(say().status_handshake(&handshake(peer, now)));
        line(say().status_traffic(&amount(peer.rx_bytes), &amount(peer.tx_bytes)));
        line(match peer.allowed_ips.is_empty() {
            true => say().status_no_routes(),
            false => say().status_routes(&list(&peer.allowed_ips)),
        });
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
    const ABOUT: usize = 11;
    const AMOUNT: usize = 10;
    let title = title(interface, status);
    let quit = say().q_quits();
    let gap = columns.saturating_sub(quit.chars().count());
    let mut lines = vec![format!("{title:<gap$}{quit}"), String::new()];
    let mut line = |about: String, value: String| lines.push(format!("  {about:<ABOUT$} {value}"));
    if let Some(token) = &status.token {
        let whose = status.identity.as_deref();
        let whose = whose.map_or(String::new(), |name| format!(" ({name})"));
        line(say().live_token(), format!("{token}{whose}"));
    }
    if let Some(expires) = status.expires {
        line(say().live_expires(), expires.to_string());
    }
    if !status.addresses.is_empty() {
        line(say().live_addresses(), addresses(status));
    }
    if !status.closed.is_empty() {
        line(say().live_closed(), closed(&status.closed));
    }
    for peer in &status.peers {
        line(say().live_gateway(), peer.name.clone());
        if let Some(endpoint) = peer.endpoint {
            line(say().live_endpoint(), endpoint.to_string());
        }
        line(say().live_handshake(), handshake(peer, now));
    }
    if status.peers.is_empty() {
        return lines;
    }
    let rates = watch.rates();
    let total = |bytes: fn(&Peer) -> u64| amount(status.peers.iter().map(bytes).sum());
    let traffic = [
        (say().live_received(), total(|peer| peer.rx_bytes), rates.rx),
        (say().live_sent(), total(|peer| peer.tx_bytes), rates.tx),
    ];
    let width = columns.saturating_sub(2 + ABOUT + 1 + AMOUNT + AMOUNT + 4);
    let graphs = [
        watch.graph(width, |rates| rates.rx),
        watch.graph(width, |rates| rates.tx),
    ];
    for ((about, total, rate), graph) in traffic.into_iter().zip(graphs) {
        let rate = say().live_rate(&amount(rate));
        line(about, format!("{total:>AMOUNT$}  {rate:>AMOUNT$}  {graph}"));
    }
    lines
}

fn title(interface: &str, status: &Status) -> String {
    say().status_title(&interface, &state_name(&status.state))
}

/// What leads into a tunnel or nowhere.
fn closed(networks: &[IpNet]) -> String {
    match is_everything(networks) {
        true => say().everything_is_closed(),
        false => say().networks_are_closed(&list(networks)),
    }
}

/// Whether a default route is among them, so that nothing is left out.
pub(super) fn is_everything(networks: &[IpNet]) -> bool {
    networks.iter().any(|network| network.prefix_len() == 0)
}

/// There is nothing to show a live view on.
pub(crate) fn no_screen(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotConnected => Failure::new(
            code::USAGE,
            say().live_without_terminal(),
            say().leave_out_watch(),
        ),
        _ => Doing::UseTerminal.failed(error),
    }
}

/// A state by its name, which is a contract, as people say it.
pub(crate) fn state_name(name: &str) -> String {
    match name {
        "waiting_token" => say().status_waiting_for_token(),
        "no_service" | "waiting_service" => say().status_waiting_for_service(),
        "no_token" => say().status_no_token(),
        "token_busy" => say().status_token_held(),
        "pick_token" => say().status_several_tokens(),
        "pin" | "pin_wrong" | "pin_too_long" | "pin_length" | "pin_source_failed"
        | "pin_timed_out" | "pin_last" => say().status_waiting_for_pin(),
        "pin_cancelled" | "pin_missing" | "pin_untried" => say().status_no_pin_given(),
        "pin_blocked" => say().status_pin_blocked(),
        "empty" | "foreign" => say().status_no_profile(),
        "damaged" => say().status_damaged(),
        "too_new" => say().status_too_new(),
        "expired" => say().status_token_expired(),
        "not_yet_valid" => say().status_not_yet_valid(),
        "clock" => say().status_clock_wrong(),
        "unsupported_card" => say().status_card_without_room(),
        "card_failed" => say().status_card_failed(),
        "no_permission" => say().status_no_permission(),
        "resolving" => say().status_looking_up_gateways(),
        "connecting" => say().status_connecting(),
        "unreachable" => say().status_no_gateway_answers(),
        "no_gateway" => say().status_no_gateway_answered(),
        "up" => say().status_up(),
        "lost" => say().status_gateway_lost(),
        "token_removed" => say().status_token_removed(),
        "token_grace" => say().status_token_grace(),
        "token_back" => say().status_token_back(),
        "kill_switch" => say().status_kill_switch(),
        "down" => say().status_down(),
        "failed" => say().status_failed(),
        // Of an `up` of another version.
        other => other.replace('_', " "),
    }
}

fn addresses(status: &Status) -> String {
    let addresses: Vec<_> = status.addresses.iter().map(|a| a.addr()).collect();
    list(&addresses)
}

fn handshake(peer: &Peer, now: UnixTime) -> String {
    match peer.latest_handshake {
        None => say().status_no_handshake(),
        Some(at) => say().handshake_ago(now.0.saturating_sub(at.0)),
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
