//! Log lines to stderr, without the ones that hold secrets.
//!
//! `openpgp-card` writes PINs and object contents, and `boringtun`'s types print
//! keys. Their targets are capped here, whatever RUST_LOG says. The `log` crate,
//! which the card's crates use, is not connected at all.
//!
//! No place in the program writes more than a few lines a second, and none waits for a reader
//! that does not read; what is left out is counted, and the counts are told.

mod budget;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, FilterFn, Targets, filter_fn};
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer as _, Registry};

use self::budget::{Budget, Place};
use crate::io::{clock, stderr};

/// Crates whose messages stay out at every level: the card's see PINs and profiles;
/// boringtun prints peers and calls an expired session an error at every tick.
const SILENCED: [&str; 5] = [
    "boringtun",
    "card_backend",
    "card_backend_pcsc",
    "openpgp_card",
    "pcsc",
];

/// Starts logging to stderr: what RUST_LOG asks for, or else `default` and above.
///
/// Does nothing if this process logs already. RUST_LOG's malformed parts are ignored.
pub fn init(default: LevelFilter) -> Log {
    let asked = std::env::var("RUST_LOG").unwrap_or_default();
    stderr::prepare();
    let sparing = Sparing::new(stderr::is_read);
    let log = Log {
        sparing: sparing.clone(),
    };
    let subscriber = subscriber(&asked, default, sparing, || Lines);
    // Not `init()` of tracing-subscriber: that would let in the `log` crate's messages.
    let _ = tracing::subscriber::set_global_default(subscriber);
    log
}

/// The log of this process. When it is dropped, it tells how many lines were left out
/// that nobody was told of yet.
#[must_use = "it has a last word"]
pub struct Log {
    sparing: Sparing,
}

impl Drop for Log {
    fn drop(&mut self) {
        if !(self.sparing.is_read)() {
            return;
        }
        let mut text = String::new();
        let told = tell(&mut Writer::new(&mut text), self.sparing.budget().rest());
        if told.is_ok() {
            stderr::write(&text);
        }
    }
}

/// What is written here goes to stderr.
struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        stderr::write(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn subscriber<W>(
    asked: &str,
    default: LevelFilter,
    sparing: Sparing,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let asked = targets(asked, default);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false)
        .event_format(sparing)
        .with_filter(asked.and(harmless()));
    Registry::default().with(lines)
}

/// The levels that RUST_LOG asks for: `LEVEL` or `TARGET=LEVEL`, with commas between them.
fn targets(asked: &str, default: LevelFilter) -> Targets {
    let mut targets = Targets::new().with_default(default);
    let parts = asked.split(',').map(str::trim);
    let parts = parts.filter(|part| !part.trim_matches('=').is_empty());
    for part in parts.flat_map(str::parse::<Targets>) {
        if let Some(level) = part.default_level() {
            targets = targets.with_default(level);
        }
        // A later one replaces an earlier one for the same target.
        targets = targets.with_targets(part);
    }
    targets
}

/// The usual format of a line, or none.
#[derive(Clone)]
struct Sparing {
    budget: Arc<Mutex<Budget>>,
    format: Format,
    is_read: fn() -> bool,
}

