//! All that is said to people, in English. A second language is a second module of the same
//! functions and constants: what it lacks does not compile.

#[cfg(feature = "io")]
mod io;

#[cfg(feature = "io")]
pub(crate) use io::*;

use crate::device::AddPeerError;
use crate::endpoint::{EndpointError, MAX_HOST};
use crate::invitation::{self, InvitationError, Kind};
use crate::name::{MAX_NAME, NameError};
use crate::profile::{
    Field, KEEPALIVE_RANGE, MAX_ENDPOINTS, MAX_ENTRIES, MTU_RANGE, ProfileError, SUITE, VERSION,
};

/// Why a text is none of what it should be.
pub(crate) const BAD_IDENT: &str = "a token is named like 0006:12345678";
pub(crate) const BAD_INVITATION_ID: &str =
    "an invitation's id is 32 hexadecimal digits in lower case";

pub(crate) fn bad_network(text: &str) -> String {
    format!("{text:?} is no network; a network is an address and a prefix, as in 10.77.0.0/24")
}

pub(crate) fn name_error(error: &NameError) -> String {
    match error {
        NameError::Empty => "a name cannot be empty".into(),
        NameError::TooLong { bytes } => {
            format!("a name has at most {MAX_NAME} bytes, this one has {bytes}")
        }
        NameError::Control => "a name cannot hold control or invisible characters".into(),
        NameError::Blank => "a name cannot begin or end with white space".into(),
    }
}

pub(crate) fn endpoint_error(error: &EndpointError) -> String {
    match error {
        EndpointError::NoPort => {
            "an endpoint is HOST:PORT, as in vpn.example.com:51820 or [2001:db8::5]:51820".into()
        }
        EndpointError::Port => "a port is a number from 1 to 65535".into(),
        EndpointError::Host => format!(
            "this is neither an address nor a host name of letters, digits and hyphens \
             (at most {MAX_HOST} bytes)"
        ),
    }
}

/// Why a peer was not added.
pub(crate) fn add_peer_error(error: &AddPeerError) -> String {
    match error {
        AddPeerError::OwnKey => "this public key is our own".into(),
        AddPeerError::DuplicateKey => "another peer has this public key".into(),
        AddPeerError::OverlappingAllowedIps {
            network,
            other,
            owner,
        } => format!("{network} overlaps {other}, which belongs to peer {owner}"),
    }
}

/// Why bytes are no profile or label, or why a profile cannot be written.
pub(crate) fn profile_error(error: &ProfileError) -> String {
    match error {
        ProfileError::Empty => "there is nothing in it".into(),
        ProfileError::Foreign => "it holds another program's data".into(),
        ProfileError::Version { version } => {
            format!("version {version}, this one knows {VERSION}")
        }
        ProfileError::Suite { suite } => format!("cipher suite {suite}, this one knows {SUITE}"),
        ProfileError::UnknownField { tag } => format!("field {tag:#04x} is unknown here"),
        ProfileError::NoPrivateKey => {
            "it holds no private key; a key that stays in the card is unknown here".into()
        }
        ProfileError::Checksum => "the checksum is wrong".into(),
        ProfileError::Cut => "it ends in the middle of a field".into(),
        ProfileError::Order { tag } => format!("field {tag:#04x} is repeated or out of order"),
        ProfileError::Malformed { field } => format!("the {} cannot be read", name_of(*field)),
        ProfileError::Missing { field } => {
            let is_list = matches!(
                field,
                Field::Gateways | Field::Endpoints | Field::Addresses | Field::AllowedIps
            );
            let verb = if is_list { "are" } else { "is" };
            format!("there {verb} no {}", name_of(*field))
        }
        ProfileError::TooLong { room } => format!("it is longer than {room} bytes"),
        ProfileError::Address {
            field: field @ Field::AllowedIps,
            net,
        } if net.trunc() != *net => {
            let (field, network) = (name_of(*field), net.trunc());
            format!("{net} cannot be among the {field}: the network is {network}")
        }
        ProfileError::Address {
            field: Field::Dns,
            net,
        } => format!("{} cannot be among the name servers", net.addr()),
        ProfileError::Address { field, net } => {
            format!("{net} cannot be among the {}", name_of(*field))
        }
        ProfileError::Endpoint { endpoint } => {
            format!("{endpoint} cannot be a gateway's endpoint")
        }
        ProfileError::Repeated { field } => {
            format!("the {} hold the same entry twice", name_of(*field))
        }
        ProfileError::TooMany { field } => {
            format!("the {} are more than {MAX_ENTRIES}", name_of(*field))
        }
        ProfileError::TooManyEndpoints => {
            format!("a gateway has at most {MAX_ENDPOINTS} endpoints")
        }
        ProfileError::OwnKey => "a gateway has the token's own key".into(),
        ProfileError::Mtu { mtu } => {
            let (least, most) = (MTU_RANGE.start(), MTU_RANGE.end());
            format!("MTU {mtu} is not from {least} to {most}")
        }
        ProfileError::Keepalive { keepalive } => {
            let (least, most) = (KEEPALIVE_RANGE.start(), KEEPALIVE_RANGE.end());
            format!("keepalive {keepalive} is neither 0 nor from {least} to {most}")
        }
        ProfileError::Serial => "the serial number is 0".into(),
        ProfileError::Dates => "the dates make no sense".into(),
    }
}

fn name_of(field: Field) -> &'static str {
    match field {
        Field::Name => "name",
        Field::Serial => "serial number",
        Field::Issued => "issue date",
        Field::Suite => "cipher suite",
        Field::NotBefore => "first day",
        Field::NotAfter => "expiry date",
        Field::PrivateKey => "private key",
        Field::Gateways => "gateways",
        Field::Endpoints => "endpoints",
        Field::Addresses => "tunnel addresses",
        Field::AllowedIps => "allowed IPs",
        Field::Dns => "name servers",
        Field::Mtu => "MTU",
        Field::Keepalive => "keepalive",
        Field::Length => "length",
    }
}

/// Why a text is no invitation or enrolment, or why an invitation makes no profile.
pub(crate) fn invitation_error(error: &InvitationError) -> String {
    let text = |kind: &Kind| match kind {
        Kind::Invitation => "invitation",
        Kind::Enrolment => "enrolment",
    };
    match error {
        InvitationError::Empty { kind } => {
            format!("there is no {}: the input is empty", text(kind))
        }
        InvitationError::TooLong { kind } => format!(
            "this is no {}: it is longer than {} bytes",
            text(kind),
            invitation::MAX_TEXT
        ),
        InvitationError::Text {
            kind,
            line,
            column,
            message,
        } => format!(
            "this is no {}: line {line}, column {column}: {message}",
            text(kind)
        ),
        InvitationError::Version { kind, version } => format!(
            "this {} is of version {version}, this program knows {}",
            text(kind),
            invitation::VERSION
        ),
        InvitationError::OutOfDate { until } => {
            format!("this invitation was valid until {until}")
        }
        InvitationError::Expired { expired } => {
            format!("this invitation is for an identity that expired on {expired}")
        }
        InvitationError::Profile(error) => format!("this invitation makes no profile: {error}"),
    }
}
