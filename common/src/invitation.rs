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
use crate::language::say;
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
#[error("{}", say().malformed_invitation_id())]
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
    #[serde(deserialize_with = "networks")]
    pub addresses: Vec<IpNet>,
    /// The networks behind the gateway.
    #[serde(deserialize_with = "networks")]
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

/// Which of the two texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Invitation`]
    Invitation,
    /// [`Enrolment`]
    Enrolment,
}

/// Why a text is no invitation or enrolment, or why an invitation makes no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", told(self))]
pub enum InvitationError {
    /// Nothing came.
    Empty {
        /// What it should be.
        kind: Kind,
    },
    /// Too much came.
    TooLong {
        /// What it should be.
        kind: Kind,
    },
    /// Not the TOML that it should be.
    Text {
        /// What it should be.
        kind: Kind,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// Written by a newer program.
    Version {
        /// What it should be.
        kind: Kind,
        /// The version it names.
        version: u32,
    },
    /// Past the day until which the gateway takes the enrolment.
    OutOfDate {
        /// That moment.
        until: UnixTime,
    },
    /// The identity would expire before it begins.
    Expired {
        /// That moment.
        expired: UnixTime,
    },
    /// It breaks a rule of profiles.
    Profile(#[from] ProfileError),
}

fn told(error: &InvitationError) -> String {
    use InvitationError as E;
    use Kind::{Enrolment, Invitation};
    match error {
        E::Empty { kind: Invitation } => say().empty_invitation(),
        E::Empty { kind: Enrolment } => say().empty_enrolment(),
        E::TooLong { kind: Invitation } => say().invitation_too_long(&MAX_TEXT),
        E::TooLong { kind: Enrolment } => say().enrolment_too_long(&MAX_TEXT),
        E::Text {
            kind,
            line,
            column,
            message,
        } => match kind {
            Invitation => say().malformed_invitation(line, column, message),
            Enrolment => say().malformed_enrolment(line, column, message),
        },
        E::Version { kind, version } => match kind {
            Invitation => say().unknown_invitation_version(version, &VERSION),
            Enrolment => say().unknown_enrolment_version(version, &VERSION),
        },
        E::OutOfDate { until } => say().invitation_out_of_date(until),
        E::Expired { expired } => say().invitation_of_expired(expired),
        E::Profile(error) => say().invitation_without_profile(error),
    }
}

impl Invitation {
    /// Reads and checks the text of an invitation.
    ///
    /// # Errors
    /// Empty, no TOML, unknown or missing keys, or a rule of profiles broken.
    pub fn from_toml(text: &str) -> Result<Invitation, InvitationError> {
        let invitation: Invitation = parse(text, Kind::Invitation)?;
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
        parse(text, Kind::Enrolment)
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

fn parse<T: for<'de> Deserialize<'de>>(text: &str, kind: Kind) -> Result<T, InvitationError> {
    if text.trim().is_empty() {
        return Err(InvitationError::Empty { kind });
    }
    if text.len() > MAX_TEXT {
        return Err(InvitationError::TooLong { kind });
    }
    // First the version alone: a newer text has keys that mean nothing here.
    let Versioned { version } = toml::from_str(text).map_err(|e| at(text, kind, &e))?;
    if version != VERSION {
        return Err(InvitationError::Version { kind, version });
    }
    toml::from_str(text).map_err(|e| at(text, kind, &e))
}

/// Where and why, without the line itself: it may hold the preshared key.
fn at(text: &str, kind: Kind, error: &toml::de::Error) -> InvitationError {
    let before = error.span().and_then(|span| text.get(..span.start));
    let before = before.unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    InvitationError::Text {
        kind,
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message: error.message().replace(char::is_control, " "),
    }
}

/// A network whose error shows its text, as the gateway's own errors do.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Network(IpNet);

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Network, String> {
        let network = text.parse().map(Network);
        network.map_err(|_| say().no_network(&text))
    }
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let networks = Vec::<Network>::deserialize(deserializer)?;
    Ok(networks
        .into_iter()
        .map(|Network(network)| network)
        .collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation() -> Invitation {
        Invitation {
            version: VERSION,
            id: InvitationId::generate(),
            name: "traveller".parse().unwrap(),
            valid_until: "2026-11-30T12:00:00Z".parse().unwrap(),
            expires: Some("2027-11-23".parse().unwrap()),
            gateway_public_key: PrivateKey::from_bytes([2; 32]).public(),
            preshared_key: Some(PresharedKey::from_bytes([3; 32])),
            endpoints: vec!["tokyo.example:51820".parse().unwrap()],
            addresses: vec!["10.77.0.7/24".parse().unwrap()],
            allowed_ips: vec!["10.0.0.0/8".parse().unwrap()],
            dns: vec!["10.77.0.1".parse().unwrap()],
            mtu: DEFAULT_MTU,
            keepalive: DEFAULT_KEEPALIVE,
        }
    }

    fn text() -> String {
        invitation().to_toml().unwrap().to_string()
    }

    /// The error in a text that is the invitation with one line changed, and where it is.
    fn refused(from: &str, to: &str) -> String {
        let text = text();
        assert!(text.contains(from), "{from} in:\n{text}");
        let error = Invitation::from_toml(&text.replacen(from, to, 1)).unwrap_err();
        error.to_string()
    }

    #[test]
    fn an_invitation_survives_its_text() {
        let text = text();
        let again = Invitation::from_toml(&text).unwrap();
        assert_eq!(*again.to_toml().unwrap(), text);
        assert_eq!(again.preshared_key.unwrap().expose(), &[3; 32]);
        assert!(
            text.contains("valid_until = \"2026-11-30T12:00:00Z\"\n"),
            "{text}"
        );
        assert!(
            text.contains("expires = \"2027-11-23T23:59:59Z\"\n"),
            "{text}"
        );
    }

    #[test]
    fn what_may_be_left_out_has_its_usual_value() {
        let text: String = text()
            .lines()
            .filter(|line| {
                let optional = ["expires", "preshared_key", "dns", "mtu", "keepalive"];
                !optional.iter().any(|key| line.starts_with(key))
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let invitation = Invitation::from_toml(&text).unwrap();
        assert!(invitation.expires.is_none() && invitation.preshared_key.is_none());
        assert!(invitation.dns.is_empty());
        assert_eq!((invitation.mtu, invitation.keepalive), (1420, 25));
    }

    #[test]
    fn an_enrolment_survives_its_text() {
        let enrolment = Enrolment {
            version: VERSION,
            id: InvitationId::generate(),
            name: "traveller".parse().unwrap(),
            public_key: PrivateKey::generate().public(),
            serial: 3,
        };
        assert_eq!(Enrolment::from_toml(&enrolment.to_toml()), Ok(enrolment));
    }

    #[test]
    fn a_mistake_is_shown_with_its_line_and_column() {
        for (from, to, told) in [
            (
                "10.77.0.7/24",
                "10.77.0.7/33",
                "line 9, column 13: \"10.77.0.7/33\" is no network",
            ),
            (
                "10.77.0.7/24",
                "10.77.0.7",
                "line 9, column 13: \"10.77.0.7\" is no network",
            ),
            (
                "10.0.0.0/8",
                "10.0.0.0/33",
                "line 10, column 15: \"10.0.0.0/33\" is no network",
            ),
            ("mtu", "mut", "unknown field `mut`"),
            ("name = \"traveller\"", "name = 5", "line 3, column 8"),
            (
                "name = \"traveller\"",
                "name = \"\"",
                "line 3, column 8: a name cannot be empty",
            ),
            ("name = ", "name ", "line 3"),
            (
                "2026-11-30T12:00:00Z",
                "next week",
                "line 4, column 15: a date is a day",
            ),
            (
                "tokyo.example:51820",
                "tokyo.example",
                "an endpoint is HOST:PORT",
            ),
            ("name = \"traveller\"\n", "", "missing field `name`"),
            (
                "version = 1",
                "version = 1\nversion = 1",
                "line 2, column 1: duplicate key",
            ),
        ] {
            let error = refused(from, to);
            assert!(error.contains(told), "{to}: {error}");
            assert!(error.starts_with("this is no invitation: line "), "{error}");
        }
    }

    #[test]
    fn a_mistake_in_the_preshared_key_does_not_show_it() {
        let key = invitation().preshared_key.unwrap().expose_text();
        for spoilt in [
            format!("{}A", *key),
            format!("\\u0007{}", *key),
            "\\q".into(),
        ] {
            let error = refused(&key, &format!("{}{spoilt}", &key[..20]));
            assert!(
                error.contains("column") && !error.contains(&key[..10]),
                "{error}"
            );
        }
    }

    #[test]
    fn what_no_profile_may_hold_no_invitation_may() {
        for (from, to, told) in [
            (
                "10.77.0.7/24",
                "127.0.0.1/8",
                "127.0.0.1/8 cannot be among the tunnel addresses",
            ),
            (
                "10.0.0.0/8",
                "10.0.0.1/8",
                "10.0.0.1/8 cannot be among the allowed IPs",
            ),
            (
                "tokyo.example:51820",
                "127.0.0.1:51820",
                "cannot be a gateway's endpoint",
            ),
            (
                "tokyo.example:51820",
                "localhost:51820",
                "cannot be a gateway's endpoint",
            ),
            (
                "mtu = 1420",
                "mtu = 100",
                "MTU 100 is not from 1280 to 9000",
            ),
            (
                "keepalive = 25",
                "keepalive = 5",
                "keepalive 5 is neither 0 nor",
            ),
            ("[\"10.0.0.0/8\"]", "[]", "there are no allowed IPs"),
        ] {
            let error = refused(from, to);
            assert!(error.contains(told), "{to}: {error}");
        }
    }

    #[test]
    fn nothing_newer_and_too_long_are_said_to_be_that() {
        let error = |text: &str| Invitation::from_toml(text).unwrap_err();
        let kind = Kind::Invitation;
        assert_eq!(error(""), InvitationError::Empty { kind });
        assert_eq!(error(" \n\t\n"), InvitationError::Empty { kind });
        let newer = "version = 2\nsomething_new = 1\n";
        assert_eq!(error(newer), InvitationError::Version { kind, version: 2 });
        let long = "#".repeat(MAX_TEXT + 1);
        assert_eq!(error(&long), InvitationError::TooLong { kind });
    }

    #[test]
    fn a_profile_is_made_only_as_long_as_the_invitation_is_valid() {
        let make = |now: &str| {
            let now = now.parse().unwrap();
            invitation().into_profile(PrivateKey::from_bytes([1; 32]), now, 4)
        };
        let profile = make("2026-11-30T12:00:00Z").unwrap();
        assert_eq!((profile.serial, profile.name.as_str()), (4, "traveller"));
        assert_eq!(profile.not_after, invitation().expires);
        assert_eq!(profile.issued, "2026-11-30T12:00:00Z".parse().unwrap());
        let until = invitation().valid_until;
        assert_eq!(
            make("2026-11-30T12:00:01Z").err(),
            Some(InvitationError::OutOfDate { until })
        );
        let expired: UnixTime = "2026-11-01".parse().unwrap();
        let late = Invitation {
            expires: Some(expired),
            ..invitation()
        };
        let made = late.into_profile(PrivateKey::generate(), until, 1);
        assert_eq!(made.err(), Some(InvitationError::Expired { expired }));
    }

    #[test]
    fn an_identity_cannot_have_its_gateways_key() {
        let made = invitation().into_profile(PrivateKey::from_bytes([2; 32]), UnixTime(0), 1);
        assert_eq!(made.err(), Some(ProfileError::OwnKey.into()));
    }
}
