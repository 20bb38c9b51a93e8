//! Links, addresses, routes and rules of this computer, over rtnetlink(7).
//!
//! Blocking and small: every request waits for the kernel's acknowledgement.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use ipnet::IpNet;
use netlink_packet_core::{
    ErrorMessage, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily as SocketFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind,
    recv, send, socket,
};

pub use super::udp::Family;
use crate::language::say;
use crate::outbox::MAX_SEGMENTS;

/// Packets and super-packets that may wait for a TUN device's reader. The default of 500
/// is less than what small packets bring while the reader waits for a processor.
const QUEUE_LEN: u32 = 2_000;

/// The routing table that is used when nothing else is said.
pub const MAIN_TABLE: u32 = RouteHeader::RT_TABLE_MAIN as u32;

/// Room for one datagram of the kernel: also its dumps come in parts that fit a reader of this
/// room (`netlink_dump` of af_netlink.c).
const REPLY_ROOM: usize = 32 * 1024;

/// Why the kernel did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// CAP_NET_ADMIN is missing.
    #[error("{}", say().no_permission_to(.action))]
    NoPermission {
        /// What was tried.
        action: String,
    },
    /// It is there already.
    #[error("{}", say().cannot_do_twice(.action))]
    Exists {
        /// What was tried.
        action: String,
    },
    /// The interface, or what was to be removed, does not exist.
    #[error("{}", say().cannot_do_without_object(.action))]
    Missing {
        /// What was tried.
        action: String,
    },
    /// Anything else.
    #[error("{}", say().cannot_do(.action))]
    Refused {
        /// What was tried.
        action: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl NetlinkError {
    fn new(action: String, errno: Errno) -> NetlinkError {
        match errno {
            Errno::EPERM | Errno::EACCES => NetlinkError::NoPermission { action },
            Errno::EEXIST => NetlinkError::Exists { action },
            Errno::ENOENT | Errno::ESRCH | Errno::ENODEV | Errno::EADDRNOTAVAIL => {
                NetlinkError::Missing { action }
            }
            errno => NetlinkError::Refused {
                action,
                source: errno.into(),
            },
        }
    }
}

impl From<Family> for AddressFamily {
    fn from(family: Family) -> AddressFamily {
        match family {
            Family::V4 => AddressFamily::Inet,
            Family::V6 => AddressFamily::Inet6,
        }
    }
}

/// A policy rule (ip-rule(8)): which packets look into which table, or lead nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The family it is for.
    pub family: Family,
    /// Its place: lower is asked first.
    pub priority: u32,
    /// Only packets to this network.
    #[serde(default)]
    pub destination: Option<IpNet>,
    /// The table that packets are looked up in; without one they are unreachable.
    pub table: Option<u32>,
    /// Only packets with this firewall mark.
    #[serde(default)]
    pub mark: Option<u32>,
    /// Only packets without this firewall mark. The kernel turns the whole rule round, so
    /// no destination goes with it.
    pub not_mark: Option<u32>,
    /// The bits of the mark that count; all of them if there is no mask.
    pub mark_mask: Option<u32>,
    /// Skip what the table says with a prefix of at most this length; 0 skips its
    /// default route.
    pub suppress_prefix_length: Option<u32>,
}

/// What is found of a policy rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundRule {
    /// The family it is for.
    pub family: Family,
    /// Its place.
    pub priority: u32,
    /// The table that packets are looked up in; 0 if they are not.
    pub table: u32,
    /// The firewall mark that it asks for, or for the absence of.
    pub mark: Option<u32>,
}

