//! Which tokens are there, and where their gateways are: questions that take time and
//! are asked on threads of their own.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokenvpn_common::endpoint::{Endpoint, Host};
use tokenvpn_common::io::card::{self, CardError, Seen};
use tokenvpn_common::io::clock;
use tokenvpn_common::profile::is_host_address;

use crate::lifecycle::Found;
use crate::message::Candidate;
use crate::net::inquiry::Inquiry;
use crate::words::State;

/// How long all names together may take to be looked up.
const RESOLVE_LIMIT: Duration = Duration::from_secs(5);

/// Most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// How often a card that seems to have gone is looked at again, and after which time.
const SECOND_LOOKS: usize = 3;
const SECOND_LOOK: Duration = Duration::from_millis(300);

/// Looks at every card in every reader. Blocks for seconds if one is held by another program.
pub(crate) fn tokens() -> Result<Vec<Found>, State> {
    let mut seen = card::list().map_err(State::from)?;
    // A card that did not wake up looks like one that has gone, but nothing will announce
    // it again.
    for _ in 0..SECOND_LOOKS {
        let has_gone = |seen: &Seen| matches!(seen.card, Err(CardError::Removed));
        if !seen.iter().any(has_gone) {
            break;
        }
        thread::sleep(SECOND_LOOK);
        seen = card::list().map_err(State::from)?;
    }
    // It went while it was asked, and is to be waited for, not a card of its.
    if seen
        .iter()
        .any(|seen| seen.card == Err(CardError::NoService))
    {
        return Err(State::NoService);
    }
    Ok(seen.into_iter().filter_map(found).collect())
}

/// `None` for a card that went away while it was looked at.
fn found(seen: Seen) -> Option<Found> {
    let token = match seen.card {
        Ok(facts) => Ok(facts),
        Err(CardError::NoReader | CardError::NoToken | CardError::Removed) => return None,
        Err(error) => Err(State::from(error)),
    };
    Some(Found {
        reader: seen.reader,
        token,
    })
}

/// Looks up the names among `endpoints`, by an inquiry where there is one and else as every
/// program does: candidates in their order, and the names for which no address was found
/// within 5 s.
pub(crate) fn candidates(
    endpoints: &[(usize, Endpoint)],
    inquiry: Option<&Inquiry>,
) -> (Vec<Candidate>, Vec<String>) {
    let hosts: BTreeSet<&Host> = endpoints
        .iter()
        .filter_map(|(_, endpoint)| match endpoint {
            Endpoint::Host { name, .. } => Some(name),
            Endpoint::Address(_) => None,
        })
        .collect();
    let addresses = look_up(hosts.iter().copied().cloned().collect(), inquiry);
    let of = |host: &Host| {
        let found = addresses.iter().find(|(name, _)| name == host);
        found.map_or(&[][..], |(_, addresses)| &addresses[..])
    };

    let mut candidates: Vec<Candidate> = Vec::new();
    for (gateway, endpoint) in endpoints {
        let addresses = match endpoint {
            Endpoint::Address(address) => vec![*address],
            Endpoint::Host { name, port } => {
                let with_port = |ip: &IpAddr| SocketAddr::new(*ip, *port);
                of(name).iter().map(with_port).collect()
            }
        };
        for address in addresses {
            let candidate = Candidate {
                gateway: *gateway,
                endpoint: endpoint.clone(),
                address,
            };
            let is_known = |known: &Candidate| {
                known.gateway == candidate.gateway && known.address == candidate.address
            };
            if !candidates.iter().any(is_known) {
                candidates.push(candidate);
            }
        }
    }
    let unresolved = hosts
        .into_iter()
        .filter(|host| of(host).is_empty())
        .map(Host::to_string)
        .collect();
    (candidates, unresolved)
}

/// Asks for all names at once. The system's resolver cannot be interrupted, so threads
/// that are too slow are left to end by themselves.
fn look_up(hosts: Vec<Host>, inquiry: Option<&Inquiry>) -> Vec<(Host, Vec<IpAddr>)> {
    let (sender, receiver) = mpsc::channel();
    let count = hosts.len();
    let until = clock::now() + RESOLVE_LIMIT;
    for host in hosts {
        let sender = sender.clone();
        let inquiry = inquiry.filter(|_| Inquiry::knows(&host)).cloned();
        thread::spawn(move || {
            let mut addresses = match inquiry {
                Some(inquiry) => inquiry.addresses(&host, until),
                None => {
                    let found = (host.as_str(), 0).to_socket_addrs();
                    found.map_or(Vec::new(), |found| found.map(|a| a.ip()).collect())
                }
            };
            addresses.retain(|address| is_host_address(*address));
            addresses.truncate(MAX_ADDRESSES);
            let _ = sender.send((host, addresses));
        });
    }
    let mut answers = Vec::new();
    while answers.len() < count {
        match receiver.recv_timeout(until.since(clock::now())) {
            Ok(answer) => answers.push(answer),
            Err(_) => break,
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_need_no_look_up_and_keep_their_order() {
        let endpoint = |text: &str| text.parse::<Endpoint>().unwrap();
        let endpoints = [
            (0, endpoint("203.0.113.5:51820")),
            (0, endpoint("[2001:db8::5]:51820")),
            (0, endpoint("203.0.113.5:51820")),
            (1, endpoint("203.0.113.5:51820")),
        ];
        let (found, unresolved) = candidates(&endpoints, None);
        let found: Vec<_> = found
            .iter()
            .map(|c| (c.gateway, c.address.to_string()))
            .collect();
        assert_eq!(
            found,
            [
                (0, "203.0.113.5:51820".to_owned()),
                (0, "[2001:db8::5]:51820".to_owned()),
                (1, "203.0.113.5:51820".to_owned()),
            ]
        );
        assert_eq!(unresolved, Vec::<String>::new());
    }

    #[test]
    fn a_name_without_an_address_is_reported() {
        // No resolver knows this top-level domain (RFC 6761 §6.4).
        let endpoints = [(0, "vpn.invalid:51820".parse().unwrap())];
        let (found, unresolved) = candidates(&endpoints, None);
        assert!(found.is_empty());
        assert_eq!(unresolved, ["vpn.invalid"]);
    }
}
