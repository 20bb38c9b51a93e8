//! RESULTS.md.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use serde_json::Value;

use crate::{
    chart, contender,
    link::Link,
    measure, names,
    record::{self, Record},
};

/// Something that is measured of every contender.
pub(crate) struct Measure {
    pub(crate) link: Link,
    /// Its name among the figures.
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) unit: &'static str,
    /// What a figure is divided by to be in that unit.
    pub(crate) scale: f64,
    pub(crate) more_is_better: bool,
}

const fn of(
    link: Link,
    key: &'static str,
    title: &'static str,
    (unit, scale): (&'static str, f64),
    more_is_better: bool,
) -> Measure {
    Measure {
        link,
        key,
        title,
        unit,
        scale,
        more_is_better,
    }
}

const GBPS: (&str, f64) = ("Gbit/s", 1.0);
const SECONDS_PER_GB: (&str, f64) = ("s/GB", 1.0);
const MICROSECONDS: (&str, f64) = ("µs", 1.0);
const MILLISECONDS: (&str, f64) = ("ms", 1000.0);
const MEBIBYTES: (&str, f64) = ("MiB", 1.0);

/// All of them, in the order of the report.
pub(crate) const MEASURES: [Measure; 16] = {
    use Link::{Ideal, Nic};
    [
        of(Ideal, "tcp1_up_gbps", "TCP, 1 stream up", GBPS, true),
        of(Ideal, "tcp1_down_gbps", "TCP, 1 stream down", GBPS, true),
        of(Ideal, "tcp4_up_gbps", "TCP, 4 streams up", GBPS, true),
        of(Ideal, "tcp4_down_gbps", "TCP, 4 streams down", GBPS, true),
        of(
            Nic,
            "tcp1_up_gbps",
            "TCP, 1 stream up, ordinary card",
            GBPS,
            true,
        ),
        of(
            Nic,
            "tcp1_down_gbps",
            "TCP, 1 stream down, ordinary card",
            GBPS,
            true,
        ),
        of(
            Ideal,
            "udp64_pps",
            "UDP, 64 bytes, loss < 1 %",
            ("kpps", 1000.0),
            true,
        ),
        of(
            Ideal,
            "tcp1_up_cpu_s_per_gb",
            "CPU of both ends, up",
            SECONDS_PER_GB,
            false,
        ),
        of(
            Ideal,
            "tcp1_down_cpu_s_per_gb",
            "CPU of both ends, down",
            SECONDS_PER_GB,
            false,
        ),
        of(
            Ideal,
            "ping_idle_p50_us",
            "ping, idle, median",
            MICROSECONDS,
            false,
        ),
        of(
            Ideal,
            "ping_idle_p99_us",
            "ping, idle, 99th percentile",
            MICROSECONDS,
            false,
        ),
        of(
            Ideal,
            "ping_loaded_p50_us",
            "ping under TCP, median",
            MILLISECONDS,
            false,
        ),
        of(
            Ideal,
            "ping_loaded_p99_us",
            "ping under TCP, 99th percentile",
            MILLISECONDS,
            false,
        ),
        of(
            Ideal,
            "rss_server_mib",
            "memory, gateway's end, peak",
            MEBIBYTES,
            false,
        ),
        of(
            Ideal,
            "rss_client_mib",
            "memory, client's end, peak",
            MEBIBYTES,
            false,
        ),
        of(
            Nic,
            "tcp1_up_cpu_s_per_gb",
            "CPU of both ends, up, ordinary card",
            SECONDS_PER_GB,
            false,
        ),
    ]
};

/// The middle of what all rounds gave, the least and the most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) rounds: usize,
}

impl Summary {
    fn of(mut values: Vec<f64>) -> Option<Summary> {
        values.sort_by(f64::total_cmp);
        let (&least, &most) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => (values[middle - 1] + values[middle]) / 2.0,
            _ => values[middle],
        };
        Some(Summary {
            median,
            least,
            most,
            rounds: values.len(),
        })
    }
}

impl Measure {
    /// What the records say of it for a contender, in its unit.
    pub(crate) fn summary(&self, records: &[Record], contender: &str) -> Option<Summary> {
        let ours = |record: &&Record| record.kind == self.link.name() && record.name == contender;
        let figures = records.iter().filter(ours);
        let values = figures.filter_map(|record| record.figures.get(self.key));
        Summary::of(values.map(|value| value / self.scale).collect())
    }
}

/// Writes the report and its chart from all records.
pub(crate) fn write() {
    let records = record::all();
    let place = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::write(place.join("RESULTS.md"), text(&records)).expect("a place for the report");
    fs::write(place.join("chart.svg"), chart::draw(&records)).expect("a place for the chart");
}

