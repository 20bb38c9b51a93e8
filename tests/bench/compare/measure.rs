//! What is measured between the two ends.

use std::{fs, net::SocketAddr, time::Duration};

use rig::{usage, wait};
use serde_json::Value;

use crate::{blast, contender::Bed};

/// The result of one round: names of measures and their values.
pub(crate) type Figures = Vec<(String, f64)>;

/// Whatever this machine's default is, the figures are those of one algorithm: Linux's own.
pub(crate) const CONGESTION_CONTROL: &str = "cubic";

/// Bytes of payload in a small datagram.
const SMALL: usize = 64;
/// Datagrams that may be lost for a rate to count.
const LOSS: f64 = 0.01;
/// How long each rate is tried.
const STEP: Duration = Duration::from_secs(1);

/// One TCP run each way with so many streams, for so long.
pub(crate) fn tcp(bed: &Bed, streams: u32, seconds: u32) -> Figures {
    let mut figures = Figures::new();
    for (way, reverse) in [("up", false), ("down", true)] {
        let before = processor_seconds(bed);
        let end = iperf3(bed, streams, seconds, reverse).wait_json();
        let used = processor_seconds(bed) - before;
        let received = &end["end"]["sum_received"];
        let bytes = received["bytes"].as_f64().expect("iperf3 counts bytes");
        let rate = received["bits_per_second"].as_f64().expect("a rate");
        figures.push((format!("tcp{streams}_{way}_gbps"), rate / 1e9));
        figures.push((
            format!("tcp{streams}_{way}_cpu_s_per_gb"),
            used / (bytes / 1e9),
        ));
    }
    figures
}

/// The median and the 99th percentile of round trips in an idle tunnel, in µs.
pub(crate) fn ping(bed: &Bed) -> Figures {
    round_trips(bed, 2_000, "0.002", "ping_idle")
}

/// The same while one TCP stream fills the tunnel.
pub(crate) fn ping_under_load(bed: &Bed) -> Figures {
    let stream = iperf3(bed, 1, 5, false);
    // Slow start is over by then.
    std::thread::sleep(Duration::from_secs(1));
    let figures = round_trips(bed, 300, "0.01", "ping_loaded");
    stream.wait_json();
    figures
}

fn round_trips(bed: &Bed, count: usize, interval: &str, name: &str) -> Figures {
    let said = bed
        .client
        .run("ping")
        .args(["-n", "-i", interval, "-c", &count.to_string()])
        .arg(bed.target.to_string())
        .finish();
    let times = said.stdout.lines().filter_map(|line| {
        let (_, rest) = line.split_once("time=")?;
        rest.split(' ').next()?.parse::<f64>().ok()
    });
    let mut times: Vec<f64> = times.map(|millis| millis * 1000.0).collect();
    assert!(!times.is_empty(), "nothing came back\n{said}");
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)];
    vec![
        (format!("{name}_p50_us"), at(0.5)),
        (format!("{name}_p99_us"), at(0.99)),
    ]
}

/// The highest rate of small datagrams, per second, of which less than a hundredth is lost.
pub(crate) fn udp(bed: &Bed) -> Figures {
    let to = SocketAddr::from((bed.target, 7777));
    let attempt = |rate: Option<f64>| blast::blast(&bed.client, &bed.server, to, SMALL, rate, STEP);
    let passes = |blast: &blast::Blast, asked: f64| {
        blast.loss() < LOSS && blast.sent_per_second() > 0.95 * asked
    };
    let flood = attempt(None);
    let mut best = 0.0;
    if flood.loss() < LOSS {
        best = flood.received_per_second();
    } else {
        let (mut low, mut high) = (0.0, flood.sent_per_second());
        let mut rate = (flood.received_per_second() * 1.3).clamp(20_000.0, high * 0.95);
        while high - low > 0.04 * high {
            // One hiccup of the machine must not decide: a rate that fails is tried again.
            let passed = (0..2)
                .map(|_| attempt(Some(rate)))
                .find(|b| passes(b, rate));
            match passed {
                Some(blast) => (low, best) = (rate, blast.received_per_second()),
                None => high = rate,
            }
            rate = if low > 0.0 {
                (low + high) / 2.0
            } else {
                high * 0.6
            };
            if rate < 1_000.0 {
                break;
            }
        }
    }
    vec![("udp64_pps".to_owned(), best)]
}

/// The most memory that each end has used, in MiB.
pub(crate) fn memory(bed: &Bed) -> Figures {
    let peak = |pids: &[i32]| {
        let peaks = pids.iter().map(|pid| usage::memory(*pid).peak);
        peaks.sum::<u64>() as f64 / f64::from(1 << 20)
    };
    let [server, client] = &bed.processes;
    if server.is_empty() {
        return Figures::new();
    }
    vec![
        ("rss_server_mib".to_owned(), peak(server)),
        ("rss_client_mib".to_owned(), peak(client)),
    ]
}

fn processor_seconds(bed: &Bed) -> f64 {
    let pids = bed.processes.iter().flatten();
    pids.map(|pid| usage::processor_time(*pid).as_secs_f64())
        .sum()
}

/// A run of iperf3 under way.
struct Stream {
    client: rig::Process,
    server: rig::Process,
}

fn iperf3(bed: &Bed, streams: u32, seconds: u32, reverse: bool) -> Stream {
    let target = bed.target.to_string();
    let server = bed.server.run("iperf3").args(["-s", "-1", "-B", &target]);
    let server = server.spawn();
    wait::until_true("iperf3 listens", wait::SOON, || {
        let table = fs::read_to_string(format!("/proc/{}/net/tcp", server.pid()));
        // Port 5201 in the state LISTEN.
        table
            .expect("a table of sockets")
            .contains(":1451 00000000:0000 0A")
    });
    let reverse: &[&str] = if reverse { &["-R"] } else { &[] };
    let client = bed
        .client
        .run("iperf3")
        .args(["-J", "-c", &target, "-C", CONGESTION_CONTROL])
        .args(["-t", &seconds.to_string(), "-P", &streams.to_string()])
        .args(reverse)
        .spawn();
    Stream { client, server }
}

impl Stream {
    /// Waits for its end and gives its report.
    fn wait_json(self) -> Value {
        let patience = Duration::from_secs(60);
        self.client.wait(patience);
        let said = self.client.stdout().all();
        let report: Value = serde_json::from_str(&said).expect("iperf3 reports in JSON");
        assert!(report["error"].is_null(), "{report}");
        self.server.wait(patience);
        report
    }
}
