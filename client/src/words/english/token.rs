//! What the commands for tokens say.

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
