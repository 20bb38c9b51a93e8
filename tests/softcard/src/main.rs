//! `softcard`: puts a virtual OpenPGP card into a vpcd reader and obeys a test's orders.

use std::{
    process::ExitCode,
    sync::{Arc, Mutex},
};

use anyhow::Result;
use nix::sys::{prctl, signal::Signal};
use softcard::{
    card::Card,
    control::Control,
    meter::Meter,
    options::{Options, USAGE},
    slot::Slot,
};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("softcard: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    // A test that dies must take its card along. The signal comes when the *thread* that started
    // us ends.
    prctl::set_pdeathsig(Signal::SIGTERM)?;

    let Some(options) = Options::parse(lexopt::Parser::from_env())? else {
        print!("{USAGE}");
        return Ok(());
    };
    let card = Card::open(&options.state, options.serial, &options.pins)?;
    let meter = Arc::new(Mutex::new(Meter::default()));
    let slot = Slot::new(options.address, card, options.limits, Arc::clone(&meter));
    let ident = slot.ident();
    let control = Control::new(slot, meter, &options.control);
    // Bound only now: whoever can connect finds a finished card.
    let listener = control.listen()?;
    let socket = options.control.display();
    eprintln!("softcard: ready, {ident}, control at {socket}");
    if options.inserted {
        control.obey(&["insert"])?;
    }
    control.serve(&listener);
    Ok(())
}
