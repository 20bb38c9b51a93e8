//! The two texts of the issuing pipe: the gateway's invitation and the token's enrolment.
//!
//! `tokenvpn-gateway invite NAME | tokenvpn token issue | tokenvpn-gateway enrol`. Both are
//! TOML and strict: a key that is not known here is an error. An invitation holds a
//! preshared key and is to be kept secret; an enrolment holds nothing secret.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use rand_core::{OsRng, RngCore};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::clock::UnixTime;
use crate::date;
use crate::endpoint::Endpoint;
use crate::key::{PresharedKey, PrivateKey, PublicKey};
use crate::name::Name;
use crate::profile::{self, DEFAULT_KEEPALIVE, DEFAULT_MTU, Gateway, Profile, ProfileError};

/// The version of both texts that this program writes and reads.
pub const VERSION: u32 = 1;

/// Longest text that is read, in bytes.
pub const MAX_TEXT: usize = 64 * 1024;

/// Names one invitation, so that one enrolment uses it up: 128 random bits as 32
/// lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InvitationId(String);

/// The text is no [`InvitationId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an invitation's id is 32 hexadecimal digits in lower case")]
pub struct InvitationIdError;

impl InvitationId {
    /// Makes a new id from the operating system's randomness.
    pub fn generate() -> InvitationId {
        let mut bytes = [0; 16];
        OsRng.fill_bytes(&mut bytes);
        InvitationId(format!("{:032x}", u128::from_be_bytes(bytes)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InvitationId {
    type Err = InvitationIdError;

    fn from_str(text: &str) -> Result<InvitationId, InvitationIdError> {
        let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        match text.len() == 32 && text.bytes().all(is_digit) {
            true => Ok(InvitationId(text.to_owned())),
            false => Err(InvitationIdError),
        }
    }
}

impl TryFrom<String> for InvitationId {
    type Error = InvitationIdError;

    fn try_from(text: String) -> Result<InvitationId, InvitationIdError> {
        text.parse()
    }
}

impl From<InvitationId> for String {
    fn from(id: InvitationId) -> String {
        id.0
    }
}

impl fmt::Display for InvitationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the gateway hands to the computer that will issue the token. Secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// [`VERSION`].
    pub version: u32,
    /// What the enrolment will answer to.
    pub id: InvitationId,
    /// The identity's name.
    pub name: Name,
    /// Until when the gateway accepts the enrolment.
    #[serde(with = "date::text")]
    pub valid_until: UnixTime,
    /// When the identity expires.
    #[serde(
        with = "date::optional_text",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub expires: Option<UnixTime>,
    /// The gateway's static key.
    pub gateway_public_key: PublicKey,
    /// The key that both sides mix in.
    #[serde(
        with = "preshared_key_text",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub preshared_key: Option<PresharedKey>,
    /// Where the gateway listens, best first.
    pub endpoints: Vec<Endpoint>,
    /// The tunnel addresses, each with its tunnel network's prefix.
    pub addresses: Vec<IpNet>,
    /// The networks behind the gateway.
    pub allowed_ips: Vec<IpNet>,
    /// Name servers to use while the tunnel is up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<IpAddr>,
    /// Inner MTU in bytes.
    #[serde(default = "default_mtu")]
    pub mtu: u16,
    /// Seconds between keepalives, 0 for none.
    #[serde(default = "default_keepalive")]
    pub keepalive: u16,
}

/// What the issuing computer hands back to the gateway. Not secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// [`VERSION`].
    pub version: u32,
    /// The invitation that this answers.
    pub id: InvitationId,
    /// The identity's name.
    pub name: Name,
    /// The public half of the key on the token.
    pub public_key: PublicKey,
    /// The profile's serial number.
    pub serial: u32,
}

/// Why a text is no invitation or enrolment, or why an invitation makes no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvitationError {
    /// Nothing came.
    #[error("there is no {what}: the input is empty")]
    Empty {
        /// `invitation` or `enrolment`.
        what: &'static str,
    },
    /// Too much came.
    #[error("this is no {what}: it is longer than {MAX_TEXT} bytes")]
    TooLong {
        /// `invitation` or `enrolment`.
        what: &'static str,
    },
    /// Not the TOML that it should be.
    #[error("this is no {what}: line {line}, column {column}: {message}")]
    Text {
        /// `invitation` or `enrolment`.
        what: &'static str,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// Written by a newer program.
    #[error("this {what} is of version {version}, this program knows {VERSION}")]
    Version {
        /// `invitation` or `enrolment`.
        what: &'static str,
        /// The version it names.
        version: u32,
    },
    /// Past the day until which the gateway takes the enrolment.
    #[error("this invitation was valid until {until}")]
    OutOfDate {
        /// That moment.
        until: UnixTime,
    },
    /// The identity would expire before it begins.
    #[error("this invitation is for an identity that expired on {expired}")]
    Expired {
        /// That moment.
        expired: UnixTime,
    },
    /// It breaks a rule of profiles.
    #[error("this invitation makes no profile: {0}")]
    Profile(#[from] ProfileError),
}

impl Invitation {
    /// Reads and checks the text of an invitation.
    ///
    /// # Errors
    /// Empty, no TOML, unknown or missing keys, or a rule of profiles broken.
    pub fn from_toml(text: &str) -> Result<Invitation, InvitationError> {
        let invitation: Invitation = parse(text, "invitation")?;
        invitation.check()?;
        Ok(invitation)
    }

    /// Writes the invitation as text, ending with a newline.
    ///
    /// # Errors
    /// It breaks a rule of profiles.
    pub fn to_toml(&self) -> Result<Zeroizing<String>, InvitationError> {
        self.check()?;
        let text = toml::to_string(self).expect("invariant: an invitation has only TOML's types");
        Ok(Zeroizing::new(text))
    }

    /// Makes the profile for the token: this invitation and the token's new key.
    ///
    /// # Errors
    /// The invitation is out of date at `now`, or breaks a rule of profiles.
    pub fn into_profile(
        self,
        private_key: PrivateKey,
        now: UnixTime,
        serial: u32,
    ) -> Result<Profile, InvitationError> {
        self.check_dates(now)?;
        let profile = Profile {
            name: self.name,
            serial,
            issued: now,
            not_before: None,
            not_after: self.expires,
            private_key,
            gateways: vec![Gateway {
                public_key: self.gateway_public_key,
                preshared_key: self.preshared_key,
                endpoints: self.endpoints,
            }],
            addresses: self.addresses,
            allowed_ips: self.allowed_ips,
            dns: self.dns,
            mtu: self.mtu,
            keepalive: self.keepalive,
        };
        profile.check()?;
        Ok(profile)
    }

    /// Whether the invitation can still be used at `now`.
    ///
    /// # Errors
    /// [`InvitationError::OutOfDate`], [`InvitationError::Expired`].
    pub fn check_dates(&self, now: UnixTime) -> Result<(), InvitationError> {
        if now > self.valid_until {
            return Err(InvitationError::OutOfDate {
                until: self.valid_until,
            });
        }
        match self.expires {
            Some(expired) if now > expired => Err(InvitationError::Expired { expired }),
            _ => Ok(()),
        }
    }

    fn check(&self) -> Result<(), ProfileError> {
        profile::check_endpoints(&self.endpoints)?;
        profile::check_addresses(&self.addresses)?;
        profile::check_allowed_ips(&self.allowed_ips)?;
        profile::check_dns(&self.dns)?;
        profile::check_mtu(self.mtu)?;
        profile::check_keepalive(self.keepalive)
    }
}

impl Enrolment {
    /// Reads the text of an enrolment.
    ///
    /// # Errors
    /// Empty, no TOML, unknown or missing keys.
    pub fn from_toml(text: &str) -> Result<Enrolment, InvitationError> {
        parse(text, "enrolment")
    }

    /// Writes the enrolment as text, ending with a newline.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("invariant: an enrolment has only TOML's types")
    }
}

/// The one key that every version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

fn parse<T: for<'de> Deserialize<'de>>(
    text: &str,
    what: &'static str,
) -> Result<T, InvitationError> {
    if text.trim().is_empty() {
        return Err(InvitationError::Empty { what });
    }
    if text.len() > MAX_TEXT {
        return Err(InvitationError::TooLong { what });
    }
    // First the version alone: a newer text has keys that mean nothing here.
    let Versioned { version } = toml::from_str(text).map_err(|e| at(text, what, &e))?;
    if version != VERSION {
        return Err(InvitationError::Version { what, version });
    }
    toml::from_str(text).map_err(|e| at(text, what, &e))
}

/// Where and why, without the line itself: it may hold the preshared key.
fn at(text: &str, what: &'static str, error: &toml::de::Error) -> InvitationError {
    let before = error.span().and_then(|span| text.get(..span.start));
    let before = before.unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    InvitationError::Text {
        what,
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message: error.message().replace(char::is_control, " "),
    }
}

fn default_mtu() -> u16 {
    DEFAULT_MTU
}

fn default_keepalive() -> u16 {
    DEFAULT_KEEPALIVE
}

mod preshared_key_text {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        key: &Option<PresharedKey>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match key {
            Some(key) => serializer.serialize_str(&key.expose_text()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<PresharedKey>, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        text.parse().map(Some).map_err(serde::de::Error::custom)
    }
}
