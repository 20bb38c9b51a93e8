//! What was dropped, by reason.

/// Why datagrams and packets were dropped, and what else is worth counting, since the
/// device was made.
///
/// Input of a peer or a stranger is counted here and never an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that are no WireGuard message by type and length, or cannot be answered.
    pub malformed: u64,
    /// Handshake messages whose first MAC is wrong: not meant for our key.
    pub bad_mac: u64,
    /// Handshake messages answered with a cookie because too many came.
    pub under_load: u64,
    /// Handshake messages beyond their source's share while too many came.
    pub source_limit: u64,
    /// Initiations that found too many others waiting for their turn.
    pub initiation_limit: u64,
    /// Initiations beyond what is answered of one peer's.
    pub identity_limit: u64,
    /// Initiations that do not decrypt.
    pub bad_initiation: u64,
    /// Initiations answered without looking for their peer: it was the one answered last
    /// where they came from.
    pub recognised: u64,
    /// Initiations from a key that no peer has.
    pub unknown_key: u64,
    /// Messages to an index that no session of ours has.
    pub unknown_index: u64,
    /// Responses and cookie replies while no handshake of ours waits for one.
    pub unexpected: u64,
    /// Authentic messages that came a second time or too late.
    pub replayed: u64,
    /// Messages that do not authenticate.
    pub unauthentic: u64,
    /// Data messages whose counter no session reaches.
    pub counter_limit: u64,
    /// Decrypted packets without a complete and consistent IP header.
    pub bad_inner: u64,
    /// Decrypted packets whose source address belongs to another peer or to nobody.
    pub spoofed_inner: u64,
    /// Decrypted packets for which no buffer was left.
    pub no_buffer: u64,
    /// Packets from the TUN without a complete and consistent IP header, or too long.
    pub bad_outgoing: u64,
    /// Packets from the TUN to an address that no peer owns.
    pub no_owner: u64,
    /// Packets and datagrams to a peer whose endpoint is not known.
    pub no_endpoint: u64,
    /// Packets to silent peers beyond what may make tunnels.
    pub wake_limit: u64,
    /// Packets that could not wait for a session because too many peers' packets do.
    pub no_queue: u64,
    /// Datagrams and packets given to the worker that owns their peer.
    pub handed_over: u64,
    /// Panics that cost a peer its session.
    pub panics: u64,
}
