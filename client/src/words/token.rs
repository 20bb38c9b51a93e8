//! What the commands for tokens say.

use std::io;
use std::path::Path;

use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::invitation::InvitationError;
use tokenvpn_common::io::card::{CardError, Secret};
use tokenvpn_common::language::say;
use tokenvpn_common::name::Name;
use tokenvpn_common::profile::ProfileError;
use tokenvpn_common::token::Ident;

use super::no_pin;
use crate::pin::PinError;
use crate::words::{Failure, code};

/// Endpoints were given, and the token has several gateways.
pub(crate) fn which_gateway(gateways: usize) -> Failure {
    Failure::new(
        code::USAGE,
        say().which_gateway(&gateways),
        say().say_which_gateway(),
    )
}

/// Endpoints were given for a gateway that the token does not have.
pub(crate) fn no_such_gateway(place: usize, gateways: usize) -> Failure {
    let gateways = gateways.try_into().unwrap_or(u64::MAX);
    Failure::new(
        code::USAGE,
        say().no_such_gateway(&place, gateways),
        say().show_lists_gateways(),
    )
}

/// The last gateway was to be taken off.
pub(crate) fn only_gateway() -> Failure {
    Failure::new(
        code::OTHER,
        say().only_gateway(),
        say().add_gateway_or_erase(),
    )
}

/// The gateway that invites is on the token already.
pub(crate) fn known_gateway() -> Failure {
    Failure::new(
        code::OTHER,
        say().gateway_known_already(),
        say().renew_with_known_gateway(),
    )
}

/// What happens to a token only after a yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destroying {
    Erasing,
    Overwriting,
}

/// A question whether to destroy something was not answered with a yes.
pub(crate) fn refused(destroying: Destroying) -> Failure {
    let what = match destroying {
        Destroying::Erasing => say().not_erased(),
        Destroying::Overwriting => say().not_overwritten(),
    };
    Failure::new(code::OTHER, what, say().only_yes_destroys())
}

/// It could not be asked.
pub(crate) fn not_asked(destroying: Destroying) -> Failure {
    let what = match destroying {
        Destroying::Erasing => say().not_erased_unasked(),
        Destroying::Overwriting => say().not_overwritten_unasked(),
    };
    Failure::new(code::OTHER, what, say().answer_yes_in_terminal())
}

/// The token that was asked for is not there.
pub(crate) fn not_plugged_in(token: Ident) -> Failure {
    Failure::new(
        code::NO_TOKEN,
        say().named_token_absent(&token),
        say().plug_in_named_token(),
    )
}

/// Everybody knows this secret of the token that is to get a key: its PIN or admin PIN.
pub(crate) fn factory(secret: Secret) -> Failure {
    let (what, hint) = match secret {
        Secret::AdminPin => (say().factory_admin_pin(), say().change_factory_admin_pin()),
        _ => (say().factory_pin(), say().change_factory_pin()),
    };
    Failure::new(code::OTHER, what, hint)
}

/// Whether that is so is asked where nobody saw the secret.
pub(crate) fn unseen_question(secret: Secret) -> String {
    match secret {
        Secret::AdminPin => say().admin_pin_unseen_question(),
        _ => say().pin_unseen_question(),
    }
}

/// Nobody has said that it is not so.
pub(crate) fn perhaps_factory(secret: Secret) -> Failure {
    let (what, hint) = match secret {
        Secret::AdminPin => (
            say().perhaps_factory_admin_pin(),
            say().change_unseen_admin_pin(),
        ),
        _ => (say().perhaps_factory_pin(), say().change_unseen_pin()),
    };
    Failure::new(code::OTHER, what, hint)
}

/// What a card has against a command that somebody waits for, where it is not what `up`
/// would say.
pub(crate) fn card(error: &CardError) -> Option<Failure> {
    let (code, what, hint) = match error {
        CardError::NoReader | CardError::NoToken => (
            code::NO_TOKEN,
            say().no_token_plugged_in(),
            say().plug_in_any_token(),
        ),
        CardError::Removed => (
            code::REMOVED,
            say().token_was_removed(),
            say().plug_in_and_start_over(),
        ),
        CardError::NoPermission => (
            code::NO_PERMISSION,
            say().card_service_refuses(),
            say().run_where_logged_in(),
        ),
        CardError::AdminPinBlocked => (
            code::PIN_BLOCKED,
            say().admin_pin_blocked_for_good(),
            say().factory_reset_makes_new(),
        ),
        CardError::ResetCodeBlocked => (
            code::PIN_BLOCKED,
            say().reset_code_blocked(),
            say().unblock_with_admin_pin(),
        ),
        CardError::PinCancelled => return Some(no_pin(&PinError::Cancelled)),
        CardError::PinWrong { .. } | CardError::PinTooLong { .. } => {
            (code::PIN, error.to_string(), say().type_pin_in_terminal())
        }
        CardError::TooLong { bytes, room } => (
            code::OTHER,
            say().profile_beyond_room(bytes, room),
            say().invite_with_fewer(),
        ),
        _ => return None,
    };
    Some(Failure::new(code, what, hint))
}

