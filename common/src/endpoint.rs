//! Where a gateway listens: an address or a host name, and a UDP port.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::language::say;

/// Longest host name in bytes, without a final dot (RFC 1035 §2.3.4).
pub const MAX_HOST: usize = 253;

/// Longest label of a host name in bytes (RFC 1035 §2.3.4).
const MAX_HOST_LABEL: usize = 63;

/// A host name in letters, digits and hyphens, in lower case, at most [`MAX_HOST`] bytes.
///
/// A name that a resolver would read as a number (`127.1`, `0x7f000001`) is none.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(String);

impl Host {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name means this very computer (RFC 6761 §6.3).
    pub fn is_localhost(&self) -> bool {
        self.0 == "localhost" || self.0.ends_with(".localhost")
    }
}

impl FromStr for Host {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Host, EndpointError> {
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= MAX_HOST_LABEL
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if text.len() > MAX_HOST || !text.split('.').all(is_label) {
            return Err(EndpointError::Host);
        }
        // inet_aton(3) takes decimal and hexadecimal numbers for addresses, and a
        // name whose last label is a number is never one of the public tree.
        let last = text.rsplit('.').next().unwrap_or(text).to_ascii_lowercase();
        let digits = last.strip_prefix("0x");
        let is_number = match digits {
            Some(hex) => hex.bytes().all(|b| b.is_ascii_hexdigit()),
            None => last.bytes().all(|b| b.is_ascii_digit()),
        };
        if is_number {
            return Err(EndpointError::Host);
        }
        Ok(Host(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a peer listens, as wg(8) writes it: `203.0.113.5:51820`, `[2001:db8::5]:51820`
/// or `vpn.example.com:51820`. The port is never 0.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub enum Endpoint {
    /// An address that needs no resolving.
    Address(SocketAddr),
    /// A host name, resolved when the tunnel is built.
    Host {
        /// The name.
        name: Host,
        /// The UDP port.
        port: u16,
    },
}

/// Why a text is no [`Endpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No `:PORT` at the end.
    #[error("{}", say().endpoint_without_port())]
    NoPort,
    /// The port is no number from 1 to 65535.
    #[error("{}", say().port_out_of_range())]
    Port,
    /// What stands before the port is neither an address nor a host name.
    #[error("{}", say().malformed_host(&MAX_HOST))]
    Host,
}

impl Endpoint {
    /// The UDP port.
    pub fn port(&self) -> u16 {
        match self {
            Endpoint::Address(address) => address.port(),
            Endpoint::Host { port, .. } => *port,
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Endpoint, EndpointError> {
        let (host, port) = text.rsplit_once(':').ok_or(EndpointError::NoPort)?;
        if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(EndpointError::Port);
        }
        let port = match port.parse::<u16>() {
            Ok(0) | Err(_) => return Err(EndpointError::Port),
            Ok(port) => port,
        };
        if let Some(inner) = host.strip_prefix('[') {
            let address = inner
                .strip_suffix(']')
                .and_then(|v6| v6.parse::<Ipv6Addr>().ok())
                .ok_or(EndpointError::Host)?;
            return Ok(Endpoint::Address((address, port).into()));
        }
        match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(v4)) => Ok(Endpoint::Address((v4, port).into())),
            // Without brackets nobody can tell where the address ends.
            Ok(IpAddr::V6(_)) => Err(EndpointError::NoPort),
            Err(_) => Ok(Endpoint::Host {
                name: host.parse()?,
                port,
            }),
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Endpoint {
        Endpoint::Address(address)
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Endpoint, EndpointError> {
        text.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> String {
        endpoint.to_string()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Address(address) => write!(f, "{address}"),
            Endpoint::Host { name, port } => write!(f, "{name}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_survives_its_text() {
        for text in [
            "203.0.113.5:51820",
            "[2001:db8::5]:51820",
            "vpn.example.com:1",
            "a:65535",
            "3com.example:443",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        assert_eq!(
            "VPN.Example.COM:51820"
                .parse::<Endpoint>()
                .unwrap()
                .to_string(),
            "vpn.example.com:51820"
        );
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_its_reason() {
        let label = "a".repeat(64);
        let long = ["a"; 128].join(".");
        for (text, error) in [
            ("vpn.example.com", EndpointError::NoPort),
            ("2001:db8::5:51820", EndpointError::NoPort),
            ("vpn.example.com:", EndpointError::Port),
            ("vpn.example.com:0", EndpointError::Port),
            ("vpn.example.com:65536", EndpointError::Port),
            ("vpn.example.com:+1", EndpointError::Port),
            ("[2001:db8::5:51820", EndpointError::Host),
            ("[fe80::1%eth0]:51820", EndpointError::Host),
            (":51820", EndpointError::Host),
            ("a..b:1", EndpointError::Host),
            ("a.:1", EndpointError::Host),
            ("-a.b:1", EndpointError::Host),
            ("a_b.c:1", EndpointError::Host),
            ("zoë.example:1", EndpointError::Host),
            ("a b:1", EndpointError::Host),
            ("$(reboot):1", EndpointError::Host),
            ("127.1:1", EndpointError::Host),
            ("256.1.1.1:1", EndpointError::Host),
            ("0x7f000001:1", EndpointError::Host),
            ("a.0x1:1", EndpointError::Host),
            (&format!("{label}.b:1"), EndpointError::Host),
            (&format!("{long}:1"), EndpointError::Host),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(error), "{text}");
        }
    }
}
