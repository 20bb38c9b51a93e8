//! `gateway.toml`.

use std::path::Path;

use gateway::config::Config;

/// The gateway keeps it to itself, so its file is taken in here, with what is said of it.
#[allow(dead_code, unreachable_pub, unused_imports)]
#[path = "../../../gateway/src"]
mod gateway {
    pub(super) mod config;
    mod words {
        mod config;

        pub(crate) use self::config::*;
    }
}

/// Reads `data` as a configuration; what is understood is written and read back the same.
///
/// # Panics
/// If it is not.
pub fn run(data: &[u8]) {
    match Config::parse(Path::new("gateway.toml"), data) {
        Ok(config) => {
            let text = config.to_toml();
            let again = Config::parse(Path::new("gateway.toml"), text.as_bytes());
            assert!(again.expect("what was written can be read") == config);
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
}
