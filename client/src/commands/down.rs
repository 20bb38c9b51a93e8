//! `tokenvpn down`: ends a running `up`, or puts back what a killed one left.

use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use tokenvpn_common::io::clock;
use tokenvpn_common::language::say;

use crate::cli::Interface;
use crate::commands::status::ask;
use crate::config;
use crate::runtime::{Lock, LockError, Runtime};
use crate::supervisor::ControlRequest;
use crate::words::{self, Failure};

/// How long a supervisor has to put everything back.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often the lock is looked at meanwhile.
const PAUSE: Duration = Duration::from_millis(20);

/// Returns when nothing of the tunnel is left; also if there was none.
///
/// # Errors
/// A supervisor that does not end, a journal that cannot be read, a missing permission.
pub(crate) fn run(options: Interface) -> Result<(), Failure> {
    let name = config::interface(options.interface, Path::new(config::PATH))?;
    let runtime = Runtime::new(&name);
    let interface = runtime.interface();
    let (lock, was_up) = match runtime.lock() {
        Ok(lock) => (lock, false),
        Err(LockError::Held { .. }) => {
            // Its answer comes when all is put back; the lock tells that it is gone.
            match ask(&runtime, ControlRequest::Down) {
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                    return Err(words::may_not_end(&e));
                }
                Ok(_) | Err(_) => {}
            }
            (wait_for(&runtime)?, true)
        }
        Err(error @ LockError::Foreign { .. }) => return Err(words::locked(&error)),
        Err(LockError::Open { source, .. }) => return Err(words::may_not_end(&source)),
    };
    let unreadable = |error| words::unreadable_journal(&error);
    let mut left = runtime.clean_up(&lock).map_err(unreadable)?;
    let mut fence = runtime.fence(&lock).map_err(unreadable)?;
    if fence.stands() {
        fence.lift();
        left = true;
    }
    match (was_up, left) {
        (true, _) => eprintln!("{}", say().tunnel_is_down(&interface)),
        (false, true) => eprintln!("{}", say().tunnel_was_left(&interface)),
        (false, false) => eprintln!("{}", say().tunnel_was_not_up(&interface)),
    }
    Ok(())
}

fn wait_for(runtime: &Runtime) -> Result<Lock, Failure> {
    let until = clock::now() + PATIENCE;
    loop {
        match runtime.lock() {
            Ok(lock) => return Ok(lock),
            Err(LockError::Held { .. }) if clock::now() < until => thread::sleep(PAUSE),
            Err(error) => return Err(words::does_not_end(&error)),
        }
    }
}
