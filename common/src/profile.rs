//! What a token holds in private-use object 0103: everything a session needs.
//!
//! Byte by byte in `contrib/spec/token-profile.md`.

mod rules;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use zeroize::Zeroizing;

use crate::clock::UnixTime;
use crate::date::LAST_SECOND;
use crate::endpoint::Endpoint;
use crate::key::{PresharedKey, PrivateKey, PublicKey};
use crate::language::say;
use crate::name::Name;
pub(crate) use rules::{check_addresses, check_dates};
pub use rules::{
    check_allowed_ips, check_dns, check_endpoints, check_keepalive, check_mtu, is_host_address,
};
use wire::{Bytes, Reader, Writer};

/// Room for a profile on every card that has private-use objects, in bytes
/// (YubiKey 5 and SmartPGP announce exactly this).
pub const PORTABLE_ROOM: usize = 255;

/// The version of profile and label that this program writes and reads.
pub const VERSION: u8 = 1;

/// Inner MTU in bytes if a profile names none: WireGuard's, for an outer IPv6 path of 1500.
pub const DEFAULT_MTU: u16 = 1420;

/// Seconds between keepalives if a profile names none: below what NATs forget in (wg(8)).
pub const DEFAULT_KEEPALIVE: u16 = 25;

/// Inner MTUs that make sense: IPv6's minimum (RFC 8200 §5) to a jumbo frame.
pub const MTU_RANGE: RangeInclusive<u16> = 1280..=9000;

/// Keepalive intervals that make sense, in seconds; 0 turns them off.
pub const KEEPALIVE_RANGE: RangeInclusive<u16> = 10..=120;

/// WireGuard's one suite: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s.
pub(crate) const SUITE: u8 = 1;

const MAGIC: &[u8; 3] = b"TVP";

pub(crate) mod tag {
    pub(crate) const NAME: u8 = 0x01;
    pub(crate) const SERIAL: u8 = 0x02;
    pub(super) const ISSUED: u8 = 0x03;
    pub(super) const SUITE: u8 = 0x81;
    pub(super) const NOT_BEFORE: u8 = 0x82;
    pub(crate) const NOT_AFTER: u8 = 0x83;
    pub(super) const PRIVATE_KEY: u8 = 0x84;
    pub(super) const GATEWAYS: u8 = 0x85;
    pub(super) const ADDRESSES: u8 = 0x86;
    pub(super) const ALLOWED_IPS: u8 = 0x87;
    pub(super) const DNS: u8 = 0x88;
    pub(super) const MTU: u8 = 0x89;
    pub(super) const KEEPALIVE: u8 = 0x8a;
}

/// A gateway's record: this bit says that a preshared key follows, the rest counts endpoints.
const HAS_PRESHARED_KEY: u8 = 0x80;

/// Most endpoints of one gateway.
pub const MAX_ENDPOINTS: usize = 15;

/// Most tunnel addresses, allowed IPs or name servers: about as many IPv4 networks as the
/// largest object has room for.
pub const MAX_ENTRIES: usize = 1024;

/// One gateway that lets this identity in.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Its static key.
    pub public_key: PublicKey,
    /// The key that both sides mix in, if there is one.
    pub preshared_key: Option<PresharedKey>,
    /// Where it listens, best first; 1 to [`MAX_ENDPOINTS`].
    pub endpoints: Vec<Endpoint>,
}

/// A person's key and all that a computer needs to build the tunnel.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Whose it is.
    pub name: Name,
    /// Counts the profiles written for this identity, from 1.
    pub serial: u32,
    /// When it was written.
    pub issued: UnixTime,
    /// Not to be used before.
    pub not_before: Option<UnixTime>,
    /// Not to be used after.
    pub not_after: Option<UnixTime>,
    /// The identity's static key.
    pub private_key: PrivateKey,
    /// The gateways, best first; at least one.
    pub gateways: Vec<Gateway>,
    /// The tunnel addresses, each with its tunnel network's prefix; at least one.
    pub addresses: Vec<IpNet>,
    /// The networks behind the gateways; at least one, none with host bits.
    pub allowed_ips: Vec<IpNet>,
    /// Name servers to use while the tunnel is up.
    pub dns: Vec<IpAddr>,
    /// Inner MTU in bytes, within [`MTU_RANGE`].
    pub mtu: u16,
    /// Seconds between keepalives, 0 (off) or within [`KEEPALIVE_RANGE`].
    pub keepalive: u16,
}

