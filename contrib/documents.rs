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
use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// System administration (man-pages(7)): both programs change the network.
const SECTION: &str = "8";

/// The other program, whose name begins like the client's.
const GATEWAY: &str = "tokenvpn-gateway";

/// Compares what is kept for this program with what its command line gives, or writes that.
///
/// # Panics
/// If something differs, is missing or is of no use any more.
pub(crate) fn check(command: Command) {
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
    add_pages(&command, &contrib.join("man"), &mut documents);

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

fn add_pages(command: &Command, dir: &Path, documents: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let page = Man::new(command.clone())
        .section(SECTION)
        .source(concat!("tokenvpn ", env!("CARGO_PKG_VERSION")))
        .manual("tokenvpn");
    let mut text = Vec::new();
    page.render(&mut text)
        .expect("invariant: memory takes all that is written");
    documents.insert(dir.join(page.get_filename()), text);
    for subcommand in command.get_subcommands() {
        add_pages(subcommand, dir, documents);
    }
}

/// Where the shells look for a program's completion.
fn completion(shell: Shell, name: &str) -> String {
    match shell {
        Shell::Zsh => format!("_{name}"),
        shell => format!("{name}.{shell}"),
    }
}