fn text(records: &[Record]) -> String {
    let mut text = String::from(
        "# Results\n\n\
         Written by `contrib/bench`, which measures again and replaces this file.\n\n",
    );
    machine(&mut text, records);
    text.push_str("\n![The comparison as bars](chart.svg)\n");
    comparison(&mut text, records);
    growth(&mut text, records);
    core(&mut text);
    text
}

fn machine(text: &mut String, records: &[Record]) {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let model = model
        .and_then(|line| line.split_once(": "))
        .map_or("?", |(_, model)| model);
    let cores = cpuinfo
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let _ = writeln!(text, "* {model}, {cores} cores, Linux {}", kernel.trim());
    let _ = writeln!(
        text,
        "* both ends of the tunnel and the load generators share these cores; MTU 1420, TCP {}",
        measure::CONGESTION_CONTROL
    );
    for name in names() {
        let version = records.iter().rev().find(|record| record.name == name);
        if let Some(version) = version.and_then(|record| record.version.as_ref()) {
            let _ = writeln!(text, "* {name}: `{version}`");
        }
    }
    let commits = records.iter().filter_map(|record| record.commit.as_deref());
    for commit in commits.collect::<BTreeSet<_>>() {
        let _ = writeln!(text, "* tokenvpn at commit {commit}");
    }
}

fn comparison(text: &mut String, records: &[Record]) {
    let rounds = MEASURES[0].summary(records, names().next().unwrap_or_default());
    let rounds = rounds.map_or(0, |summary| summary.rounds);
    let _ = writeln!(
        text,
        "\n## Against other tunnels\n\n\
         Medians of {rounds} interleaved round(s), with the least and the most. The wire passes trains \
         of datagrams whole, as a card with segmentation offload does; for an *ordinary card* it does not.\n"
    );
    row(text, std::iter::once("").chain(names()));
    row(text, std::iter::once("---").chain(names().map(|_| "---:")));
    for measure in &MEASURES {
        let cell = |name| match measure.summary(records, name) {
            Some(summary) if summary.rounds > 1 => {
                let [median, least, most] =
                    [summary.median, summary.least, summary.most].map(number);
                format!("{median} ({least}–{most})")
            }
            Some(summary) => number(summary.median),
            None => "–".to_owned(),
        };
        let title = format!("{}, {}", measure.title, measure.unit);
        row(text, std::iter::once(title).chain(names().map(cell)));
    }
    let rivals: Vec<&str> = names().skip(1).take(names().count() - 2).collect();
    text.push_str(
        "\nThe same as ratios: tokenvpn's median divided by the other's. More is better for rates, \
         less for everything else.\n\n",
    );
    row(
        text,
        ["", "better is"].into_iter().chain(rivals.iter().copied()),
    );
    row(
        text,
        ["---", "---"]
            .into_iter()
            .chain(rivals.iter().map(|_| "---:")),
    );
    for measure in &MEASURES {
        let own = measure.summary(records, contender::ALL[0].name());
        let cell = |name: &&str| match (own, measure.summary(records, name)) {
            (Some(own), Some(other)) if other.median > 0.0 => {
                format!("{:.2}×", own.median / other.median)
            }
            _ => "–".to_owned(),
        };
        let better = if measure.more_is_better {
            "more"
        } else {
            "less"
        };
        let head = [measure.title.to_owned(), better.to_owned()];
        row(text, head.into_iter().chain(rivals.iter().map(cell)));
    }
}

