//! Where a peer is.

use std::net::{IpAddr, SocketAddr};

/// The two ends of a datagram's way, outside the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// The other end.
    pub(crate) endpoint: SocketAddr,
    /// Our own address, where it matters.
    pub(crate) source: Option<IpAddr>,
}

/// The place where a peer was last authentically heard from, or is expected.
///
/// Only an authentic datagram moves a peer: data, or the answer to an initiation of
/// ours. Anybody can send a recorded initiation again from anywhere, so an initiation
/// is answered where it came from and moves nothing. Nor does what may have been on its way
/// before the newest session: see [`crate::guard::STRAGGLE`].
#[derive(Debug, Default)]
pub(crate) struct Roaming {
    path: Option<Path>,
}

impl Roaming {
    /// A peer expected at `endpoint`.
    pub(crate) fn expected(endpoint: Option<SocketAddr>) -> Roaming {
        Roaming {
            path: endpoint.map(|endpoint| Path {
                endpoint,
                source: None,
            }),
        }
    }

    /// The way to the peer.
    pub(crate) fn path(&self) -> Option<Path> {
        self.path
    }

    /// An authentic datagram came along `path`. True if the endpoint is another one now.
    pub(crate) fn heard(&mut self, path: Path) -> bool {
        let moved = self.path.is_none_or(|old| old.endpoint != path.endpoint);
        self.path = Some(path);
        moved
    }

    /// Our own address towards the peer is no longer known.
    pub(crate) fn forget_source(&mut self) {
        if let Some(path) = &mut self.path {
            path.source = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_moves_when_its_endpoint_changes_and_not_when_ours_does() {
        let mut roaming = Roaming::default();
        let path = |port, source: Option<&str>| Path {
            endpoint: SocketAddr::from(([192, 0, 2, 1], port)),
            source: source.map(|text| text.parse().unwrap()),
        };
        assert!(roaming.heard(path(1, None)));
        assert!(!roaming.heard(path(1, Some("198.51.100.1"))));
        assert_eq!(roaming.path(), Some(path(1, Some("198.51.100.1"))));
        assert!(roaming.heard(path(2, Some("198.51.100.1"))));
        roaming.forget_source();
        assert_eq!(roaming.path(), Some(path(2, None)));
    }
}
