//! What the commands for tokens say.

use std::fmt;
use std::io;

use tokenvpn_common::invitation::InvitationError;
use tokenvpn_common::io::card::{CardError, Secret};
use tokenvpn_common::name::Name;
use tokenvpn_common::profile::ProfileError;
use tokenvpn_common::token::Ident;

use super::{count, no_pin};
use crate::pin::PinError;
use crate::words::{Failure, code};

/// Endpoints were given, and the token has several gateways.
pub(crate) fn which_gateway(gateways: usize) -> Failure {
    Failure::new(
        code::USAGE,
        format!("this token knows {gateways} gateways, and --endpoint does not say whose"),
        "say which with --gateway, 1 for the first; tokenvpn token show lists them",
    )
}

/// Endpoints were given for a gateway that the token does not have.
pub(crate) fn no_such_gateway(place: usize, gateways: usize) -> Failure {
    let has = count(gateways.try_into().unwrap_or(u64::MAX), "gateway");
    Failure::new(
        code::USAGE,
        format!("there is no gateway {place}: this token knows {has}"),
        "tokenvpn token show lists them",
    )
}

/// The last gateway was to be taken off.
pub(crate) fn only_gateway() -> Failure {
    Failure::new(
        code::OTHER,
        "this is the only gateway that the token knows",
        "give it another one first (tokenvpn token add-gateway), or empty it (tokenvpn token erase)",
    )
}

/// The gateway that invites is on the token already.
pub(crate) fn known_gateway() -> Failure {
    Failure::new(
        code::OTHER,
        "the gateway that made this invitation is on the token already",
        "renew the token with it: tokenvpn token renew",
    )
}

/// What an invitation says and the token does not get.
pub(crate) fn not_taken(lines: &str) -> String {
    format!("Not taken from the invitation; a token has it once, for all its gateways:\n{lines}")
}

/// What the token knows no more.
pub(crate) fn dropped(lines: &str) -> String {
    format!("No longer on the token:\n{lines}")
}

/// The list has nothing in it.
pub(crate) const NO_TOKEN: &str = "No token is plugged in.";

/// Somebody is to paste an invitation.
pub(crate) const PASTE: &str = "Paste the invitation and end it with Ctrl-D.";

/// Memory with secrets cannot be locked.
pub(crate) const MAY_BE_SWAPPED: &str = "warning: the PIN and the key may reach this computer's swap\n\
     hint: run it as root, or allow more locked memory (ulimit -l)";

/// The answer to a question whether to destroy something.
pub(crate) const YES: &str = "YES";

/// The question before a token is erased, and what its refusal means.
pub(crate) const ERASE_PROMPT: &str = "Type YES to erase both for good: ";
pub(crate) const NOT_ERASED: &str = "the token was not erased";

/// The question before a token is overwritten, and what its refusal means.
pub(crate) fn overwrite_prompt(loss: &str) -> String {
    format!("This token holds {loss}. Type YES to overwrite it: ")
}
pub(crate) const NOT_OVERWRITTEN: &str = "the token was not overwritten";

/// Where a label of ours would be.
pub(crate) fn in_place_of_a_label(what: &str) -> String {
    format!("{what} in place of a label")
}

/// Both will be lost.
pub(crate) fn both(one: &str, other: &str) -> String {
    format!("{one}, and {other}")
}

/// A question whether to destroy something was not answered with a yes.
pub(crate) fn refused(refusal: &str) -> Failure {
    let hint = format!("it holds what it held; only {YES}, in capital letters, is a yes");
    Failure::new(code::OTHER, refusal, hint)
}

/// It could not be asked.
pub(crate) fn not_asked(refusal: &str) -> Failure {
    Failure::new(
        code::OTHER,
        format!("{refusal}: there is no terminal to ask"),
        "run it in a terminal and answer YES; nothing was changed",
    )
}