/// The output of a command has nobody who reads it.
pub(crate) fn not_printed(error: &io::Error) -> Failure {
    Failure::new(
        code::OTHER,
        say().output_unwritable(error),
        say().is_reader_of_output_there(),
    )
}

/// The enrolment cannot be printed where it belongs, and was told where errors are.
pub(crate) fn enrolment_not_printed(error: &io::Error) -> Failure {
    Failure::new(
        code::OTHER,
        say().output_unwritable(error),
        say().enrol_it_all_the_same(),
    )
}

/// A write to the token was begun and did not end well.
pub(crate) fn half_written(failure: Failure) -> Failure {
    Failure {
        what: say().cut_while_writing(&failure.what),
        ..starting_over(failure)
    }
}

/// The same for what was to be erased.
pub(crate) fn half_erased(failure: Failure) -> Failure {
    Failure {
        what: say().cut_while_erasing(&failure.what),
        ..starting_over(failure)
    }
}

fn starting_over(failure: Failure) -> Failure {
    match failure.code {
        // Its hint says that already.
        code::REMOVED => failure,
        _ => Failure {
            hint: say().then_start_over(&failure.hint),
            ..failure
        },
    }
}

/// The token is written, but its card did not get the name.
pub(crate) fn card_not_named(failure: Failure) -> Failure {
    Failure {
        what: say().card_not_named(&failure.what),
        hint: say().all_but_name_is_done(),
        ..failure
    }
}

/// Standard input was to hold both the invitation and the PIN.
pub(crate) fn pin_in_place_of_invitation() -> Failure {
    Failure::new(
        code::USAGE,
        say().invitation_and_pin_on_stdin(),
        say().part_invitation_and_pin(),
    )
}

/// Nobody waits any more for what a token, or the service, has to say.
pub(crate) fn left_token() -> Failure {
    Failure::new(
        code::OTHER,
        say().token_was_not_awaited(),
        say().service_may_hang(),
    )
}

/// There is no invitation in this file, or else on standard input.
pub(crate) fn unreadable_invitation(file: Option<&Path>, error: &io::Error) -> Failure {
    let what = match file {
        Some(file) => say().invitation_unreadable(&file.display(), error),
        None => say().pasted_invitation_unreadable(error),
    };
    Failure::new(code::OTHER, what, say().who_makes_invitations())
}

/// An invitation that cannot be used.
pub(crate) fn bad_invitation(error: &InvitationError) -> Failure {
    let (code, hint) = match error {
        InvitationError::Empty { .. } => (code::OTHER, say().who_makes_invitations()),
        InvitationError::TooLong { .. } | InvitationError::Text { .. } => {
            (code::OTHER, say().copy_invitation_whole())
        }
        InvitationError::Version { .. } => (code::OTHER, say().update_this_tokenvpn()),
        InvitationError::OutOfDate { .. } => (code::OTHER, say().invitation_or_clock_wrong()),
        InvitationError::Expired { .. } => (code::EXPIRED, say().invite_with_later_expiry()),
        InvitationError::Profile(_) => (code::OTHER, say().correct_gateway_configuration()),
    };
    Failure::new(code, error.to_string(), hint)
}

/// What is to be written cannot be.
pub(crate) fn no_profile(error: &ProfileError) -> Failure {
    let hint = match error {
        ProfileError::TooLong { .. } => say().leave_out_of_profile(),
        _ => say().correct_profile(),
    };
    Failure::new(code::OTHER, say().profile_impossible(error), hint)
}

/// The profile that is to be changed has expired.
pub(crate) fn over(not_after: UnixTime, now: UnixTime) -> Failure {
    let days = now.days_since(not_after).unsigned_abs();
    Failure::new(
        code::EXPIRED,
        say().expired_and_not_changed(&not_after.day(), days),
        say().renew_or_set_the_clock(),
    )
}

/// The token does not hold what was written.
pub(crate) fn key_does_not_work() -> Failure {
    Failure::new(
        code::OTHER,
        say().token_key_does_not_work(),
        say().use_another_token(),
    )
}

/// The invitation is for somebody else.
pub(crate) fn another_name(own: &Name, invited: &Name) -> Failure {
    Failure::new(
        code::OTHER,
        say().invitation_of_another_name(own, invited),
        say().invite_right_name(),
    )
}

/// The invitation is for another key of the same name.
pub(crate) fn another_address(name: &Name, own: &str, invited: &str) -> Failure {
    let options = own.replace(", ", " --address ");
    Failure::new(
        code::OTHER,
        say().invitation_of_another_address(&own, &invited),
        say().invite_this_address(name, &options),
    )
}

/// The card has another new PIN than the one that was typed.
pub(crate) fn code_too_long() -> Failure {
    Failure::new(
        code::PIN,
        say().reset_code_too_long(),
        say().type_rest_of_reset_code(),
    )
}
