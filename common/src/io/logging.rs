//! Log lines to stderr, without the ones that hold secrets.
//!
//! `openpgp-card` writes PINs and object contents, and `boringtun`'s types print
//! keys. Their targets are capped here, whatever RUST_LOG says. The `log` crate,
//! which the card's crates use, is not connected at all.

use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, FilterFn, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, Registry};

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
pub fn init(default: LevelFilter) {
    let asked = std::env::var("RUST_LOG").unwrap_or_default();
    let subscriber = subscriber(&asked, default, std::io::stderr);
    // Not `init()` of tracing-subscriber: that would let in the `log` crate's messages.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn subscriber<W>(asked: &str, default: LevelFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // A later directive replaces an earlier one for the same target.
    let asked = EnvFilter::builder().parse_lossy(format!("{default},{asked}"));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false)
        .with_filter(asked.and(harmless()));
    Registry::default().with(lines)
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
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

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
        let subscriber = subscriber(asked, LevelFilter::WARN, move || writer.clone());
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
    fn without_rust_log_the_default_level_holds() {
        assert!(!logged("").contains("an insertion"));
        assert!(logged("info").contains("an insertion"));
    }
}
