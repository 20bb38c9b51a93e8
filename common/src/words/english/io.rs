//! What the edges say.

use std::fmt::Display;

use ipnet::IpNet;

use crate::io::card::{CardError, Pin, PinTextError, Secret};
use crate::io::confinement::ConfinementError;
use crate::io::holder::Holder;
use crate::io::netlink::NetlinkError;
use crate::io::tun::{MAX_NAME, TunError};
use crate::io::udp::BindError;

/// Why a text is no card's name.
pub(crate) const BAD_HOLDER_NAME: &str =
    "a card's name has 1 to 39 characters, all of them printable ASCII";

/// What a card asks for.
pub(crate) fn secret(secret: Secret) -> &'static str {
    match secret {
        Secret::Pin => "PIN",
        Secret::AdminPin => "admin PIN",
        Secret::ResetCode => "reset code",
    }
}

/// Why a text is no PIN, admin PIN or reset code.
pub(crate) fn pin_text_error(error: &PinTextError) -> String {
    match error {
        PinTextError::TooShort { secret } => {
            let least = secret.min();
            format!("too short: the {secret} has at least {least} characters")
        }
        PinTextError::TooLong { secret } => {
            format!("too long: the {secret} has at most {} bytes", Pin::MAX)
        }
        PinTextError::Unprintable { secret } => {
            format!("the {secret} is made of printable characters")
        }
    }
}

/// `scdaemon, pid 6790`
pub(crate) fn holder(Holder { name, pid }: &Holder) -> String {
    format!("{name}, pid {pid}")
}

/// Why a token cannot be used.
pub(crate) fn card_error(error: &CardError) -> String {
    match error {
        CardError::NoService => "no smart-card service answers".into(),
        CardError::NoReader => "there is no card reader".into(),
        CardError::NoToken => "there is no card in the reader".into(),
        CardError::Busy { reader, .. } => {
            format!("another program holds the card in {reader}")
        }
        CardError::Removed => "the card was removed".into(),
        CardError::NoPermission => "the smart-card service refuses this user".into(),
        CardError::PinWrong { tries_left } => format!("wrong PIN, tries left: {tries_left}"),
        CardError::PinBlocked => "the PIN is blocked".into(),
        CardError::PinCancelled => "no PIN was typed on the reader".into(),
        CardError::NewPinsDiffer => "the two new ones differ".into(),
        CardError::PinLength => "the reader takes no PIN of such a length".into(),
        CardError::PinUnseen => "what is typed on the reader is changed there only".into(),
        CardError::AdminPinWrong { tries_left } => {
            format!("wrong admin PIN, tries left: {tries_left}")
        }
        CardError::AdminPinBlocked => "the admin PIN is blocked".into(),
        CardError::ResetCodeWrong { tries_left } => {
            format!("wrong reset code, tries left: {tries_left}")
        }
        CardError::ResetCodeBlocked => "there is no reset code, or it is blocked".into(),
        CardError::PinTooLong { max } => format!("this card takes PINs of at most {max} bytes"),
        CardError::Unsupported { .. } => "this card cannot hold a profile".into(),
        CardError::TooLong { bytes, room } => {
            format!("{bytes} bytes do not fit, this card has room for {room}")
        }
        CardError::NotKept { object } => {
            format!("the card did not keep what was written to object 010{object}")
        }
        CardError::Card(what) => format!("the card does not do as it should: {what}"),
    }
}

/// What ends a watch of tokens beside the service's own errors.
pub(crate) const SERVICE_HANGS: &str = "the smart-card service does not answer";
pub(crate) const WATCH_PANICKED: &str = "the watch panicked";

pub(crate) fn watch_unconfined(error: &dyn Display) -> String {
    format!("the watch cannot be confined: {error}")
}

/// Why there is no TUN device.
pub(crate) fn tun_error(error: &TunError) -> String {
    match error {
        TunError::NoPermission => "no permission to create a TUN device".into(),
        TunError::NoDevice => "there is no TUN driver at /dev/net/tun".into(),
        TunError::NameTaken { name } => format!("the interface {name} exists already"),
        TunError::BadName { name } => format!(
            "{name:?} is no interface name: 1 to {MAX_NAME} characters, no '/', '%' or blank"
        ),
        TunError::Open(_) => "the TUN device does not open".into(),
    }
}

/// Why there are no sockets.
pub(crate) fn bind_error(error: &BindError) -> String {
    match error {
        BindError::PortInUse { port } => format!("UDP port {port} is in use"),
        BindError::NoPermission { action } => format!("no permission to {action}"),
        BindError::Socket { action, .. } => format!("cannot {action}"),
    }
}

/// What [`bind_error`] is about.
pub(crate) const OPEN_SOCKET: &str = "open a UDP socket";
pub(crate) const RESTRICT_SOCKET: &str = "restrict a UDP socket to IPv6";
pub(crate) const SHARE_PORT: &str = "share the UDP port between workers";
pub(crate) const MARK_SOCKET: &str = "mark the UDP socket";
pub(crate) const BIND_PORT: &str = "bind the UDP port";
pub(crate) const READ_PORT: &str = "read the UDP port";
pub(crate) const PREPARE_SOCKETS: &str = "prepare the UDP sockets";

/// Why the kernel did not do what was asked.
pub(crate) fn netlink_error(error: &NetlinkError) -> String {
    match error {
        NetlinkError::NoPermission { action } => format!("no permission to {action}"),
        NetlinkError::Exists { action } => format!("cannot {action}: it exists already"),
        NetlinkError::Missing { action } => format!("cannot {action}: no such thing"),
        NetlinkError::Refused { action, .. } => format!("cannot {action}"),
    }
}

/// What [`netlink_error`] is about.
pub(crate) const TALK_ROUTING: &str = "talk to the kernel's routing";
pub(crate) const LIST_RULES: &str = "list the routing rules";
pub(crate) const WATCH_NETWORK: &str = "watch the network for changes";

pub(crate) fn bring_up(interface: &str, mtu: u16) -> String {
    format!("bring {interface} up with MTU {mtu}")
}

pub(crate) fn limit_segments(interface: &str) -> String {
    format!("limit the segments of {interface}")
}

pub(crate) fn add_address(address: IpNet, interface: &str) -> String {
    format!("add the address {address} to {interface}")
}

pub(crate) fn remove_address(address: IpNet, interface: &str) -> String {
    format!("remove the address {address} from {interface}")
}

pub(crate) fn add_route(network: IpNet, interface: &str) -> String {
    format!("add the route {network} through {interface}")
}

pub(crate) fn remove_route(network: IpNet, interface: &str) -> String {
    format!("remove the route {network} through {interface}")
}

pub(crate) fn add_rule(priority: u32) -> String {
    format!("add the routing rule of priority {priority}")
}

pub(crate) fn remove_rule(priority: u32) -> String {
    format!("remove the routing rule of priority {priority}")
}

/// A measure that the kernel refused.
pub(crate) fn hardening_error(measure: &str) -> String {
    format!("{measure} failed")
}

pub(crate) const PARENT_GONE: &str = "the supervisor is gone";

/// The same of a measure against what a process may do.
pub(crate) fn confinement_error(error: &ConfinementError) -> &'static str {
    match error {
        ConfinementError::Capabilities(_) => "capabilities cannot be dropped",
        ConfinementError::Directory(_) => "a directory cannot be opened",
        ConfinementError::Files(_) => "files cannot be shut off",
        ConfinementError::Calls(_) => "system calls cannot be shut off",
    }
}
