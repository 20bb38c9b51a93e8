//! `tokenvpn status`: whether the tunnel is up.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::io::clock;
use tokenvpn_common::status::{Peer, Status};

use crate::cli;
use crate::runtime::Runtime;
use crate::supervisor::ControlRequest;
use crate::words::{Failure, code};

/// How long a supervisor may take to answer. It answers a status within 0.2 s, and an end
/// when everything is put back.
const PATIENCE: Duration = Duration::from_secs(10);

/// The state of a tunnel that no supervisor holds.
const DOWN: &str = "down";

/// Prints the status; gives the exit code: 0 up, 3 not.
///
/// # Errors
/// A missing permission, or a supervisor that does not answer.
pub(crate) fn run(options: cli::Status) -> Result<u8, Failure> {
    let runtime = Runtime::new(&options.interface.interface);
    let status = match ask(&runtime, ControlRequest::Status) {
        Ok(line) => serde_json::from_str(&line)
            .map_err(|_| Failure::internal("the supervisor's answer cannot be read"))?,
        Err(e) => match e.kind() {
            // No socket, or one that its owner left when it was killed.
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Status::new(DOWN),
            io::ErrorKind::PermissionDenied => {
                let what = format!("no permission to ask {}: {e}", runtime.interface());
                return Err(Failure::new(code::NO_PERMISSION, what, "run it as root"));
            }
            _ => {
                let what = format!("the supervisor of {} does not answer", runtime.interface());
                let hint = "tokenvpn down ends it; what is left of it is put back";
                return Err(Failure::new(code::OTHER, what, hint));
            }
        },
    };
    let text = match options.json {
        true => {
            let line = serde_json::to_string(&status);
            line.expect("invariant: a status is valid JSON") + "\n"
        }
        false => text(runtime.interface(), &status, clock::unix_time()),
    };
    // A closed stdout changes nothing about the answer, which is the exit code too.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(match status.state.as_str() {
        "up" => 0,
        _ => code::NO_TOKEN,
    })
}

/// Asks the supervisor; its answer without the line's end.
pub(super) fn ask(runtime: &Runtime, request: ControlRequest) -> io::Result<String> {
    let mut stream = UnixStream::connect(runtime.socket())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    match answer.pop() {
        Some('\n') => Ok(answer),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn text(interface: &str, status: &Status, now: UnixTime) -> String {
    let mut lines = vec![format!("{interface}: {}", status.state.replace('_', " "))];
    let mut line = |name: &str, value: &str| lines.push(format!("  {name}: {value}"));
    if let Some(identity) = &status.identity {
        line("identity", identity);
    }
    if let Some(token) = &status.token {
        line("token", token);
    }
    if !status.addresses.is_empty() {
        let addresses: Vec<_> = status.addresses.iter().map(|a| a.addr()).collect();
        line("addresses", &list(&addresses));
    }
    if let Some(expires) = status.expires {
        line("expires", &expires.to_string());
    }
    for peer in &status.peers {
        lines.push(format!("  gateway: {}", peer.name));
        lines.extend(peer_lines(peer, now));
    }
    lines.join("\n") + "\n"
}

fn peer_lines(peer: &Peer, now: UnixTime) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(endpoint) = peer.endpoint {
        lines.push(format!("    endpoint: {endpoint}"));
    }
    let handshake = match peer.latest_handshake {
        Some(at) => format!("{} s ago", now.0.saturating_sub(at.0)),
        None => "none yet".into(),
    };
    lines.push(format!("    latest handshake: {handshake}"));
    lines.push(format!(
        "    received {} bytes, sent {} bytes",
        peer.rx_bytes, peer.tx_bytes
    ));
    lines.push(format!("    routes: {}", list(&peer.allowed_ips)));
    lines
}

fn list<T: ToString>(items: &[T]) -> String {
    let items: Vec<_> = items.iter().map(T::to_string).collect();
    items.join(", ")
}

#[cfg(test)]
mod tests {
    use tokenvpn_common::key::PrivateKey;

    use super::*;

    #[test]
    fn people_see_what_they_ask_for() {
        let status = Status {
            identity: Some("traveller".into()),
            addresses: vec!["10.77.0.7/24".parse().unwrap()],
            peers: vec![Peer {
                name: "vpn.example.com:51820".into(),
                public_key: PrivateKey::from_bytes([1; 32]).public(),
                endpoint: Some("203.0.113.5:51820".parse().unwrap()),
                latest_handshake: Some(UnixTime(1000)),
                rx_bytes: 7,
                tx_bytes: 8,
                allowed_ips: vec!["10.0.0.0/8".parse().unwrap()],
                persistent_keepalive: None,
                expires: None,
            }],
            ..Status::new("up")
        };
        assert_eq!(
            text("tokenvpn", &status, UnixTime(1060)),
            "tokenvpn: up\n  identity: traveller\n  addresses: 10.77.0.7\n  \
             gateway: vpn.example.com:51820\n    endpoint: 203.0.113.5:51820\n    \
             latest handshake: 60 s ago\n    received 7 bytes, sent 8 bytes\n    \
             routes: 10.0.0.0/8\n"
        );
        assert_eq!(
            text("t", &Status::new("waiting_token"), UnixTime(0)),
            "t: waiting token\n"
        );
    }
}
