//! The edges against a real kernel, each test in network namespaces of its own.
//! They need root, /dev/net/tun, iproute2 and strace.

#[path = "../device/allocations.rs"]
#[expect(unsafe_code, dead_code, reason = "an allocator that counts, shared")]
mod allocations;
mod counts;
mod datapath;
mod namespace;
mod netlink;
mod traffic;
mod tun;
mod udp;