/// The token that was asked for is not there.
pub(crate) fn not_plugged_in(token: Ident) -> Failure {
    Failure::new(
        code::NO_TOKEN,
        format!("the token {token} is not plugged in"),
        "plug it in; tokenvpn token list shows what is there",
    )
}

/// Everybody knows the PIN of the token that is to get a key.
pub(crate) fn factory_pin() -> Failure {
    Failure::new(
        code::OTHER,
        "this token still has the PIN of every new one, so anybody could use it",
        "change it first: tokenvpn token pin (and the admin PIN: --admin)",
    )
}

/// Everybody knows the admin PIN of the token that is to get a key.
pub(crate) fn factory_admin_pin() -> Failure {
    Failure::new(
        code::OTHER,
        "this token still has the admin PIN of every new one, so anybody could take it over",
        "change it first: tokenvpn token pin --admin",
    )
}

/// A token is to get a key, and nobody saw the secret that was typed on its reader.
pub(crate) fn unseen(secret: Secret) -> String {
    let option = match secret {
        Secret::AdminPin => " --admin",
        _ => "",
    };
    format!(
        "warning: typed on the reader, the {secret} is not seen here\n\
         hint: is it still the one of every new token? Change it: tokenvpn token pin{option}"
    )
}

/// What a card has against a command that somebody waits for, where it is not what `up`
/// would say.
pub(crate) fn card(error: &CardError) -> Option<Failure> {
    let (code, what, hint) = match error {
        CardError::NoReader | CardError::NoToken => (
            code::NO_TOKEN,
            "no token is plugged in".into(),
            "plug in your YubiKey, Nitrokey or OpenPGP card",
        ),
        CardError::Removed => (
            code::REMOVED,
            "the token was removed".into(),
            "plug it in again and start over",
        ),
        CardError::NoPermission => (
            code::NO_PERMISSION,
            "the smart-card service refuses this user".into(),
            "run it as root, or where you are logged in at the computer itself",
        ),
        CardError::AdminPinBlocked => (
            code::PIN_BLOCKED,
            "the admin PIN is blocked, for good; nothing was erased".into(),
            "the token still works with its PIN; only gpg --card-edit, factory-reset makes it new",
        ),
        CardError::ResetCodeBlocked => (
            code::PIN_BLOCKED,
            "the reset code is blocked; nothing was erased".into(),
            "use the admin PIN: tokenvpn token unblock --admin",
        ),
        CardError::PinCancelled => return Some(no_pin(&PinError::Cancelled)),
        CardError::PinWrong { .. } | CardError::PinTooLong { .. } => (
            code::PIN,
            error.to_string(),
            "type it in a terminal; a right one restores all tries",
        ),
        CardError::TooLong { bytes, room } => (
            code::OTHER,
            format!("the profile has {bytes} bytes, and this token has room for {room}"),
            "invite again with fewer endpoints, routes or name servers",
        ),
        _ => return None,
    };
    Some(Failure::new(code, what, hint))
}

/// The output of a command has nobody who reads it.
pub(crate) fn not_printed(error: &io::Error) -> Failure {
    Failure::new(
        code::OTHER,
        format!("the output cannot be written: {error}"),
        "is the program that reads it still there?",
    )
}

const INVITE: &str =
    "the administrator makes one: tokenvpn-gateway invite NAME | tokenvpn token issue";

/// Where an invitation comes from if no file is named.
pub(crate) const STANDARD_INPUT: &str = "standard input";

/// There is no invitation.
pub(crate) fn unreadable_invitation(from: &dyn fmt::Display, error: &io::Error) -> Failure {
    let what = format!("the invitation cannot be read from {from}: {error}");
    Failure::new(code::OTHER, what, INVITE)
}

