//! Compares tokenvpn with other userspace tunnels on this machine; started by `contrib/bench`.

mod blast;
mod chart;
mod contender;
mod link;
mod measure;
mod peers;
mod record;
mod report;

use std::{env, process::ExitCode};

use contender::Contender;
use link::Link;
use record::Record;
use rig::World;

const USAGE: &str = "\
usage: compare [ROUNDS]        everything: so many rounds (3) over both links, the growth, the report
       compare round LINK      one round of all contenders over an `ideal` link or one as of a `nic`
       compare peers           growth with the number of peers
       compare beside          one client beside few, and beside a thousand
       compare idle            a gateway that knows 10,000 silent endpoints (11 minutes)
       compare report          write RESULTS.md and chart.svg from what was measured
       compare forget          begin anew";

fn main() -> ExitCode {
    record::commit();
    let words: Vec<String> = env::args().skip(1).collect();
    match &words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => everything(3),
        ["round", "ideal"] => round(Link::Ideal),
        ["round", "nic"] => round(Link::Nic),
        ["peers"] => growth(),
        ["beside"] => beside(),
        ["idle"] => idle(),
        ["report"] => report::write(),
        ["forget"] => record::forget(),
        [rounds] if rounds.parse::<u32>().is_ok_and(|rounds| rounds > 0) => {
            everything(rounds.parse().expect("invariant: checked above"));
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn everything(rounds: u32) {
    record::forget();
    for _ in 0..rounds {
        round(Link::Ideal);
        round(Link::Nic);
        beside();
    }
    growth();
    idle();
    report::write();
}

/// Measures each contender once.
fn round(link: Link) {
    for contender in contender::ALL {
        let world = World::new();
        let bed = contender.start(&world, link);
        let mut figures = measure::tcp(&bed, 1, 5);
        if link == Link::Ideal {
            figures.extend(measure::tcp(&bed, 4, 5));
            figures.extend(measure::ping(&bed));
            figures.extend(measure::ping_under_load(&bed));
            figures.extend(measure::udp(&bed));
            figures.extend(measure::memory(&bed));
        }
        let version = contender.version(&bed.server);
        keep(link.name(), contender.name(), version, figures);
    }
}

fn growth() {
    for count in peers::SIZES {
        keep("peers", &count.to_string(), None, peers::grow(count));
    }
    let most = peers::SIZES[peers::SIZES.len() - 1];
    keep("peers of boringtun-cli", "1", None, peers::rival(1));
    keep(
        "peers of boringtun-cli",
        &most.to_string(),
        None,
        peers::rival(most),
    );
}

/// One client beside few and beside many.
fn beside() {
    for count in peers::BESIDE {
        keep("beside", &count.to_string(), None, peers::grow(count));
    }
}

fn idle() {
    keep("idle", "10000", None, peers::idle(10_000));
}

fn keep(kind: &str, name: &str, version: Option<String>, figures: measure::Figures) {
    let record = Record {
        kind: kind.to_owned(),
        name: name.to_owned(),
        version,
        commit: record::commit(),
        figures: figures.into_iter().collect(),
    };
    println!("{}", record.to_line());
    record::append(&record);
}

/// Names in the order of the report.
fn names() -> impl Iterator<Item = &'static str> {
    contender::ALL.into_iter().map(Contender::name)
}
