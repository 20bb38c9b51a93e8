//! What each request does to the registry, the same in the running gateway and in a
//! command that acts alone.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::invitation::{self, Enrolment, Invitation};
use tokenvpn_common::key::PublicKey;

use crate::config::{Config, Network, Networks};
use crate::control::{Add, Answer, Invite, Request};
use crate::listing::{Audit, Listing};
use crate::registry::addresses;
use crate::registry::{Act, Change, Identity, Registry, Wish};
use crate::words::{self, Failure};

const DAY: u64 = 86_400;

/// What this gateway offers.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) config: Arc<Config>,
    /// The gateway's own, or why it is not known. Not every verb needs it, and where the
    /// key is systemd's credential only the running gateway has it.
    pub(crate) public_key: Result<PublicKey, Failure>,
}

/// Does what is asked, and says what the data path has to do about it.
///
/// # Panics
/// On [`Request::Status`] and [`Request::Reload`], which are not the registry's.
pub(crate) fn execute(
    registry: &mut Registry,
    terms: &Terms,
    act: &Act,
    request: Request,
) -> Result<(Answer, Change), Failure> {
    match request {
        Request::Invite(request) => {
            let answer = invite(registry, terms, act, request)?;
            Ok((answer, Change::default()))
        }
        Request::Withdraw(id) => {
            registry.withdraw(act, &id)?;
            Ok((Answer::Revoked { keys: 0 }, Change::default()))
        }
        Request::Enrol(enrolment) => enrol(registry, terms, act, &enrolment),
        Request::Add(request) => add(registry, terms, act, request),
        Request::Revoke { name, key } => {
            let change = registry.revoke(act, &name, key.as_ref())?;
            let keys = change.removed.len();
            Ok((Answer::Revoked { keys }, change))
        }
        Request::Reinstate(name) => {
            let change = registry.reinstate(act, name.as_ref())?;
            let keys = change.added.len();
            Ok((Answer::Reinstated { keys }, change))
        }
        Request::Identities => {
            let listing = Listing::new(
                registry.identities()?,
                registry.invitations(act.now)?,
                &registry.last_seen()?,
                act.now,
            );
            Ok((Answer::Identities(listing), Change::default()))
        }
        Request::Audit(since) => {
            let audit = Audit::new(registry.audit(since)?);
            Ok((Answer::Audit(audit), Change::default()))
        }
        Request::Status | Request::Reload(_) => {
            unreachable!("invariant: the running gateway itself answers these")
        }
    }
}

fn invite(
    registry: &mut Registry,
    terms: &Terms,
    act: &Act,
    request: Invite,
) -> Result<Answer, Failure> {
    let (config, own_key) = (&terms.config, terms.public_key.clone()?);
    let wish = Wish {
        name: &request.name,
        spare: request.spare,
        addresses: &request.addresses,
        not_after: request.expires,
        valid_until: UnixTime(act.now.0 + u64::from(config.invitation_days) * DAY),
    };
    let text = registry.invite(act, &wish, &config.networks, |pending| {
        let invitation = Invitation {
            version: invitation::VERSION,
            id: pending.id.clone(),
            name: pending.name.clone(),
            valid_until: pending.valid_until,
            expires: pending.not_after,
            gateway_public_key: own_key,
            preshared_key: Some(pending.preshared_key.clone()),
            endpoints: asked_or_configured(&request.endpoints, &config.endpoints),
            addresses: with_prefixes(&pending.addresses, &config.networks),
            allowed_ips: allowed_ips(
                &config.networks,
                &asked_or_configured(&request.routes, &config.routes),
            ),
            dns: asked_or_configured(&request.dns, &config.dns),
            mtu: config.mtu,
            keepalive: config.keepalive,
        };
        invitation.to_toml().map_err(Failure::from)
    })?;
    Ok(Answer::Invitation(text))
}

fn enrol(
    registry: &mut Registry,
    terms: &Terms,
    act: &Act,
    enrolment: &Enrolment,
) -> Result<(Answer, Change), Failure> {
    let own_key = terms.public_key.clone()?;
    let change = registry.enrol(act, enrolment, &own_key)?;
    Ok((admitted(terms, own_key, &change), change))
}

fn add(
    registry: &mut Registry,
    terms: &Terms,
    act: &Act,
    request: Add,
) -> Result<(Answer, Change), Failure> {
    let own_key = terms.public_key.clone()?;
    let preshared_key = match request.preshared_key {
        Some(text) => Some(text.parse().map_err(words::internal)?),
        None => None,
    };
    let identity = Identity {
        public_key: request.public_key,
        name: request.name,
        spare: false,
        addresses: request.addresses,
        preshared_key,
        not_after: request.expires,
        serial: 0,
        added: act.now,
        ended: false,
    };
    let networks = &terms.config.networks;
    let change = registry.add(act, identity, networks, &own_key)?;
    Ok((admitted(terms, own_key, &change), change))
}

fn admitted(terms: &Terms, own_key: PublicKey, change: &Change) -> Answer {
    let [identity] = &change.added[..] else {
        unreachable!("invariant: one identity is enrolled or added at a time");
    };
    Answer::Admitted {
        name: identity.name.clone(),
        addresses: with_prefixes(&identity.addresses, &terms.config.networks),
        gateway_public_key: own_key,
    }
}

fn asked_or_configured<T: Clone>(asked: &[T], configured: &[T]) -> Vec<T> {
    let chosen = if asked.is_empty() { configured } else { asked };
    chosen.to_vec()
}

fn with_prefixes(addresses: &[IpAddr], networks: &Networks) -> Vec<IpNet> {
    let with_prefix = |ip: &IpAddr| addresses::with_prefix(*ip, networks);
    addresses.iter().map(with_prefix).collect()
}

/// The tunnel's networks and the routes, without those that another one contains.
fn allowed_ips(networks: &Networks, routes: &[Network]) -> Vec<IpNet> {
    let all: Vec<IpNet> = networks
        .iter()
        .chain(routes.iter().map(|route| route.net()))
        .collect();
    let mut kept: Vec<IpNet> = Vec::new();
    for net in &all {
        let is_inside = all.iter().any(|other| other != net && other.contains(net));
        if !is_inside && !kept.contains(net) {
            kept.push(*net);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn a_route_that_another_one_contains_is_not_told() {
        let networks = config::networks(&["10.77.0.0/24"]);
        let told = |routes: &[&str]| {
            let routes: Vec<Network> = routes.iter().map(|text| text.parse().unwrap()).collect();
            let told = allowed_ips(&networks, &routes);
            told.iter().map(IpNet::to_string).collect::<Vec<_>>()
        };
        assert_eq!(told(&[]), ["10.77.0.0/24"]);
        assert_eq!(
            told(&["192.0.2.0/24", "192.0.2.0/24", "fd00::/8"]),
            ["10.77.0.0/24", "192.0.2.0/24", "fd00::/8"]
        );
        assert_eq!(told(&["10.0.0.0/8", "10.77.0.0/16"]), ["10.0.0.0/8"]);
        assert_eq!(told(&["0.0.0.0/0", "::/0"]), ["0.0.0.0/0", "::/0"]);
    }
}
