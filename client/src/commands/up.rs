//! `tokenvpn up`: waits for a token and holds the tunnel until it is pulled.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;

use tokenvpn_common::io::hardening;
use tokenvpn_common::language::say;

use crate::cli::{DEFAULT_INTERFACE, Up};
use crate::config;
use crate::lifecycle::{Askable, OnRemoval, Options};
use crate::pin;
use crate::runtime::Runtime;
use crate::supervisor::Supervisor;
use crate::terminal;
use crate::voice::Voice;
use crate::words::{self, Doing, Failure, State};

/// CAP_NET_ADMIN of linux/capability.h.
const CAP_NET_ADMIN: u32 = 12;

const TUN_DEVICE: &str = "/dev/net/tun";

/// Runs until the user ends it; gives the exit code.
///
/// # Errors
/// What kept it from starting.
pub(crate) fn run(options: Up) -> Result<u8, Failure> {
    let voice = Arc::new(Voice::new(options.json));
    match start(options, Arc::clone(&voice)) {
        Err(failure) if voice.is_json() => {
            let code = failure.code;
            voice.say(&State::Failed(failure));
            Ok(code)
        }
        ended => ended,
    }
}

fn start(options: Up, voice: Arc<Voice>) -> Result<u8, Failure> {
    terminal::ignore_job_control();
    // It has no secrets, but whose tunnel it was and where it led is nobody's business either.
    hardening::forbid_core_files().map_err(|e| Doing::ForbidCoreFiles.failed(e))?;
    let options = config::complete(options, Path::new(config::PATH))?;
    let pin = pin::given(options.pin_fd).map_err(|e| words::no_pin_fd(&e))?;
    if pin.is_some() && options.pin_fd.is_none() && options.token.is_none() {
        // A person would see whose it is.
        tracing::warn!(
            "the credential pin is tried on whatever token comes: name the one that it is for"
        );
    }
    check_permission()?;
    let runtime = Runtime::new(options.interface.as_deref().unwrap_or(DEFAULT_INTERFACE));
    let lock = runtime.lock().map_err(|e| words::locked(&e))?;
    let unreadable = |error| words::unreadable_journal(&error);
    if runtime.clean_up(&lock).map_err(unreadable)? {
        tracing::info!("put back what a killed predecessor left");
    }
    let on_removal = options.on_removal.unwrap_or_default();
    let mut fence = runtime.fence(&lock).map_err(unreadable)?;
    // One that is still wanted stays closed all the time.
    if fence.stands() && !options.kill_switch && on_removal != OnRemoval::Hold {
        fence.lift();
    }
    let lifecycle = Options {
        token: options.token,
        wait: options.wait,
        ready_timeout: options.ready_timeout,
        once: options.once,
        on_removal,
        kill_switch: options.kill_switch,
        no_keypad: options.no_keypad,
        // The supervisor looks for itself.
        askable: Askable::default(),
    };
    let supervisor = Supervisor::new(lifecycle, runtime, voice, pin, fence)
        .map_err(|e| Doing::StartSupervisor.failed(e))?;
    supervisor.run().map_err(|e| Doing::Supervise.failed(e))
}

/// Whether the tunnel could be made: asked before a PIN is typed in vain.
fn check_permission() -> Result<(), Failure> {
    if !may_make_tunnels() {
        let what = say().may_not_make_tunnel();
        return Err(State::NoPermission { what, cards: false }.into());
    }
    open_tun().map_err(|e| {
        let what = say().device_cannot_be_opened(&TUN_DEVICE, &e);
        State::NoPermission { what, cards: false }.into()
    })
}

/// Whether this process has CAP_NET_ADMIN.
pub(crate) fn may_make_tunnels() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    has_capability(&status, CAP_NET_ADMIN)
}

/// Opens what tunnel devices are made with, and closes it again.
pub(crate) fn open_tun() -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).open(TUN_DEVICE).map(drop)
}

/// Reads the effective set of proc_pid_status(5).
fn has_capability(status: &str, number: u32) -> bool {
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    set.is_some_and(|set| set >> number & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_capabilities_decide() {
        let status = "Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000001000\n";
        assert!(has_capability(status, CAP_NET_ADMIN));
        assert!(!has_capability(status, 13));
        assert!(!has_capability("CapPrm:\tffff\n", CAP_NET_ADMIN));
    }
}