impl Sparing {
    fn new(is_read: fn() -> bool) -> Sparing {
        Sparing {
            budget: Arc::default(),
            format: Format::default(),
            is_read,
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S, N> FormatEvent<S, N> for Sparing
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let now = clock::now();
        let place = Place::of(event.metadata());
        let mut budget = self.budget();
        if !(self.is_read)() {
            budget.leave_out(place);
            return Ok(());
        }
        let taken = budget.take(now, place);
        let left_out = budget.report(now);
        drop(budget);
        tell(&mut writer, left_out)?;
        match taken {
            true => self.format.format_event(context, writer, event),
            false => Ok(()),
        }
    }
}

/// One line for each place whose lines were left out.
fn tell(writer: &mut Writer<'_>, left_out: Vec<(Place, u64)>) -> fmt::Result {
    for (Place { target, line, .. }, count) in left_out {
        SystemTime.format_time(writer)?;
        writeln!(
            writer,
            "  WARN {target}: lines like this were left out line={line} count={count}"
        )?;
    }
    Ok(())
}

fn harmless() -> FilterFn {
    filter_fn(|metadata: &Metadata<'_>| {
        let target = metadata.target();
        let krate = target.split("::").next().unwrap_or(target);
        !SILENCED.contains(&krate)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(asked: &str) -> String {
        let page = Page::default();
        let writer = page.clone();
        let sparing = Sparing::new(|| true);
        let subscriber = subscriber(asked, LevelFilter::WARN, sparing, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(target: "openpgp_card::ocard", "leak: the PIN");
            tracing::error!(target: "openpgp_card", "leak: an object");
            tracing::trace!(target: "card_backend_pcsc", "leak: an APDU");
            tracing::trace!(target: "pcsc", "leak: a command");
            tracing::error!(target: "boringtun::noise", "leak: a peer");
            tracing::info!(target: "tokenvpn", "an insertion");
            tracing::warn!(target: "tokenvpn", "something odd");
        });
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn rust_log_cannot_raise_the_targets_that_see_secrets() {
        for asked in [
            "trace",
            "openpgp_card=trace",
            "openpgp_card::ocard=trace,boringtun=trace,pcsc=trace,trace",
            "",
        ] {
            let page = logged(asked);
            assert!(!page.contains("leak"), "{asked:?}: {page}");
            assert!(page.contains("something odd"), "{asked:?}: {page}");
        }
    }

    #[test]
    fn a_flood_of_lines_is_cut_and_the_rest_is_counted() {
        let page = Page::default();
        let writer = page.clone();
        let sparing = Sparing::new(|| true);
        let rest = sparing.clone();
        let subscriber = subscriber("", LevelFilter::WARN, sparing, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            for number in 0..10_000 {
                tracing::warn!(number, "a flood");
                tracing::info!("not asked for, and not counted");
            }
            tracing::warn!("something else");
        });
        let bytes = page.0.lock().unwrap().clone();
        let page = String::from_utf8(bytes).unwrap();
        let mut told: u64 = rest.budget().rest().iter().map(|(_, count)| count).sum();
        let counts = page.lines().filter_map(|line| line.split_once(" count="));
        told += counts
            .map(|(_, count)| count.parse::<u64>().unwrap())
            .sum::<u64>();
        let written = page.matches("a flood").count() as u64;
        assert!((50..500).contains(&written), "{page}");
        assert_eq!(written + told, 10_000, "{page}");
        assert!(page.contains("something else"), "{page}");
    }

    #[test]
    fn what_nobody_reads_is_left_out_and_counted() {
        static READ: AtomicBool = AtomicBool::new(false);
        let page = Page::default();
        let writer = page.clone();
        let sparing = Sparing::new(|| READ.load(Ordering::SeqCst));
        let subscriber = subscriber("", LevelFilter::WARN, sparing, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..7 {
                tracing::warn!("unread");
            }
            READ.store(true, Ordering::SeqCst);
            tracing::warn!("read again");
        });
        let page = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        assert!(
            !page.contains("unread") && page.contains("read again"),
            "{page}"
        );
        assert!(page.contains("count=7"), "{page}");
    }

    #[test]
    fn without_rust_log_the_default_level_holds() {
        assert!(!logged("").contains("an insertion"));
        assert!(logged("info").contains("an insertion"));
    }

    #[test]
    fn rust_log_names_levels_and_targets_and_what_makes_no_sense_is_passed_over() {
        for (asked, insertion, odd) in [
            ("tokenvpn=info", true, true),
            ("error,tokenvpn=info", true, true),
            ("tokenvpn=info,tokenvpn=error", false, false),
            ("debug, tokenvpn=warn", false, true),
            ("off", false, false),
            ("tokenvpn=loud,[span{field=1}]=info,,=", false, true),
            ("nonsense=,info", true, true),
        ] {
            let page = logged(asked);
            assert_eq!(
                page.contains("an insertion"),
                insertion,
                "{asked:?}: {page}"
            );
            assert_eq!(page.contains("something odd"), odd, "{asked:?}: {page}");
        }
    }
}
