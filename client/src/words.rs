//! What people are told, and the exit codes. Here it is decided what is said of which state, error
//! and finding; how it is said stands in [`language`](tokenvpn_common::language), for the help of
//! the command line and for the shared crate's errors too. Names of states, fields and checks,
//! which programs read, are no words. What the system, PC/SC and the reader of TOML say of theirs
//! is quoted, in whatever language they say it.

mod cli;
pub(crate) mod code;
mod content;
mod doctor;
mod failure;
mod fault;
pub(crate) mod help;
mod phrase;
mod prompt;
mod state;
mod status;
mod token;
mod tunnel;

pub(crate) use cli::*;
pub(crate) use content::*;
pub(crate) use doctor::*;
pub(crate) use failure::{Failure, usage, with_causes};
pub(crate) use fault::*;
use phrase::*;
pub(crate) use prompt::*;
pub(crate) use state::{Choice, Connection, Move, Object, Reason, SOON_DAYS, State};
pub(crate) use status::*;
pub(crate) use token::*;
pub(crate) use tokenvpn_common::name::{printable, printable_lines};
pub(crate) use tunnel::*;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Calls `each` with every source file.
    fn sources(directory: &Path, each: &mut impl FnMut(&Path, &str)) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => sources(&path, each),
                false => each(&path, &fs::read_to_string(&path).unwrap()),
            }
        }
    }

    #[test]
    fn nothing_but_words_prints_a_text_of_its_own() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut printed = 0;
        sources(&root, &mut |path, text| {
            for macro_name in ["eprint!(", "eprintln!(", "println!(", "print!("] {
                for (at, _) in text.match_indices(macro_name) {
                    printed += 1;
                    let rest = text[at + macro_name.len()..].trim_start();
                    let literal = rest
                        .strip_prefix('"')
                        .and_then(|rest| rest.split('"').next());
                    let bare = literal.unwrap_or_default();
                    let bare = bare.replace("{}", "").replace("{failure}", "");
                    assert!(
                        path.ends_with("words.rs") || !bare.contains(char::is_alphabetic),
                        "{} prints {bare:?}",
                        path.display()
                    );
                }
            }
        });
        assert!(printed > 10, "the search is blind");
    }
}
