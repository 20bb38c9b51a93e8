//! What the host must check because boringtun does not.

/// Longest UDP payload there is, in bytes (65 535 less the IPv4 and UDP headers is
/// smaller still; IPv6 jumbograms are not used).
pub const MAX_DATAGRAM: usize = 65_535;
