//! The whole path once, visible step by step; started by `contrib/demo`.

mod print;
mod story;

use std::{
    env, panic,
    path::PathBuf,
    process::{self, ExitCode},
    sync::{
        Mutex,
        atomic::{AtomicU8, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
};

use anyhow::{Context as _, bail};
use nix::sys::signal::{SigSet, Signal};
use rig::wait::now;

use crate::story::Story;

/// The last step that was begun, for the report of a failure.
static STEP: AtomicU8 = AtomicU8::new(0);

/// The world's directory, for a signal that ends the demo.
static DIR: Mutex<Option<PathBuf>> = Mutex::new(None);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let keep = match &words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--keep"] => true,
        _ => bail!("usage: demo [--keep]"),
    };
    let signals = signals()?;
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        println!("\nFAILED in step {}:", STEP.load(Ordering::Relaxed));
        tell(info);
    }));

    let start = now();
    let told = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        let mut story = Story::begin();
        *DIR.lock().expect("invariant: no holder panics") = Some(story.dir().to_owned());
        for (step, tell) in (1..).zip(Story::STEPS) {
            STEP.store(step, Ordering::Relaxed);
            tell(&mut story);
        }
        story.summary(now().since(start));
        if keep {
            // Whoever looked around may have ended anything.
            story.stay(&signals);
        } else {
            story.end();
        }
    }));
    DIR.lock().expect("invariant: no holder panics").take();
    if told.is_err() {
        let step = STEP.load(Ordering::Relaxed);
        bail!("step {step} did not do what it should; what ran is shown above");
    }
    println!("\nEverything that was made for this is gone again.");
    Ok(())
}

/// Takes SIGINT, SIGTERM and SIGHUP: to whoever waits for them, and otherwise they end the demo.
/// The hosts die with us, and the directory is removed here.
fn signals() -> anyhow::Result<Receiver<()>> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        set.add(signal);
    }
    set.thread_block().context("cannot block signals")?;
    // Without room: it is sent only while somebody waits.
    let (sender, signals) = mpsc::sync_channel(0);
    thread::spawn(move || {
        while let Ok(signal) = set.wait() {
            if sender.try_send(()).is_ok() {
                continue;
            }
            eprintln!("\nended by {signal}");
            let dir = DIR.lock().expect("invariant: no holder panics").take();
            if let Some(dir) = dir {
                let _ = std::fs::remove_dir_all(dir);
            }
            process::exit(128 + signal as i32);
        }
    });
    Ok(signals)
}
