//! From a token in a reader to its profile in memory.

use std::os::fd::{AsFd as _, OwnedFd};

use nix::unistd::Pid;
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::io::card::{CardError, FULL_TRIES, Token};
use tokenvpn_common::io::{clock, hardening};
use tokenvpn_common::profile::Profile;
use tokenvpn_common::token::{Content, Ident};
use zeroize::Zeroizing;

use super::End;
use crate::message::{Channel, Order, PinNeeded, Refusal, Report, Summary, Unable, Wait};
use crate::pin::{self, PinError, Source};
use crate::words::{self, Doing, Failure, Fault, Object, State};

/// A profile that may be used now.
pub(super) struct Unlocked {
    pub(super) profile: Profile,
    pub(super) summary: Summary,
}

/// Opens the token, gets its PIN, reads the profile and lets go of the card.
pub(super) fn unlock(
    channel: &Channel,
    supervisor: Pid,
    reader: &str,
    ident: Ident,
    keypad: bool,
) -> Result<Unlocked, End> {
    let mut token = Token::open(reader).map_err(card_end)?;
    if !keypad {
        token.leave_keypad();
    }
    if token.ident() != ident {
        return Err(End::TokenGone);
    }
    tracing::debug!(token = %ident, reader, "the token is ours");
    check_label(&mut token)?;
    let bytes = read(&mut token, channel, supervisor)?;
    tracing::debug!(bytes = bytes.len(), "the profile is read");
    // The reset takes back what the PIN allowed.
    drop(token);
    let profile =
        State::usable(Profile::decode(&bytes).into(), Object::Profile).map_err(End::Failed)?;
    check_dates(&profile, clock::unix_time()).map_err(End::Failed)?;
    let summary = Summary::from(&profile);
    Ok(Unlocked { profile, summary })
}

/// What the label can tell without a PIN. It is a hint: what it does not tell, or tells
/// wrongly, the profile decides.
fn check_label(token: &mut Token) -> Result<(), End> {
    let not_after = match token.label().map_err(card_end)? {
        Content::Empty | Content::Foreign | Content::Damaged { .. } => None,
        content => {
            let label = State::usable(content, Object::Label).map_err(End::Failed)?;
            label.not_after
        }
    };
    check_now(not_after, clock::unix_time()).map_err(End::Failed)
}

/// Asks until the card accepts, each typed PIN tried once. Whether to ask at all, and where,
/// is the supervisor's to say.
fn read(token: &mut Token, channel: &Channel, supervisor: Pid) -> Result<Zeroizing<Vec<u8>>, End> {
    let (mut refused, mut unable) = (None, None::<Unable>);
    loop {
        let needed = PinNeeded {
            tries_left: token.tries_left().map_err(card_end)?,
            refused: refused.take(),
            pinpad: token.has_pinpad().map_err(card_end)?,
            unable: unable.clone(),
        };
        channel
            .send(&Report::PinNeeded(needed), &[])
            .map_err(|_| End::Unwanted)?;
        if let Some(unable) = &mut unable {
            unable.told = true;
        }
        let source = match channel.receive_order(Wait::Forever)? {
            (Order::AskPin { source }, _) => source,
            (Order::UsePin, mut descriptors) => {
                let descriptor = descriptors.pop().ok_or(Fault::NoDescriptors)?;
                return read_with_given(token, supervisor, descriptor);
            }
            _ => return Err(Fault::NoPinOrder.into()),
        };
        match read_with_typed(token, channel, supervisor, source)? {
            Typed::Read(bytes) => return Ok(bytes),
            Typed::Refused(refusal) => refused = Some(refusal),
            Typed::Unable(failure) => {
                unable = Some(Unable {
                    source,
                    failure,
                    told: false,
                });
            }
        }
    }
}

/// A PIN that nobody typed: one try, and only with so many left that people keep some.
fn read_with_given(
    token: &mut Token,
    supervisor: Pid,
    descriptor: OwnedFd,
) -> Result<Zeroizing<Vec<u8>>, End> {
    match token.tries_left().map_err(card_end)? {
        0 => return Err(End::Failed(State::PinBlocked)),
        tries_left if tries_left < FULL_TRIES => {
            return Err(End::Failed(State::PinUntried { tries_left }));
        }
        _ => {}
    }
    hardening::die_with_parent(supervisor)?;
    let pin = pin::read(descriptor, None).map_err(|e| End::from(words::bad_given_pin(&e)))?;
    token.read_profile(pin).map_err(card_end)
}

/// What came of asking a person, if that was not the end.
enum Typed {
    Read(Zeroizing<Vec<u8>>),
    Refused(Refusal),
    Unable(Failure),
}