/// What a field of a profile or label holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The identity's name.
    Name,
    /// The serial number.
    Serial,
    /// When it was issued.
    Issued,
    /// The cipher suite.
    Suite,
    /// When it begins.
    NotBefore,
    /// When it ends.
    NotAfter,
    /// The private key.
    PrivateKey,
    /// The gateways.
    Gateways,
    /// The endpoints of one gateway.
    Endpoints,
    /// The tunnel addresses.
    Addresses,
    /// The allowed IPs.
    AllowedIps,
    /// The name servers.
    Dns,
    /// The inner MTU.
    Mtu,
    /// The keepalive.
    Keepalive,
    /// The length of any field.
    Length,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Field::Name => say().field_name(),
            Field::Serial => say().field_serial(),
            Field::Issued => say().field_issued(),
            Field::Suite => say().field_suite(),
            Field::NotBefore => say().field_not_before(),
            Field::NotAfter => say().field_not_after(),
            Field::PrivateKey => say().field_private_key(),
            Field::Gateways => say().field_gateways(),
            Field::Endpoints => say().field_endpoints(),
            Field::Addresses => say().field_addresses(),
            Field::AllowedIps => say().field_allowed_ips(),
            Field::Dns => say().field_dns(),
            Field::Mtu => say().field_mtu(),
            Field::Keepalive => say().field_keepalive(),
            Field::Length => say().field_length(),
        })
    }
}

/// Why bytes are no profile or label, or why a profile cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// No bytes, or only zeros.
    #[error("{}", say().nothing_in_profile())]
    Empty,
    /// Another program's data.
    #[error("{}", say().foreign_data())]
    Foreign,
    /// Written by a newer program.
    #[error("{}", say().unknown_profile_version(.version, &VERSION))]
    Version {
        /// The version it names.
        version: u8,
    },
    /// Another cipher suite than WireGuard's.
    #[error("{}", say().unknown_suite(.suite, &SUITE))]
    Suite {
        /// The suite it names.
        suite: u8,
    },
    /// A field that must be understood and is not.
    #[error("{}", say().unknown_field(*.tag))]
    UnknownField {
        /// The field's tag.
        tag: u8,
    },
    /// The key is said to be in the card itself.
    #[error("{}", say().key_stays_in_card())]
    NoPrivateKey,
    /// The checksum does not match.
    #[error("{}", say().wrong_checksum())]
    Checksum,
    /// A field reaches beyond the end.
    #[error("{}", say().cut_field())]
    Cut,
    /// A field is repeated or out of order.
    #[error("{}", say().misplaced_field(*.tag))]
    Order {
        /// The field's tag.
        tag: u8,
    },
    /// A field does not hold what it should.
    #[error("{}", say().unreadable_field(.field))]
    Malformed {
        /// Which one.
        field: Field,
    },
    /// A field that must be there is not.
    #[error("{}", missing(*.field))]
    Missing {
        /// Which one.
        field: Field,
    },
    /// More than any card can be asked to hold.
    #[error("{}", say().profile_too_long(.room))]
    TooLong {
        /// The most there may be, in bytes.
        room: usize,
    },
    /// An address that cannot be what it should be.
    #[error("{}", unusable(*.field, *.net))]
    Address {
        /// What the address is for.
        field: Field,
        /// The address or network.
        net: IpNet,
    },
    /// An endpoint that leads to no gateway.
    #[error("{}", say().unusable_endpoint(.endpoint))]
    Endpoint {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// The same entry twice.
    #[error("{}", say().repeated_entry(.field))]
    Repeated {
        /// Which list.
        field: Field,
    },
    /// More entries than a list can have.
    #[error("{}", say().too_many_entries(.field, &MAX_ENTRIES))]
    TooMany {
        /// Which list.
        field: Field,
    },
    /// More endpoints than a gateway can have.
    #[error("{}", say().too_many_endpoints(&MAX_ENDPOINTS))]
    TooManyEndpoints,
    /// A gateway with the identity's own key.
    #[error("{}", say().gateway_with_own_key())]
    OwnKey,
    /// Not a usable MTU.
    #[error("{}", say().mtu_out_of_range(.mtu, MTU_RANGE.start(), MTU_RANGE.end()))]
    Mtu {
        /// The MTU in bytes.
        mtu: u16,
    },
    /// Not a usable keepalive interval.
    #[error(
        "{}",
        say().keepalive_out_of_range(.keepalive, KEEPALIVE_RANGE.start(), KEEPALIVE_RANGE.end())
    )]
    Keepalive {
        /// The interval in seconds.
        keepalive: u16,
    },
    /// Serial numbers begin with 1.
    #[error("{}", say().serial_is_zero())]
    Serial,
    /// A date after the year 9999, or an end before its beginning.
    #[error("{}", say().senseless_dates())]
    Dates,
}