/// A connection to the kernel's routing subsystem, in the network namespace of the
/// thread that opened it.
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    /// Opens a connection.
    ///
    /// # Errors
    /// When the kernel has no netlink for us.
    pub fn open() -> Result<Netlink, NetlinkError> {
        let socket = open_socket(SockFlag::empty(), 0)
            .map_err(|e| NetlinkError::new(say().to_talk_to_routing(), e))?;
        Ok(Netlink {
            socket,
            sequence: 0,
        })
    }

    /// Brings an interface up with an MTU in bytes.
    ///
    /// # Errors
    /// [`NetlinkError`].
    pub fn link_up(&mut self, interface: &str, mtu: u16) -> Result<(), NetlinkError> {
        let action = || say().to_bring_up(&interface, &mtu);
        let index = index_for(interface, action)?;

        self.limit_segments(interface, MAX_SEGMENTS)?;
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.header.flags = LinkFlags::Up;
        link.header.change_mask = LinkFlags::Up;
        link.attributes.push(LinkAttribute::Mtu(mtu.into()));
        link.attributes.push(LinkAttribute::TxQueueLen(QUEUE_LEN));
        self.request(RouteNetlinkMessage::SetLink(link), 0)
            .map_err(|e| NetlinkError::new(action(), e))
    }

    /// Limits the packets of which the kernel makes one super-packet for an interface; kernels
    /// that cannot are left as they are. What is forwarded with more of them comes one by one.
    ///
    /// # Errors
    /// [`NetlinkError::Missing`] if there is no such interface.
    pub fn limit_segments(&mut self, interface: &str, most: usize) -> Result<(), NetlinkError> {
        let index = index_for(interface, || say().to_limit_segments(&interface))?;
        let mut limits = LinkMessage::default();
        limits.header.index = index;
        // Cast: no super-packet has as many bytes.
        let most = LinkAttribute::GsoMaxSegs(most as u32);
        limits.attributes.push(most);
        if let Err(e) = self.request(RouteNetlinkMessage::SetLink(limits), 0) {
            tracing::debug!(interface, reason = %e, "the kernel keeps its segment limit");
        }
        Ok(())
    }

    /// Gives an interface an address; the network of its prefix becomes reachable there.
    ///
    /// # Errors
    /// [`NetlinkError`].
    pub fn add_address(&mut self, interface: &str, address: IpNet) -> Result<(), NetlinkError> {
        let action = || say().to_add_address(&address, &interface);
        let message = address_message(index_for(interface, action)?, address);
        self.request(RouteNetlinkMessage::NewAddress(message), CREATE)
            .map_err(|e| NetlinkError::new(action(), e))
    }

    /// Takes an address away again.
    ///
    /// # Errors
    /// [`NetlinkError`].
    pub fn del_address(&mut self, interface: &str, address: IpNet) -> Result<(), NetlinkError> {
        let action = || say().to_remove_address(&address, &interface);
        let message = address_message(index_for(interface, action)?, address);
        self.request(RouteNetlinkMessage::DelAddress(message), 0)
            .map_err(|e| NetlinkError::new(action(), e))
    }

    /// Sends what goes to `network` out through an interface, in one table.
    ///
    /// # Errors
    /// [`NetlinkError`].
    pub fn add_route(
        &mut self,
        interface: &str,
        network: IpNet,
        table: u32,
    ) -> Result<(), NetlinkError> {
        let action = || say().to_add_route(&network, &interface);
        let message = route_message(index_for(interface, action)?, network, table);
        self.request(RouteNetlinkMessage::NewRoute(message), CREATE)
            .map_err(|e| NetlinkError::new(action(), e))
    }

    /// Removes a route again.
    ///
    /// # Errors
    /// [`NetlinkError`].
    pub fn del_route(
        &mut self,
        interface: &str,
        network: IpNet,
        table: u32,
    ) -> Result<(), NetlinkError> {
        let action = || say().to_remove_route(&network, &interface);
        let message = route_message(index_for(interface, action)?, network, table);
        self.request(RouteNetlinkMessage::DelRoute(message), 0)
            .map_err(|e| NetlinkError::new(action(), e))
    }

    /// Adds a policy rule.
    ///
    /// # Errors
    /// [`NetlinkError`].
    pub fn add_rule(&mut self, rule: &Rule) -> Result<(), NetlinkError> {
        self.request(RouteNetlinkMessage::NewRule(rule_message(rule)), CREATE)
            .map_err(|e| NetlinkError::new(say().to_add_rule(&rule.priority), e))
    }

    /// Removes a policy rule that is exactly `rule`.
    ///
    /// # Errors
    /// [`NetlinkError`].
    pub fn del_rule(&mut self, rule: &Rule) -> Result<(), NetlinkError> {
        self.request(RouteNetlinkMessage::DelRule(rule_message(rule)), 0)
            .map_err(|e| NetlinkError::new(say().to_remove_rule(&rule.priority), e))
    }

    /// Lists the policy rules of both families.
    ///
    /// # Errors
    /// [`NetlinkError`].
    pub fn rules(&mut self) -> Result<Vec<FoundRule>, NetlinkError> {
        let mut rules = Vec::new();
        for family in [Family::V4, Family::V6] {
            let mut message = RuleMessage::default();
            message.header.family = family.into();
            let found = self
                .dump(RouteNetlinkMessage::GetRule(message))
                .map_err(|e| NetlinkError::new(say().to_list_rules(), e))?;
            rules.extend(found.into_iter().filter_map(|message| match message {
                RouteNetlinkMessage::NewRule(rule) => Some(found_rule(family, &rule)),
                _ => None,
            }));
        }
        Ok(rules)
    }

    /// Sends one request and gathers what the kernel has to say to it.
    fn dump(&mut self, message: RouteNetlinkMessage) -> Result<Vec<RouteNetlinkMessage>, Errno> {
        self.send(message, NLM_F_DUMP)?;
        let mut found = Vec::new();
        self.receive(|reply| match reply {
            NetlinkPayload::InnerMessage(message) => {
                found.push(message);
                None
            }
            NetlinkPayload::Done(_) => Some(Ok(())),
            NetlinkPayload::Error(error) => Some(Err(errno(&error))),
            _ => None,
        })?;
        Ok(found)
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<(), Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | flags;
        request.header.sequence_number = self.sequence;
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty()).map(drop)
    }

    /// Sends one request and waits for its acknowledgement.
    fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<(), Errno> {
        self.send(message, NLM_F_ACK | flags)?;
        self.receive(|reply| match reply {
            NetlinkPayload::Error(reply) if reply.raw_code() == 0 => Some(Ok(())),
            NetlinkPayload::Error(error) => Some(Err(errno(&error))),
            _ => None,
        })
    }

    /// Takes what the kernel replies to the last request, until `take` says that it is over.
    fn receive(
        &mut self,
        mut take: impl FnMut(NetlinkPayload<RouteNetlinkMessage>) -> Option<Result<(), Errno>>,
    ) -> Result<(), Errno> {
        let mut room = vec![0; REPLY_ROOM];
        loop {
            let len = match recv(self.socket.as_raw_fd(), &mut room, MsgFlags::empty()) {
                Err(Errno::EINTR) => continue,
                received => received?,
            };
            for reply in messages(&room[..len]) {
                if reply.header.sequence_number == self.sequence
                    && let Some(end) = take(reply.payload)
                {
                    return end;
                }
            }
        }
    }
}

