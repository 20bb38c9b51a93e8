//! The edges against a real kernel, each test in network namespaces of its own.
//! They need root, /dev/net/tun and iproute2.

mod datapath;
mod namespace;
mod netlink;
mod traffic;
mod tun;
mod udp;
