//! The wire that tunnels are measured over.

use rig::Host;

/// What the two ends of the wire can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Trains of datagrams cross it whole, as with a card that segments UDP and merges again.
    Ideal,
    /// The kernel segments before the wire and merges behind it, as with an ordinary card.
    Nic,
}

impl Link {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Link::Ideal => "ideal",
            Link::Nic => "nic",
        }
    }

    /// Makes the link of this host so.
    pub(crate) fn prepare(self, host: &Host) {
        if self == Link::Nic {
            let off = [
                "tso",
                "off",
                "tx-udp-segmentation",
                "off",
                "tx-gso-list",
                "off",
            ];
            host.run("ethtool")
                .args(["-K", "eth0"])
                .args(off)
                .args(["gso", "on", "gro", "on"])
                .ok();
        }
    }
}
