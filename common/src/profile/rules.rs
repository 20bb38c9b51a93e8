//! The rules that no type enforces, the same for profiles, invitations and configurations.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Field, KEEPALIVE_RANGE, MAX_ENDPOINTS, MAX_ENTRIES, MTU_RANGE, ProfileError};
use crate::clock::UnixTime;
use crate::date::LAST_SECOND;
use crate::endpoint::Endpoint;

pub(crate) fn check_dates(
    not_before: Option<UnixTime>,
    not_after: Option<UnixTime>,
) -> Result<(), ProfileError> {
    let first = not_before.unwrap_or(UnixTime(0));
    let last = not_after.unwrap_or(LAST_SECOND);
    match first <= last && last <= LAST_SECOND {
        true => Ok(()),
        false => Err(ProfileError::Dates),
    }
}

/// The rules for one gateway's endpoints.
///
/// # Errors
/// The first rule that is broken.
pub fn check_endpoints(endpoints: &[Endpoint]) -> Result<(), ProfileError> {
    if endpoints.is_empty() {
        return Err(ProfileError::Missing {
            field: Field::Endpoints,
        });
    }
    if endpoints.len() > MAX_ENDPOINTS {
        return Err(ProfileError::TooManyEndpoints);
    }
    for endpoint in endpoints {
        let usable = match endpoint {
            Endpoint::Address(address) => is_host_address(address.ip()),
            Endpoint::Host { name, .. } => !name.is_localhost(),
        };
        if !usable {
            return Err(ProfileError::Endpoint {
                endpoint: endpoint.clone(),
            });
        }
    }
    each_once(endpoints, Field::Endpoints)
}

/// The rules for tunnel addresses.
pub(crate) fn check_addresses(addresses: &[IpNet]) -> Result<(), ProfileError> {
    let field = Field::Addresses;
    if addresses.is_empty() {
        return Err(ProfileError::Missing { field });
    }
    check_length(addresses, field)?;
    let ips: Vec<IpAddr> = addresses.iter().map(IpNet::addr).collect();
    for net in addresses {
        if !is_host_address(net.addr()) || net.prefix_len() == 0 {
            return Err(ProfileError::Address { field, net: *net });
        }
    }
    each_once(&ips, field)
}

/// The rules for allowed IPs.
///
/// # Errors
/// The first rule that is broken.
pub fn check_allowed_ips(allowed_ips: &[IpNet]) -> Result<(), ProfileError> {
    let field = Field::AllowedIps;
    if allowed_ips.is_empty() {
        return Err(ProfileError::Missing { field });
    }
    check_length(allowed_ips, field)?;
    for net in allowed_ips {
        // A default route and its halves reach over unusable addresses, which is what
        // they are for; a network that begins and ends within them is a mistake.
        let lost = !is_host_address(net.network()) && !is_host_address(net.broadcast());
        let whole = net.prefix_len() <= 1;
        if net.trunc() != *net || (lost && !whole) {
            return Err(ProfileError::Address { field, net: *net });
        }
    }
    each_once(allowed_ips, field)
}

/// The rules for name servers.
///
/// # Errors
/// The first rule that is broken.
pub fn check_dns(dns: &[IpAddr]) -> Result<(), ProfileError> {
    let field = Field::Dns;
    check_length(dns, field)?;
    if let Some(ip) = dns.iter().find(|ip| !is_host_address(**ip)) {
        let net = IpNet::from(*ip);
        return Err(ProfileError::Address { field, net });
    }
    each_once(dns, field)
}

/// The rule for the inner MTU.
///
/// # Errors
/// It is outside of [`MTU_RANGE`].
pub fn check_mtu(mtu: u16) -> Result<(), ProfileError> {
    match MTU_RANGE.contains(&mtu) {
        true => Ok(()),
        false => Err(ProfileError::Mtu { mtu }),
    }
}

/// The rule for the keepalive.
///
/// # Errors
/// It is neither 0 nor within [`KEEPALIVE_RANGE`].
pub fn check_keepalive(keepalive: u16) -> Result<(), ProfileError> {
    match keepalive == 0 || KEEPALIVE_RANGE.contains(&keepalive) {
        true => Ok(()),
        false => Err(ProfileError::Keepalive { keepalive }),
    }
}

/// Whether another computer can have this address.
pub fn is_host_address(ip: IpAddr) -> bool {
    let nobodys = match ip {
        // 0.0.0.0/8 is "this network" (RFC 1122 §3.2.1.3).
        IpAddr::V4(v4) => v4.octets()[0] == 0 || v4.is_broadcast(),
        // An IPv4 address in IPv6's clothes would slip past these very checks.
        IpAddr::V6(v6) => v6.to_ipv4_mapped().is_some(),
    };
    !(nobodys || ip.is_unspecified() || ip.is_loopback() || ip.is_multicast())
}

/// Gateways need no such check: more than a hundred fill a profile.
fn check_length<T>(items: &[T], field: Field) -> Result<(), ProfileError> {
    match items.len() <= MAX_ENTRIES {
        true => Ok(()),
        false => Err(ProfileError::TooMany { field }),
    }
}

fn each_once<T: PartialEq>(items: &[T], field: Field) -> Result<(), ProfileError> {
    let twice = |(at, item): (usize, &T)| items[..at].contains(item);
    match items.iter().enumerate().any(twice) {
        true => Err(ProfileError::Repeated { field }),
        false => Ok(()),
    }
}
