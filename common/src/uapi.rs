//! WireGuard's configuration protocol, read-only, so that `wg show` works.
//!
//! See "Cross-Platform Interface" on wireguard.com. A client writes `get=1` and an
//! empty line; the answer is one `key=value` a line and ends with an empty line.
//! No private or preshared key is ever given out, and `set=1` is refused: identities
//! live in the registry and on tokens, and wg(8) knows neither.

use std::fmt::Write as _;

use crate::key::PublicKey;
use crate::status::Status;

/// What ends a request: an empty line.
pub const END: &[u8] = b"\n\n";

/// Longest request in bytes that deserves reading; a `get` has seven.
pub const MAX_REQUEST: usize = 4096;

const EINVAL: i32 = 22;
const EPERM: i32 = 1;

/// What a program asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The state of the device.
    Get,
    /// A change, which is always refused.
    Set,
    /// Something the protocol does not have.
    Unknown,
}

/// Reads a whole request, up to and with its empty line.
pub fn parse(request: &[u8]) -> Request {
    let operation = request.split(|&b| b == b'\n').next().unwrap_or_default();
    match operation {
        b"get=1" => Request::Get,
        b"set=1" => Request::Set,
        _ => Request::Unknown,
    }
}

/// The answer to a request that is not [`Request::Get`].
pub fn refusal(request: Request) -> String {
    // wg(8) takes the number for a negated errno.
    match request {
        Request::Set => format!("errno=-{EPERM}\n\n"),
        Request::Get | Request::Unknown => format!("errno=-{EINVAL}\n\n"),
    }
}

/// The answer to [`Request::Get`].
pub fn describe(status: &Status) -> String {
    let mut text = String::with_capacity(64 + 256 * status.peers.len());
    let mut line = |key: &str, value: &dyn std::fmt::Display| {
        writeln!(text, "{key}={value}").expect("invariant: a String takes every write");
    };
    if let Some(port) = status.listen_port {
        line("listen_port", &port);
    }
    if let Some(mark) = status.fwmark {
        line("fwmark", &mark);
    }
    for peer in &status.peers {
        line("public_key", &Hex(&peer.public_key));
        if let Some(endpoint) = peer.endpoint {
            line("endpoint", &endpoint);
        }
        if let Some(handshake) = peer.latest_handshake {
            line("last_handshake_time_sec", &handshake.0);
            line("last_handshake_time_nsec", &0);
        }
        line("rx_bytes", &peer.rx_bytes);
        line("tx_bytes", &peer.tx_bytes);
        line(
            "persistent_keepalive_interval",
            &peer.persistent_keepalive.unwrap_or(0),
        );
        for network in &peer.allowed_ips {
            line("allowed_ip", network);
        }
        line("protocol_version", &1);
    }
    line("errno", &0);
    text.push('\n');
    text
}

struct Hex<'a>(&'a PublicKey);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0
            .as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixTime;
    use crate::key::PrivateKey;
    use crate::status::Peer;

    #[test]
    fn a_request_is_known_by_its_first_line() {
        assert_eq!(parse(b"get=1\n\n"), Request::Get);
        assert_eq!(
            parse(b"set=1\nprivate_key=00\nlisten_port=1\n\n"),
            Request::Set
        );
        for other in [&b"get=2\n\n"[..], b"\n\n", b"", b"get=1 \n\n"] {
            assert_eq!(parse(other), Request::Unknown);
        }
    }

    #[test]
    fn a_change_is_refused_with_an_errno() {
        assert_eq!(refusal(Request::Set), "errno=-1\n\n");
        assert_eq!(refusal(Request::Unknown), "errno=-22\n\n");
    }

    #[test]
    fn the_device_is_told_without_its_keys() {
        let key = PrivateKey::from_bytes([7; 32]).public();
        let text = describe(&Status {
            listen_port: Some(51820),
            peers: vec![Peer {
                name: "traveller".into(),
                public_key: key,
                endpoint: Some("[2001:db8::7]:40000".parse().unwrap()),
                latest_handshake: Some(UnixTime(1_800_000_000)),
                rx_bytes: 148,
                tx_bytes: 92,
                allowed_ips: vec!["10.77.0.7/32".parse().unwrap()],
                persistent_keepalive: None,
                expires: None,
            }],
            ..Status::new("up")
        });
        assert_eq!(
            text,
            format!(
                "listen_port=51820\npublic_key={}\nendpoint=[2001:db8::7]:40000\n\
                 last_handshake_time_sec=1800000000\nlast_handshake_time_nsec=0\n\
                 rx_bytes=148\ntx_bytes=92\npersistent_keepalive_interval=0\n\
                 allowed_ip=10.77.0.7/32\nprotocol_version=1\nerrno=0\n\n",
                Hex(&key)
            )
        );
        assert!(!text.contains("private_key") && !text.contains("preshared_key"));
    }
}
