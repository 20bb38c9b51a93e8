//! `status`: the running gateway and its peers.

use std::path::Path;
use std::thread;
use std::time::Duration;

use tokenvpn_common::io::clock;
use tokenvpn_common::io::screen::Screen;
use tokenvpn_common::language::say;
use tokenvpn_common::status::{Peer, Status};
use tokenvpn_common::watch::{Watch, amount};

use super::{NONE, print, print_json, table};
use crate::cli;
use crate::control::{self, Answer, Request};
use crate::words::{self, Failure};

/// How often a status that is watched is asked for.
const PACE: Duration = Duration::from_secs(1);

pub(crate) fn run(path: &Path, asked: &cli::Status) -> Result<(), Failure> {
    match (asked.watch, asked.output.json) {
        (false, true) => print_json(&status(path)?),
        (false, false) => print(&text(&status(path)?)),
        (true, true) => loop {
            let line = serde_json::to_string(&status(path)?);
            let line = line.expect("invariant: a status has a JSON form");
            print(&(line + "\n"))?;
            thread::sleep(PACE);
        },
        (true, false) => watch(path),
    }
}

fn status(path: &Path) -> Result<Status, Failure> {
    match control::ask(path, Request::Status)? {
        Answer::Status(status) => Ok(status),
        _ => Err(words::wrong_answer()),
    }
}

/// Fills the terminal until a key says that it is enough.
fn watch(path: &Path) -> Result<(), Failure> {
    // An error has to come before the screen is taken.
    let mut shown = status(path)?;
    let mut screen = Screen::open().map_err(words::no_screen)?;
    let mut watch = Watch::default();
    loop {
        watch.handle(clock::now(), &shown);
        let (_, columns) = screen.size();
        let goes_on = screen
            .show(&live(&shown, &watch, columns))
            .and_then(|()| screen.is_watched_for(PACE));
        // A terminal that is gone has nobody to tell.
        if !goes_on.unwrap_or(false) {
            return Ok(());
        }
        shown = status(path)?;
    }
}

/// The lines of a live view; those whose packets flow come first.
fn live(status: &Status, watch: &Watch, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = words::device(status).lines().map(str::to_owned).collect();
    let quit = say().q_quits();
    let gap = columns.saturating_sub(quit.chars().count());
    lines[0] = format!("{:<gap$}{quit}", lines[0]);
    let rates = watch.rates();
    lines.push(String::new());
    let (incoming, outgoing) = (say().traffic_in(), say().traffic_out());
    let width = incoming.chars().count().max(outgoing.chars().count());
    let per_second = |bytes| say().live_rate(&amount(bytes));
    for (what, rate, graph) in [
        (
            incoming,
            rates.rx,
            watch.graph(columns.saturating_sub(20), |rates| rates.rx),
        ),
        (
            outgoing,
            rates.tx,
            watch.graph(columns.saturating_sub(20), |rates| rates.tx),
        ),
    ] {
        lines.push(format!("{what:<width$} {:>14}  {graph}", per_second(rate)));
    }
    lines.push(String::new());
    let mut rows = vec![vec![
        say().column_name(),
        say().column_endpoint(),
        say().column_latest_handshake(),
        say().column_rate_in(),
        say().column_rate_out(),
        say().column_received(),
        say().column_sent(),
    ]];
    let mut peers: Vec<&Peer> = status.peers.iter().collect();
    peers.sort_by_key(|peer| {
        let rates = watch.rates_of(&peer.public_key);
        std::cmp::Reverse((rates.rx + rates.tx, peer.latest_handshake.map(|at| at.0)))
    });
    rows.extend(peers.into_iter().map(|peer| {
        let rates = watch.rates_of(&peer.public_key);
        let [name, endpoint, handshake, received, sent, _] = row(peer);
        let (rx, tx) = (per_second(rates.rx), per_second(rates.tx));
        vec![name, endpoint, handshake, rx, tx, received, sent]
    }));
    lines.extend(table(&fitting(rows, columns)).lines().map(str::to_owned));
    lines
}

/// Without the last columns that a terminal has no room for: half a number is another one.
fn fitting(mut rows: Vec<Vec<String>>, columns: usize) -> Vec<Vec<String>> {
    let width = |rows: &[Vec<String>]| {
        let table = table(rows);
        let widths = table.lines().map(|line| line.chars().count());
        widths.max().unwrap_or(0)
    };
    while width(&rows) > columns && rows.iter().all(|row| row.len() > 1) {
        for row in &mut rows {
            row.pop();
        }
    }
    rows
}

fn text(status: &Status) -> String {
    let mut text = words::printable_lines(&words::device(status));
    let mut rows = vec![vec![
        say().column_name(),
        say().column_endpoint(),
        say().column_latest_handshake(),
        say().column_received(),
        say().column_sent(),
        say().column_allowed_ips(),
    ]];
    rows.extend(status.peers.iter().map(|peer| row(peer).to_vec()));
    if !status.peers.is_empty() {
        text.push('\n');
        text.push_str(&table(&rows));
    }
    text
}

fn row(peer: &Peer) -> [String; 6] {
    let now = clock::unix_time();
    let handshake = peer.latest_handshake.map(|at| now.0.saturating_sub(at.0));
    [
        peer.name.clone(),
        peer.endpoint.map_or(NONE.into(), |at| at.to_string()),
        handshake.map_or_else(|| say().no_handshake_yet(), words::ago),
        amount(peer.rx_bytes),
        amount(peer.tx_bytes),
        words::list(&peer.allowed_ips),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_shown_whole_or_not_at_all() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = vec![row(["NAME", "IN", "SENT"]), row(["a", "12 kB/s", "1.5 MB"])];
        let shown = |columns| table(&fitting(rows.clone(), columns));
        assert_eq!(shown(21), "NAME  IN       SENT\na     12 kB/s  1.5 MB\n");
        assert_eq!(shown(20), "NAME  IN\na     12 kB/s\n");
        assert_eq!(shown(1), "NAME\na\n");
    }
}