/// A PIN that a person types: one try.
fn read_with_typed(
    token: &mut Token,
    channel: &Channel,
    supervisor: Pid,
    source: Source,
) -> Result<Typed, End> {
    let read = match source {
        Source::Pinpad => {
            hardening::die_with_parent(supervisor)?;
            // If nobody hears it, the supervisor is gone, and this process with it.
            token.read_profile_by_pinpad(&|| drop(channel.send(&Report::PinTimedOut, &[])))
        }
        source => {
            // At the prompt the end of the supervisor must not kill: the echo has to come back,
            // and a window to go.
            hardening::outlive_parent()?;
            let tries_left = token.tries_left().map_err(card_end)?;
            // The supervisor says nothing meanwhile, so what comes is its end.
            let asked = pin::ask_at(source, token.ident(), tries_left, Some(channel.as_fd()));
            if let Err(error @ PinError::Asking { .. }) = &asked {
                hardening::die_with_parent(supervisor)?;
                return Ok(Typed::Unable(words::cannot_ask(error)));
            }
            let pin = asked.map_err(unasked)?;
            hardening::die_with_parent(supervisor)?;
            token.read_profile(pin)
        }
    };
    match read {
        Ok(bytes) => Ok(Typed::Read(bytes)),
        Err(CardError::PinWrong { .. }) => Ok(Typed::Refused(Refusal::Wrong)),
        Err(CardError::PinTooLong { max }) => Ok(Typed::Refused(Refusal::TooLong { max })),
        Err(CardError::PinLength) => Ok(Typed::Refused(Refusal::Length)),
        Err(error @ CardError::Keypad(_)) => Ok(Typed::Unable(words::cannot_ask(&error))),
        Err(error) => Err(card_end(error)),
    }
}

/// Why nobody has typed a PIN.
fn unasked(error: PinError) -> End {
    match error {
        PinError::Interrupted => End::Unwanted,
        PinError::Cancelled => End::Failed(State::PinCancelled),
        PinError::NoTerminal => End::Failed(State::PinMissing),
        error => Doing::AskPin.failed(error).into(),
    }
}

/// What is known before the profile is.
fn check_now(not_after: Option<UnixTime>, now: UnixTime) -> Result<(), State> {
    if now < UnixTime::EARLIEST {
        return Err(State::Clock { now, issued: None });
    }
    match not_after {
        Some(not_after) if not_after < now => Err(State::Expired { not_after, now }),
        _ => Ok(()),
    }
}

fn check_dates(profile: &Profile, now: UnixTime) -> Result<(), State> {
    // The day counts, not the second: computers whose clocks differ by some minutes are both right.
    // Those of a few minutes around midnight differ for as many minutes only.
    if now < profile.issued.day_start() {
        let issued = Some(profile.issued);
        return Err(State::Clock { now, issued });
    }
    if let Some(not_before) = profile.not_before
        && now < not_before
    {
        return Err(State::NotYetValid { not_before, now });
    }
    check_now(profile.not_after, now)
}

pub(super) fn card_end(error: CardError) -> End {
    match error {
        CardError::NoReader | CardError::NoToken | CardError::Removed => End::TokenGone,
        other => End::Failed(other.into()),
    }
}

#[cfg(test)]
mod tests {
    use tokenvpn_common::key::PrivateKey;
    use tokenvpn_common::profile::Gateway;

    use super::*;

    fn profile() -> Profile {
        Profile {
            name: "traveller".parse().unwrap(),
            serial: 1,
            issued: "2026-11-20T12:00:00Z".parse().unwrap(),
            not_before: Some("2026-12-01T00:00:00Z".parse().unwrap()),
            not_after: Some("2026-12-31".parse().unwrap()),
            private_key: PrivateKey::from_bytes([1; 32]),
            gateways: vec![Gateway {
                public_key: PrivateKey::from_bytes([2; 32]).public(),
                preshared_key: None,
                endpoints: vec!["203.0.113.5:51820".parse().unwrap()],
            }],
            addresses: vec!["10.77.0.7/24".parse().unwrap()],
            allowed_ips: vec!["10.0.0.0/8".parse().unwrap()],
            dns: Vec::new(),
            mtu: 1420,
            keepalive: 25,
        }
    }

    #[test]
    fn a_profile_is_valid_from_its_first_to_its_last_second() {
        let check = |now: &str| check_dates(&profile(), now.parse().unwrap());
        assert_eq!(check("2026-12-01T00:00:00Z"), Ok(()));
        assert_eq!(check("2026-12-31T23:59:59Z"), Ok(()));
        assert!(matches!(
            check("2026-11-30T23:59:59Z"),
            Err(State::NotYetValid { .. })
        ));
        assert!(matches!(
            check("2027-01-01T00:00:00Z"),
            Err(State::Expired { .. })
        ));
    }

    #[test]
    fn a_clock_that_cannot_be_right_is_told_before_a_pin_is_asked() {
        let label = Some("2026-12-31".parse().unwrap());
        for not_after in [label, None] {
            let check = |now: &str| check_now(not_after, now.parse().unwrap());
            for now in ["1970-01-01T00:00:00Z", "2026-10-31T23:59:59Z"] {
                assert!(matches!(check(now), Err(State::Clock { .. })), "{now}");
            }
            assert_eq!(check("2026-11-01T00:00:00Z"), Ok(()));
        }
    }

    #[test]
    fn a_clock_behind_the_day_of_issue_is_wrong() {
        let check = |now: &str| check_dates(&profile(), now.parse().unwrap());
        for now in ["1970-01-01T00:00:00Z", "2026-11-19T23:59:59Z"] {
            assert!(matches!(check(now), Err(State::Clock { .. })), "{now}");
        }
        for now in ["2026-11-20T00:00:00Z", "2026-11-20T11:59:59Z"] {
            assert!(
                matches!(check(now), Err(State::NotYetValid { .. })),
                "{now}"
            );
        }
    }
}