fn missing(field: Field) -> String {
    match field {
        Field::Gateways | Field::Endpoints | Field::Addresses | Field::AllowedIps => {
            say().missing_list(&field)
        }
        field => say().missing_field(&field),
    }
}

fn unusable(field: Field, net: IpNet) -> String {
    match field {
        Field::AllowedIps if net.trunc() != net => say().host_bits(&net, &net.trunc()),
        Field::Dns => say().unusable_name_server(&net.addr()),
        field => say().unusable_network(&net, &field),
    }
}

impl Profile {
    /// Writes the profile as an object's bytes, its checksum included.
    ///
    /// # Errors
    /// The profile breaks a rule: see [`Profile::check`].
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, ProfileError> {
        self.check()?;
        let mut out = Writer::new(MAGIC);
        out.field(tag::NAME, self.name.as_str().as_bytes())?;
        out.number(tag::SERIAL, u64::from(self.serial))?;
        out.number(tag::ISSUED, self.issued.0)?;
        out.field(tag::SUITE, &[SUITE])?;
        if let Some(time) = self.not_before {
            out.number(tag::NOT_BEFORE, time.0)?;
        }
        if let Some(time) = self.not_after {
            out.number(tag::NOT_AFTER, time.0)?;
        }
        out.field(tag::PRIVATE_KEY, self.private_key.expose())?;
        out.field(tag::GATEWAYS, &encode_gateways(&self.gateways)?)?;
        let mut value = Vec::new();
        for net in &self.addresses {
            wire::put_interface_address(&mut value, net);
        }
        out.field(tag::ADDRESSES, &value)?;
        value.clear();
        for net in &self.allowed_ips {
            wire::put_network(&mut value, net);
        }
        out.field(tag::ALLOWED_IPS, &value)?;
        if !self.dns.is_empty() {
            value.clear();
            for &ip in &self.dns {
                wire::put_network(&mut value, &IpNet::from(ip));
            }
            out.field(tag::DNS, &value)?;
        }
        if self.mtu != DEFAULT_MTU {
            out.number(tag::MTU, u64::from(self.mtu))?;
        }
        if self.keepalive != DEFAULT_KEEPALIVE {
            out.number(tag::KEEPALIVE, u64::from(self.keepalive))?;
        }
        Ok(out.finish())
    }

    /// Reads an object's bytes: every input gives a profile that keeps all rules, or an error.
    ///
    /// # Errors
    /// The bytes are empty, foreign, damaged or of a newer program, or break a rule.
    pub fn decode(bytes: &[u8]) -> Result<Profile, ProfileError> {
        let mut fields = Reader::new(MAGIC, bytes)?;
        let (mut name, mut serial, mut issued) = (None, None, None);
        let (mut suite, mut not_before, mut not_after) = (None, None, None);
        let (mut private_key, mut gateways) = (None, None);
        let (mut addresses, mut allowed_ips, mut dns) = (None, None, None);
        let (mut mtu, mut keepalive) = (None, None);
        while let Some((tag, value)) = fields.field()? {
            match tag {
                tag::NAME => name = Some(decode_name(value)?),
                tag::SERIAL => serial = Some(number(value, Field::Serial)?),
                tag::ISSUED => issued = Some(UnixTime(number(value, Field::Issued)?)),
                tag::SUITE => {
                    let suite_named = number(value, Field::Suite)?;
                    if suite_named != SUITE {
                        return Err(ProfileError::Suite { suite: suite_named });
                    }
                    suite = Some(());
                }
                tag::NOT_BEFORE => not_before = Some(UnixTime(number(value, Field::NotBefore)?)),
                tag::NOT_AFTER => not_after = Some(UnixTime(number(value, Field::NotAfter)?)),
                tag::PRIVATE_KEY => {
                    let key = Bytes(value).whole();
                    let key = key.ok_or(ProfileError::Malformed {
                        field: Field::PrivateKey,
                    })?;
                    private_key = Some(PrivateKey::from_bytes(key));
                }
                tag::GATEWAYS => {
                    gateways = Some(wire::list(value, Field::Gateways, decode_gateway)?);
                }
                tag::ADDRESSES => {
                    addresses = Some(wire::list(
                        value,
                        Field::Addresses,
                        Bytes::interface_address,
                    )?);
                }
                tag::ALLOWED_IPS => {
                    allowed_ips = Some(wire::list(value, Field::AllowedIps, Bytes::network)?);
                }
                tag::DNS => dns = Some(wire::list(value, Field::Dns, decode_ip)?),
                tag::MTU => mtu = Some(number(value, Field::Mtu)?),
                tag::KEEPALIVE => keepalive = Some(number(value, Field::Keepalive)?),
                tag => wire::unknown(tag)?,
            }
        }
        let missing = |field| ProfileError::Missing { field };
        suite.ok_or(missing(Field::Suite))?;
        let profile = Profile {
            name: name.ok_or(missing(Field::Name))?,
            serial: serial.ok_or(missing(Field::Serial))?,
            issued: issued.ok_or(missing(Field::Issued))?,
            not_before,
            not_after,
            private_key: private_key.ok_or(ProfileError::NoPrivateKey)?,
            gateways: gateways.ok_or(missing(Field::Gateways))?,
            addresses: addresses.ok_or(missing(Field::Addresses))?,
            allowed_ips: allowed_ips.ok_or(missing(Field::AllowedIps))?,
            dns: dns.unwrap_or_default(),
            mtu: mtu.unwrap_or(DEFAULT_MTU),
            keepalive: keepalive.unwrap_or(DEFAULT_KEEPALIVE),
        };
        profile.check()?;
        Ok(profile)
    }

