//! `invite`: an invitation on stdout, and nothing else there.

use std::path::Path;

use tokenvpn_common::invitation::Invitation;

use super::print;
use crate::cli;
use crate::control::{self, Answer, Request};
use crate::words::{self, Failure};

pub(crate) fn run(path: &Path, asked: cli::Invite) -> Result<(), Failure> {
    let request = control::Invite {
        name: asked.name,
        spare: asked.spare,
        addresses: asked.address,
        routes: asked.route,
        dns: asked.dns,
        expires: asked.expires,
        endpoints: asked.endpoint,
    };
    match control::ask(path, Request::Invite(request))? {
        Answer::Invitation(text) => print(&text).map_err(|cause| {
            let withdrawn = withdraw(path, &text);
            words::not_handed_over(cause, withdrawn.is_ok())
        }),
        _ => Err(words::wrong_answer()),
    }
}

/// Takes an invitation back that nobody got.
fn withdraw(path: &Path, text: &str) -> Result<(), Failure> {
    let invitation = Invitation::from_toml(text)?;
    control::ask(path, Request::Withdraw(invitation.id)).map(drop)
}
