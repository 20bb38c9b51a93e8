//! `status`: the running gateway and its peers.

use std::path::Path;

use tokenvpn_common::io::clock;
use tokenvpn_common::status::{Peer, Status};

use super::{print, print_json, table};
use crate::cli::Output;
use crate::control::{self, Answer, Request};
use crate::words::{self, Failure};

pub(crate) fn run(path: &Path, output: &Output) -> Result<(), Failure> {
    let Answer::Status(status) = control::ask(path, Request::Status)? else {
        return Err(words::wrong_answer());
    };
    match output.json {
        true => print_json(&status),
        false => print(&text(&status)),
    }
}

fn text(status: &Status) -> String {
    let mut text = words::device(status);
    let head = [
        "NAME",
        "ENDPOINT",
        "LATEST HANDSHAKE",
        "RECEIVED",
        "SENT",
        "ALLOWED IPS",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(status.peers.iter().map(row));
    if !status.peers.is_empty() {
        text.push('\n');
        text.push_str(&table(&rows));
    }
    text
}

fn row(peer: &Peer) -> Vec<String> {
    let now = clock::unix_time();
    let handshake = peer.latest_handshake.map(|at| now.0.saturating_sub(at.0));
    vec![
        peer.name.clone(),
        peer.endpoint.map_or("-".into(), |at| at.to_string()),
        handshake.map_or("never".into(), words::ago),
        words::bytes(peer.rx_bytes),
        words::bytes(peer.tx_bytes),
        words::list(&peer.allowed_ips),
    ]
}
