//! `run`: the gateway in the foreground.

use std::fs;
use std::path::Path;

use tokenvpn_common::io::hardening;
use tokenvpn_common::language::say;
use tracing::level_filters::LevelFilter;

use crate::config::{Config, Networks};
use crate::control;
use crate::gateway::Gateway;
use crate::key_file;
use crate::words::{self, Failure};

pub(crate) fn run(path: &Path) -> Result<(), Failure> {
    let _log = tokenvpn_common::io::logging::init(LevelFilter::INFO);
    hardening::seal()?;
    let locked = hardening::lock_memory();
    let config = Config::read(path)?;
    let private_key = key_file::read(&config.private_key_file(), &config.state_dir)?;
    let lock = control::lock_for_gateway(&config)?;
    // Looked up before the start, which gives up the right to read files.
    let forwarding_off = forwarding_off(&config.networks);
    let public_key = private_key.public();
    let mut gateway = Gateway::start(config.clone(), private_key, lock)?;
    // Not before: an error is two lines and nothing else.
    if let Err(error) = locked {
        tracing::info!(%error, reason = %error.errno, "keys may be swapped to disk");
    }
    eprintln!(
        "{}",
        words::started(&config, &public_key, gateway.identities())
    );
    for setting in forwarding_off {
        eprintln!("{}", say().machine_forwards_nothing(&setting));
        eprintln!("{}", say().turn_forwarding_on(&setting));
    }
    gateway.run()
}

/// The settings without which the kernel keeps the tunnel's packets to itself.
fn forwarding_off(networks: &Networks) -> Vec<&'static str> {
    let mut settings = Vec::new();
    if networks.iter().any(|network| network.addr().is_ipv4()) {
        settings.push("net.ipv4.ip_forward");
    }
    if networks.iter().any(|network| network.addr().is_ipv6()) {
        settings.push("net.ipv6.conf.all.forwarding");
    }
    // A setting that cannot be read is not known to be off.
    settings.retain(|setting| {
        let file = format!("/proc/sys/{}", setting.replace('.', "/"));
        fs::read_to_string(file).is_ok_and(|text| text.trim() == "0")
    });
    settings
}