fn errno(error: &ErrorMessage) -> Errno {
    Errno::from_raw(error.raw_code().wrapping_neg())
}

/// Make it, and do not touch one that is there.
const CREATE: u16 = NLM_F_CREATE | NLM_F_EXCL;

fn open_socket(flags: SockFlag, groups: u32) -> Result<OwnedFd, Errno> {
    let socket = socket(
        SocketFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC | flags,
        SockProtocol::NetlinkRoute,
    )?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(socket)
}

/// The messages in one datagram of the kernel; ends at the first that makes no sense.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = NetlinkMessage<RouteNetlinkMessage>> {
    const ALIGNMENT: usize = 4;
    std::iter::from_fn(move || {
        let message = NetlinkMessage::deserialize(bytes).ok()?;
        let len = usize::try_from(message.header.length).ok()?;
        bytes = bytes
            .get(len.next_multiple_of(ALIGNMENT)..)
            .unwrap_or_default();
        Some(message)
    })
}

fn index_for(interface: &str, action: impl Fn() -> String) -> Result<u32, NetlinkError> {
    if_nametoindex(interface).map_err(|e| NetlinkError::new(action(), e))
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

fn address_message(index: u32, address: IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address.addr());
    message.header.prefix_len = address.prefix_len();
    message.header.index = index;
    // Nobody else is on a point-to-point link: no duplicate address detection.
    if address.addr().is_ipv6() {
        message.header.flags = AddressHeaderFlags::Nodad;
    }
    message.attributes = vec![
        AddressAttribute::Local(address.addr()),
        AddressAttribute::Address(address.addr()),
    ];
    message
}

fn route_message(index: u32, network: IpNet, table: u32) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(network.addr());
    message.header.destination_prefix_length = network.prefix_len();
    message.header.protocol = RouteProtocol::Static;
    message.header.kind = RouteType::Unicast;
    message.header.scope = match network {
        IpNet::V4(_) => RouteScope::Link,
        IpNet::V6(_) => RouteScope::Universe,
    };
    message.attributes = vec![
        RouteAttribute::Destination(network.network().into()),
        RouteAttribute::Oif(index),
        RouteAttribute::Table(table),
    ];
    message
}