    /// Whether the profile keeps the rules that no type enforces: limits of numbers,
    /// no loopback, multicast or unspecified address, no entry twice, nothing missing.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), ProfileError> {
        if self.serial == 0 {
            return Err(ProfileError::Serial);
        }
        check_dates(self.not_before, self.not_after)?;
        if self.issued > LAST_SECOND {
            return Err(ProfileError::Dates);
        }
        if self.gateways.is_empty() {
            return Err(ProfileError::Missing {
                field: Field::Gateways,
            });
        }
        let own = self.private_key.public();
        let mut keys = Vec::new();
        for gateway in &self.gateways {
            if gateway.public_key == own {
                return Err(ProfileError::OwnKey);
            }
            if keys.contains(&gateway.public_key) {
                return Err(ProfileError::Repeated {
                    field: Field::Gateways,
                });
            }
            keys.push(gateway.public_key);
            check_endpoints(&gateway.endpoints)?;
        }
        check_addresses(&self.addresses)?;
        check_allowed_ips(&self.allowed_ips)?;
        check_dns(&self.dns)?;
        check_mtu(self.mtu)?;
        check_keepalive(self.keepalive)
    }
}

fn encode_gateways(gateways: &[Gateway]) -> Result<Zeroizing<Vec<u8>>, ProfileError> {
    // Preshared keys pass through here: reserved at once, so that no growth leaves a copy.
    let mut out = Zeroizing::new(Vec::with_capacity(wire::MAX_OBJECT));
    let mut endpoints = Vec::new();
    for gateway in gateways {
        endpoints.clear();
        for endpoint in &gateway.endpoints {
            wire::put_endpoint(&mut endpoints, endpoint);
        }
        if out.len() + 65 + endpoints.len() > out.capacity() {
            return Err(ProfileError::TooLong {
                room: wire::MAX_OBJECT,
            });
        }
        out.extend_from_slice(gateway.public_key.as_bytes());
        let count = gateway.endpoints.len() as u8;
        match &gateway.preshared_key {
            Some(key) => {
                out.push(count | HAS_PRESHARED_KEY);
                out.extend_from_slice(key.expose());
            }
            None => out.push(count),
        }
        out.extend_from_slice(&endpoints);
    }
    Ok(out)
}

fn decode_gateway(bytes: &mut Bytes<'_>) -> Option<Gateway> {
    let public_key = PublicKey::new(bytes.array()?).ok()?;
    let flags = bytes.byte()?;
    let preshared_key = match flags & HAS_PRESHARED_KEY {
        0 => None,
        _ => Some(PresharedKey::from_bytes(bytes.array()?)),
    };
    let count = usize::from(flags & !HAS_PRESHARED_KEY);
    let endpoints = (0..count)
        .map(|_| bytes.endpoint())
        .collect::<Option<_>>()?;
    Some(Gateway {
        public_key,
        preshared_key,
        endpoints,
    })
}

fn decode_ip(bytes: &mut Bytes<'_>) -> Option<IpAddr> {
    let net = bytes.network()?;
    (net.prefix_len() == net.max_prefix_len()).then(|| net.addr())
}

pub(crate) fn decode_name(value: &[u8]) -> Result<Name, ProfileError> {
    let text = str::from_utf8(value).ok();
    text.and_then(|text| text.parse().ok())
        .ok_or(ProfileError::Malformed { field: Field::Name })
}

pub(crate) fn number<T: TryFrom<u64>>(value: &[u8], field: Field) -> Result<T, ProfileError> {
    let number = Bytes(value).number();
    number
        .and_then(|number| T::try_from(number).ok())
        .ok_or(ProfileError::Malformed { field })
}