/// An invitation that cannot be used.
pub(crate) fn bad_invitation(error: &InvitationError) -> Failure {
    let (code, hint) = match error {
        InvitationError::Empty { .. } => (code::OTHER, INVITE),
        InvitationError::TooLong { .. } | InvitationError::Text { .. } => {
            (code::OTHER, "copy it whole, or have a new one made")
        }
        InvitationError::Version { .. } => (code::OTHER, "update tokenvpn on this computer"),
        InvitationError::OutOfDate { .. } => (
            code::OTHER,
            "have a new one made; or is this computer's clock wrong?",
        ),
        InvitationError::Expired { .. } => (code::EXPIRED, "have one made with a later expiry"),
        InvitationError::Profile(_) => (
            code::OTHER,
            "have the gateway's configuration corrected and a new one made",
        ),
    };
    Failure::new(code, error.to_string(), hint)
}

/// What is to be written cannot be.
pub(crate) fn no_profile(error: &ProfileError) -> Failure {
    let hint = match error {
        ProfileError::TooLong { .. } => {
            "leave out endpoints, routes or name servers; nothing was written"
        }
        _ => "correct that and start over; nothing was written",
    };
    let what = format!("no profile can be made of this: {error}");
    Failure::new(code::OTHER, what, hint)
}

/// The token does not hold what was written.
pub(crate) fn key_does_not_work() -> Failure {
    Failure::new(
        code::OTHER,
        "the key on the token does not work",
        "start over; if it stays so, use another token",
    )
}

/// What is about to be written, in lines of its own.
pub(crate) fn draft(token: Ident, lines: &str) -> String {
    format!("For {token}:\n{lines}")
}

/// A token was changed.
pub(crate) fn written(token: Ident) -> String {
    format!("Written to {token} and read back.")
}

/// A token was issued.
pub(crate) fn issued(token: Ident) -> String {
    let written = written(token);
    format!("{written} It is of use once the gateway has enrolled it: tokenvpn-gateway enrol.")
}

/// A token was renewed.
pub(crate) fn renewed(token: Ident) -> String {
    let written = written(token);
    format!("{written} It connects again once the gateway has enrolled it.")
}

/// A token has one more gateway.
pub(crate) fn gateway_added(token: Ident) -> String {
    let written = written(token);
    format!("{written} It connects there too once that gateway has enrolled it.")
}

/// A token has another secret than before.
pub(crate) fn has_new(token: Ident, secret: Secret) -> String {
    format!("{token} has the new {secret}.")
}

/// A token has a PIN that works again.
pub(crate) fn unblocked(token: Ident) -> String {
    format!("{token} has the new PIN, with all its tries.")
}

/// There is nothing on the token.
pub(crate) fn nothing_to_erase(token: Ident) -> String {
    format!("{token} holds nothing to erase.")
}

/// What will be gone.
pub(crate) fn to_erase(token: Ident, profile: &str, label: &str) -> String {
    format!("{token} holds {profile}, and its label: {label}.")
}

/// A token was erased.
pub(crate) fn erased(token: Ident) -> String {
    format!("{token} is empty now.")
}

/// An error as a sentence, where it is not the end.
pub(crate) fn sentence(error: &dyn fmt::Display) -> String {
    let text = error.to_string();
    let mut rest = text.chars();
    match rest.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), rest.as_str()),
        None => text,
    }
}

/// The invitation is for somebody else.
pub(crate) fn another_name(own: &Name, invited: &Name) -> Failure {
    Failure::new(
        code::OTHER,
        format!("this token is {own}'s, and the invitation {invited}'s"),
        "have the right name invited, or fill the token anew: tokenvpn token issue",
    )
}

/// The invitation is for another key of the same name.
pub(crate) fn another_address(name: &Name, own: &str, invited: &str) -> Failure {
    let options = own.replace(", ", " --address ");
    Failure::new(
        code::OTHER,
        format!("this token has the address {own}, and the invitation is for {invited}"),
        format!("have this address invited: tokenvpn-gateway invite {name} --address {options}"),
    )
}

/// The card has another new PIN than the one that was typed.
pub(crate) fn code_too_long() -> Failure {
    Failure::new(
        code::PIN,
        "the code had more characters than the token's, and the card took the rest for the \
         beginning of the new PIN",
        "type that rest before the new PIN, or unblock it again with the exact code",
    )
}
