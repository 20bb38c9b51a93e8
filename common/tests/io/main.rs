//! The edges against a real kernel, each test in network namespaces of its own.
//! They need root, /dev/net/tun and iproute2.

mod namespace;
mod netlink;
mod tun;
mod udp;
