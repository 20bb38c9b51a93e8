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

/// How long the gateway waits for a network that does not become quiet.
const RESTLESS: Duration = Duration::from_secs(1);

/// A subscription to changes of addresses and routes. The state of links is left out:
/// what matters of it shows in those.
pub(super) struct NetworkChanges {
    changes: Changes,
    /// The tunnel's own interface.
    own: u32,
    settling: Settling,
}

/// When a change is over.
#[derive(Debug, Default)]
struct Settling {
    /// The first and the last change that nobody has heard of.
    changed: Option<(Now, Now)>,
}

impl Settling {
    fn changed(&mut self, now: Now) {
        let (first, _) = self.changed.unwrap_or((now, now));
        self.changed = Some((first, now));
    }

    fn due(&self) -> Option<Now> {
        let (first, last) = self.changed?;
        Some((last + SETTLING).min(first + RESTLESS))
    }

    fn take(&mut self, now: Now) -> bool {
        let is_due = self.due().is_some_and(|at| at <= now);
        if is_due {
            self.changed = None;
        }
        is_due
    }
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
            settling: Settling::default(),
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
            self.settling.changed(now);
        }
    }

    /// When [`NetworkChanges::take_settled`] is due, if ever.
    pub(super) fn poll_timeout(&self) -> Option<Now> {
        self.settling.due()
    }

    /// Whether a change has settled by now, once.
    pub(super) fn take_settled(&mut self, now: Now) -> bool {
        self.settling.take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Now {
        Now::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_change_is_told_once_when_all_is_quiet() {
        let mut settling = Settling::default();
        assert_eq!(settling.due(), None);
        settling.changed(at(0));
        settling.changed(at(60));
        assert!(!settling.take(at(159)));
        assert!(settling.take(at(160)));
        assert!(!settling.take(at(500)));
    }

    #[test]
    fn a_network_that_never_settles_is_told_of_every_second() {
        let mut settling = Settling::default();
        let told: Vec<_> = (0..250)
            .map(|count| at(count * 10))
            .filter(|now| {
                settling.changed(*now);
                settling.take(*now)
            })
            .collect();
        assert_eq!(told, [at(1000), at(2010)]);
    }
}
