//! When this computer's network changes, other than by our own doing.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use nix::net::if_::if_nametoindex;
use tokenvpn_common::clock::Now;
use tokenvpn_common::io::netlink::{self, Change, Changes};

/// How long the network must have been quiet before the gateway hears of a change: one
/// change of network is a dozen changes of addresses and routes.
const SETTLING: Duration = Duration::from_millis(100);

/// A subscription to changes of addresses and routes. The state of links is left out:
/// what matters of it shows in those.
pub(super) struct NetworkChanges {
    changes: Changes,
    /// The tunnel's own interface.
    own: u32,
    /// When it will have been quiet for long enough.
    settled: Option<Now>,
}

impl NetworkChanges {
    /// Subscribes; what changes at `interface` is our own doing.
    pub(super) fn follow(
        interface: &str,
        registry: &Registry,
        token: Token,
    ) -> io::Result<NetworkChanges> {
        let changes = netlink::subscribe().map_err(io::Error::other)?;
        let own = if_nametoindex(interface)?;
        let fd = changes.as_fd().as_raw_fd();
        registry.register(&mut SourceFd(&fd), token, Interest::READABLE)?;
        Ok(NetworkChanges {
            changes,
            own,
            settled: None,
        })
    }

    /// Reads what came.
    pub(super) fn handle_ready(&mut self, now: Now) {
        let own = self.own;
        let mut changed = false;
        let drained = self.changes.drain(|change| {
            changed |= match change {
                Change::Link { .. } => false,
                Change::Address { interface } => interface != own,
                Change::Route { interface } => interface != Some(own),
                Change::Overrun => true,
            };
        });
        if let Err(error) = drained {
            tracing::warn!(reason = %error, "changes of the network are noticed late");
        }
        if changed {
            self.settled = Some(now + SETTLING);
        }
    }

    /// When [`NetworkChanges::take_settled`] is due, if ever.
    pub(super) fn poll_timeout(&self) -> Option<Now> {
        self.settled
    }

    /// Whether a change has settled by now, once.
    pub(super) fn take_settled(&mut self, now: Now) -> bool {
        let is_settled = self.settled.is_some_and(|at| at <= now);
        if is_settled {
            self.settled = None;
        }
        is_settled
    }
}
