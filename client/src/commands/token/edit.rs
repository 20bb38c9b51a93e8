//! `tokenvpn token edit`: changes what a profile says, its key and expiry apart.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use clap::{ArgGroup, Args};
use ipnet::IpNet;
use tokenvpn_common::endpoint::Endpoint;
use tokenvpn_common::language::say;
use tokenvpn_common::name::Name;
use tokenvpn_common::profile::{
    Profile, ProfileError, check_allowed_ips, check_dns, check_endpoints,
};

use super::writing::{Draft, check_end, held, sensible_time};
use super::{Interrupts, Which, failure};
use crate::words::{self, Failure};

// Options of `token edit`. A list that is given replaces the one on the token.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true))]
pub(crate) struct Edit {
    #[command(flatten)]
    which: Which,
    #[arg(
        long,
        value_name = say().value_endpoint(),
        group = "change",
        help = say().help_edit_endpoint()
    )]
    endpoint: Vec<Endpoint>,
    #[arg(
        long,
        value_name = say().value_number(),
        requires = "endpoint",
        help = say().help_edit_gateway()
    )]
    gateway: Option<NonZeroUsize>,
    #[arg(
        long,
        value_name = say().value_number(),
        group = "change",
        conflicts_with = "endpoint",
        help = say().help_edit_remove_gateway()
    )]
    remove_gateway: Option<NonZeroUsize>,
    #[arg(
        long,
        value_name = say().value_network(),
        group = "change",
        help = say().help_edit_route()
    )]
    route: Vec<IpNet>,
    #[arg(
        long,
        value_name = say().value_address(),
        group = "change",
        conflicts_with = "no_dns",
        help = say().help_edit_dns()
    )]
    dns: Vec<IpAddr>,
    #[arg(long, group = "change", help = say().help_edit_no_dns())]
    no_dns: bool,
    #[arg(long, value_name = say().value_name(), group = "change", help = say().help_edit_name())]
    name: Option<Name>,
}

impl Edit {
    pub(super) fn run(self) -> Result<(), Failure> {
        let now = sensible_time()?;
        // What no token could take costs no PIN.
        self.check().map_err(|error| words::no_profile(&error))?;
        let interrupts = Interrupts::hold()?;
        let mut token = self.which.unlock(&interrupts)?;
        let mut profile = held(&mut token)?;
        check_end(&profile, now)?;
        profile.issued = now;
        profile.serial = profile.serial.saturating_add(1);
        self.apply(&mut profile)?;

        let draft = Draft::present(&token, profile)?;
        let label = draft.label_after(&token.label().map_err(failure)?)?;
        draft.write(&mut token, label)?;
        eprintln!("{}", say().token_written(&token.ident()));
        Ok(())
    }

    /// The rules of profiles for what is given.
    fn check(&self) -> Result<(), ProfileError> {
        if !self.endpoint.is_empty() {
            check_endpoints(&self.endpoint)?;
        }
        if !self.route.is_empty() {
            check_allowed_ips(&self.route)?;
        }
        check_dns(&self.dns)
    }

    fn apply(self, profile: &mut Profile) -> Result<(), Failure> {
        if let Some(name) = self.name {
            profile.name = name;
        }
        if !self.endpoint.is_empty() {
            let count = profile.gateways.len();
            let place = match (self.gateway, count) {
                (Some(place), _) => place.get(),
                (None, 1) => 1,
                (None, _) => return Err(words::which_gateway(count)),
            };
            let gateway = profile.gateways.get_mut(place - 1);
            let gateway = gateway.ok_or_else(|| words::no_such_gateway(place, count))?;
            gateway.endpoints = self.endpoint;
        }
        if let Some(place) = self.remove_gateway {
            let (place, count) = (place.get(), profile.gateways.len());
            if place > count {
                return Err(words::no_such_gateway(place, count));
            }
            if count == 1 {
                return Err(words::only_gateway());
            }
            profile.gateways.remove(place - 1);
        }
        if !self.route.is_empty() {
            profile.allowed_ips = self.route;
        }
        if self.no_dns || !self.dns.is_empty() {
            profile.dns = self.dns;
        }
        Ok(())
    }
}