fn growth(text: &mut String, records: &[Record]) {
    text.push_str(
        "\n## Growth with the number of peers\n\n\
         A gateway with so many identities; then all of them connect at once from 250 addresses, carry \
         a packet each way and fall silent but for their keepalives; then one more client moves data.\n\n",
    );
    row(
        text,
        [
            "peers",
            "start, s",
            "memory, none connected, MiB",
            "all connected after, s",
            "memory, all connected, MiB",
            "CPU, all connected and idle, %",
            "TCP up beside them, Gbit/s",
            "TCP down, Gbit/s",
        ],
    );
    row(text, ["---:"; 8]);
    let last = |kind: &str, name: &str, key: &str| {
        let mut records = records.iter().rev();
        let record = records.find(|record| record.kind == kind && record.name == name)?;
        record.figures.get(key).copied()
    };
    for size in crate::peers::SIZES {
        let keys = [
            "start_s",
            "rss_idle_mib",
            "connect_s",
            "rss_connected_mib",
            "cpu_connected_percent",
            "tcp1_up_gbps",
            "tcp1_down_gbps",
        ];
        let name = size.to_string();
        let cell = |key| last("peers", &name, key).map_or("–".to_owned(), number);
        row(text, std::iter::once(name.clone()).chain(keys.map(cell)));
    }
    let each = |kind: &str, memory: &str| {
        let most = crate::peers::SIZES[crate::peers::SIZES.len() - 1];
        let [one, all] = [1, most].map(|size| last(kind, &size.to_string(), memory));
        Some((all? - one?) * 1024.0 / f64::from(most - 1))
    };
    let rival = "peers of boringtun-cli";
    let idle = "rss_idle_mib";
    if let (Some(own), Some(other)) = (each("peers", idle), each(rival, idle)) {
        let _ = write!(
            text,
            "\nAn idle identity takes {own:.2} KiB; a peer of boringtun-cli {other:.1} KiB."
        );
        if let Some(asked) = each("peers", "rss_asked_mib") {
            let _ = write!(
                text,
                " Once the status of all was asked for it is {asked:.2} KiB: what the answer took \
                 is kept for the next."
            );
        }
        text.push('\n');
    }
    let start = |kind| last(kind, "10000", "start_s");
    if let (Some(own), Some(other)) = (start("peers"), start(rival)) {
        let _ = writeln!(
            text,
            "\nWith 10,000 identities the gateway answers {own:.2} s after its start; \
             boringtun-cli takes as many peers from wg(8) in {other:.2} s: {:.2}×.",
            own / other
        );
    }
    let beside = |peers: u32, key: &str| {
        let peers = peers.to_string();
        let records = records
            .iter()
            .filter(|r| r.kind == "beside" && r.name == peers);
        Summary::of(
            records
                .filter_map(|r| r.figures.get(key).copied())
                .collect(),
        )
    };
    let [up, down] = ["tcp1_up_gbps", "tcp1_down_gbps"].map(|key| {
        let [alone, crowded] = crate::peers::BESIDE.map(|peers| beside(peers, key));
        Some((crowded?.median / alone?.median, crowded?.rounds))
    });
    if let (Some((up, rounds)), Some((down, _))) = (up, down) {
        let _ = writeln!(
            text,
            "\nOne client beside 1,000 that are connected and idle moves {up:.2}× up and {down:.2}× down \
             of what it moves beside one (medians of {rounds}, taken in turns)."
        );
    }
    if let Some(percent) = last("idle", "10000", "cpu_idle_percent") {
        let _ = writeln!(
            text,
            "\nA gateway that knows 10,000 endpoints and hears from none of them uses {percent:.2} % of a \
             core once it has greeted them all (three times each, 50 a second)."
        );
    }
}

/// What `cargo bench` last measured here.
fn core(text: &mut String) {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/criterion");
    let mut found = Vec::new();
    estimates(&place, &mut found);
    if found.is_empty() {
        return;
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    text.push_str("\n## The core alone\n\n`cargo bench`, one core, medians.\n\n");
    row(text, ["what", "µs"]);
    row(text, ["---", "---:"]);
    for (name, nanoseconds) in &found {
        row(text, [name, &number(nanoseconds / 1000.0)]);
    }
    let rate = |name: &str| {
        let (_, nanoseconds) = found.iter().find(|(full, _)| full == name)?;
        Some(1e9 / nanoseconds)
    };
    let [known, new, other, alone] = [
        "answer, from where it was",
        "answer, from elsewhere",
        "answer as boringtun-cli does",
        "answer by boringtun's tunnel alone",
    ]
    .map(|name| rate(&format!("handshake/{name}")));
    if let (Some(known), Some(new), Some(other), Some(alone)) = (known, new, other, alone) {
        let _ = writeln!(
            text,
            "\nA core answers {known:.0} initiations a second that come from where their peer was \
             answered last, and {new:.0} from elsewhere; the way of boringtun-cli {other:.0}: {:.2}× and \
             {:.2}×. The tunnel of boringtun alone, told whose each initiation is, answers {alone:.0}, \
             {:.2}×: with it there cannot be more. Beside a new ephemeral key it is three key exchanges, \
             or four where it has first to be found out whose the initiation is. For more, the tunnel \
             would have to take up an initiation that was read already, which spares the fourth; \
             ephemeral keys would have to be made beforehand; or the last two exchanges be calculated \
             side by side in one vector.",
            known / other,
            new / other,
            alone / other,
        );
    }
}

/// The benchmarks below a directory of criterion's, and their medians in nanoseconds.
fn estimates(place: &Path, found: &mut Vec<(String, f64)>) {
    let json = |name: &str| -> Option<Value> {
        let text = fs::read_to_string(place.join(name)).ok()?;
        serde_json::from_str(&text).ok()
    };
    if place.ends_with("new") {
        if let (Some(benchmark), Some(estimates)) = (json("benchmark.json"), json("estimates.json"))
            && let Some(name) = benchmark["full_id"].as_str()
            && let Some(median) = estimates["median"]["point_estimate"].as_f64()
        {
            found.push((name.to_owned(), median));
        }
        return;
    }
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        estimates(&entry.path(), found);
    }
}

fn row(text: &mut String, cells: impl IntoIterator<Item = impl AsRef<str>>) {
    for cell in cells {
        let _ = write!(text, "| {} ", cell.as_ref());
    }
    text.push_str("|\n");
}

/// With as many digits as mean something.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
