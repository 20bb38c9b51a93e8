//! What language the user of this process reads.

use std::env;

use crate::language;

/// The variables that say it, the first that is set (locale(7)).
const VARIABLES: [&str; 3] = ["LC_ALL", "LC_MESSAGES", "LANG"];

/// Speaks that language from now on, if we know it.
pub fn follow() {
    let mut set = VARIABLES.iter().filter_map(|name| env::var(name).ok());
    if let Some(locale) = set.find(|locale| !locale.is_empty()) {
        language::choose(&locale);
    }
}
