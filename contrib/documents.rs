//! Manual pages and shell completions, made from a command line and kept in `contrib/man` and
//! `contrib/completions`.
//!
//! A part of both programs' tests, which fail when what is kept is not what the command line
//! says. After a change of the command line:
//!
//! ```sh
//! WRITE_DOCUMENTS=1 cargo test -p tokenvpn -p tokenvpn-gateway documents
//! ```

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use tokenvpn_common::language::say;

/// System administration (man-pages(7)): both programs change the network.
const SECTION: &str = "8";

/// The other program, whose name begins like the client's.
const GATEWAY: &str = "tokenvpn-gateway";

/// More for one page: its name, the section's title, how that begins, and its list.
pub(crate) type Section = (&'static str, String, String, Vec<(String, String)>);

/// Compares what is kept for this program with what its command line gives, or writes that.
/// `exit_status` are its exit codes and what they mean, for all commands.
///
/// # Panics
/// If something differs, is missing or is of no use any more.
pub(crate) fn check(command: Command, exit_status: &[(u8, impl AsRef<str>)], sections: &[Section]) {
    let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib");
    let name = command.get_name().to_owned();
    let mut documents = BTreeMap::new();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command.clone(), &name, &mut text);
        documents.insert(
            contrib.join("completions").join(completion(shell, &name)),
            text,
        );
    }
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let man = contrib.join("man");
    add_page(&command, &exit_codes(exit_status), &man, &mut documents);
    let page = format!(".BR {} ({SECTION})", escaped(&name));
    let elsewhere = say().manual_see(&page) + "\n";
    add_subpages(&command, &elsewhere, &man, &mut documents);
    for (page, title, begin, list) in sections {
        let page = documents.get_mut(&man.join(format!("{page}.{SECTION}")));
        let page = page.expect("a page of this program");
        page.extend(section(title, begin, list).into_bytes());
    }

    let writes = std::env::var_os("WRITE_DOCUMENTS").is_some();
    for (path, text) in &documents {
        if writes {
            fs::write(path, text).expect("contrib/ can be written");
        }
        let kept = fs::read(path).unwrap_or_default();
        assert!(
            kept == *text,
            "{} is out of date; contrib/documents.rs says how it is made",
            path.display()
        );
    }
    for page in fs::read_dir(contrib.join("man"))
        .expect("contrib/man")
        .flatten()
    {
        let file = page.file_name();
        let file = file.to_string_lossy();
        let is_ours = file.starts_with(&name) && file.starts_with(GATEWAY) == (name == GATEWAY);
        assert!(
            !is_ours || documents.contains_key(&page.path()),
            "{file} is of no command any more"
        );
    }
}

fn add_subpages(
    command: &Command,
    exit_status: &str,
    dir: &Path,
    documents: &mut BTreeMap<PathBuf, Vec<u8>>,
) {
    for subcommand in command.get_subcommands() {
        add_page(subcommand, exit_status, dir, documents);
        add_subpages(subcommand, exit_status, dir, documents);
    }
}

fn add_page(
    command: &Command,
    exit_status: &str,
    dir: &Path,
    documents: &mut BTreeMap<PathBuf, Vec<u8>>,
) {
    // The list below the help has a section of its own here.
    let page = Man::new(command.clone().after_long_help(None::<&str>))
        .section(SECTION)
        .source(concat!("tokenvpn ", env!("CARGO_PKG_VERSION")))
        .manual("tokenvpn");
    let mut text = Vec::new();
    page.render(&mut text)
        .expect("invariant: memory takes all that is written");
    let mut text = String::from_utf8(text).expect("invariant: all of our texts are UTF-8");
    let end = text.find(".SH VERSION").unwrap_or(text.len());
    text.insert_str(end, &format!(".SH \"EXIT STATUS\"\n{exit_status}"));
    documents.insert(dir.join(page.get_filename()), text.into_bytes());
}

/// Exit codes as a list of man(7).
fn exit_codes(codes: &[(u8, impl AsRef<str>)]) -> String {
    let list = codes.iter();
    let list = list.map(|(code, text)| item(code, text.as_ref()));
    list.collect()
}

fn section(title: &str, begin: &str, list: &[(String, String)]) -> String {
    let list: String = list.iter().map(|(about, text)| item(about, text)).collect();
    let begin = match begin {
        "" => String::new(),
        begin => escaped(begin) + "\n",
    };
    format!(".SH \"{title}\"\n{begin}{list}")
}

fn item(about: &dyn Display, text: &str) -> String {
    let about = escaped(&about.to_string());
    format!(".TP\n\\fB{about}\\fR\n{}\n", escaped(text))
}

/// A hyphen is a minus only if man(7) is told so.
fn escaped(text: &str) -> String {
    text.replace('-', "\\-")
}

/// Where the shells look for a program's completion.
fn completion(shell: Shell, name: &str) -> String {
    match shell {
        Shell::Zsh => format!("_{name}"),
        shell => format!("{name}.{shell}"),
    }
}