fn rule_message(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = rule.family.into();
    message.attributes = vec![RuleAttribute::Priority(rule.priority)];
    match rule.table {
        Some(table) => {
            message.header.action = RuleAction::ToTable;
            message.attributes.push(RuleAttribute::Table(table));
        }
        None => message.header.action = RuleAction::Unreachable,
    }
    if let Some(network) = rule.destination {
        message.header.dst_len = network.prefix_len();
        let address = RuleAttribute::Destination(network.network());
        message.attributes.push(address);
    }
    if rule.not_mark.is_some() {
        message.header.flags = RuleFlags::Invert;
    }
    if let Some(mark) = rule.mark.or(rule.not_mark) {
        message.attributes.push(RuleAttribute::FwMark(mark));
        let mask = rule.mark_mask.map(RuleAttribute::FwMask);
        message.attributes.extend(mask);
    }
    if let Some(length) = rule.suppress_prefix_length {
        message
            .attributes
            .push(RuleAttribute::SuppressPrefixLen(length));
    }
    message
}

fn found_rule(family: Family, message: &RuleMessage) -> FoundRule {
    let mut rule = FoundRule {
        family,
        priority: 0,
        table: message.header.table.into(),
        mark: None,
    };
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(priority) => rule.priority = *priority,
            RuleAttribute::Table(table) => rule.table = *table,
            RuleAttribute::FwMark(mark) => rule.mark = Some(*mark),
            _ => {}
        }
    }
    rule
}

/// What changed in the network of this computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// An interface came, went, or changed its state.
    Link {
        /// Its index.
        interface: u32,
    },
    /// An address came or went.
    Address {
        /// Index of its interface.
        interface: u32,
    },
    /// A route came or went.
    Route {
        /// Index of the interface it leads through, if it names one.
        interface: Option<u32>,
    },
    /// So much at once that the kernel dropped some of it.
    Overrun,
}

/// A subscription to what changes. Non-blocking; wait on its descriptor.
pub struct Changes {
    socket: OwnedFd,
    room: Vec<u8>,
}

/// Subscribes to the changes of links, addresses and routes in this network namespace.
///
/// # Errors
/// [`NetlinkError`].
pub fn subscribe() -> Result<Changes, NetlinkError> {
    let groups = libc::RTMGRP_LINK
        | libc::RTMGRP_IPV4_IFADDR
        | libc::RTMGRP_IPV6_IFADDR
        | libc::RTMGRP_IPV4_ROUTE
        | libc::RTMGRP_IPV6_ROUTE;
    let socket = open_socket(SockFlag::SOCK_NONBLOCK, groups as u32)
        .map_err(|e| NetlinkError::new(say().to_watch_network(), e))?;
    Ok(Changes {
        socket,
        room: vec![0; REPLY_ROOM],
    })
}

impl Changes {
    /// Hands every change since the last call to `each`.
    ///
    /// # Errors
    /// When the subscription is broken.
    pub fn drain(&mut self, mut each: impl FnMut(Change)) -> io::Result<()> {
        loop {
            match recv(self.socket.as_raw_fd(), &mut self.room, MsgFlags::empty()) {
                Ok(len) => messages(&self.room[..len])
                    .filter_map(|message| change(message.payload))
                    .for_each(&mut each),
                Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(Errno::ENOBUFS) => each(Change::Overrun),
                Err(e) => return Err(e.into()),
            }
        }
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn change(payload: NetlinkPayload<RouteNetlinkMessage>) -> Option<Change> {
    let NetlinkPayload::InnerMessage(message) = payload else {
        return None;
    };
    match message {
        RouteNetlinkMessage::NewLink(link) | RouteNetlinkMessage::DelLink(link) => {
            Some(Change::Link {
                interface: link.header.index,
            })
        }
        RouteNetlinkMessage::NewAddress(address) | RouteNetlinkMessage::DelAddress(address) => {
            Some(Change::Address {
                interface: address.header.index,
            })
        }
        RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route) => {
            let interface = route
                .attributes
                .iter()
                .find_map(|attribute| match attribute {
                    RouteAttribute::Oif(index) => Some(*index),
                    _ => None,
                });
            Some(Change::Route { interface })
        }
        _ => None,
    }
}
