//! What the commands for tokens say.

use std::fmt;

use tokenvpn_common::io::card::{HolderName, Secret};
use tokenvpn_common::name::Name;
use tokenvpn_common::token::Ident;

use super::count;
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

/// The card has another name now.
pub(crate) fn card_named(token: Ident, name: &HolderName) -> String {
    format!("The card {token} is called {name} now.")
}

/// The list has nothing in it.
pub(crate) const NO_TOKEN: &str = "No token is plugged in.";

/// Somebody is to paste an invitation.
pub(crate) const PASTE: &str = "Paste the invitation and end it with Ctrl-D.";

/// The question before a token is erased, and what its refusal means.
pub(crate) const ERASE_PROMPT: &str = "Type YES to erase both for good: ";
pub(crate) const NOT_ERASED: &str = "the token was not erased";

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
    format!("{written} It is of use once the gateway has enrolled it.")
}

/// A token was renewed.
pub(crate) fn renewed(token: Ident) -> String {
    let written = written(token);
    format!("{written} It connects again once the gateway has enrolled it.")
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
    format!("{error}.")
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
        format!("have this one renewed: tokenvpn-gateway invite {name} --address {options}"),
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

/// Somebody ran what only the program itself runs.
pub(crate) fn started_by_hand() -> Failure {
    Failure::new(
        code::USAGE,
        "this is how tokenvpn starts itself",
        "see tokenvpn --help",
    )
}
