//! One module a command. Each gives what it has to say to people on stderr, and what
//! it has to say to programs on stdout.

pub(crate) mod add;
pub(crate) mod audit;
pub(crate) mod enrol;
pub(crate) mod identities;
pub(crate) mod init;
pub(crate) mod invite;
pub(crate) mod reinstate;
pub(crate) mod reload;
pub(crate) mod revoke;
pub(crate) mod run;
pub(crate) mod status;

use std::io::{self, Write as _};

use serde::Serialize;

use crate::words::{self, Failure};

/// Stands in a table for what is not known or is not there.
const NONE: &str = "-";

/// Writes to stdout. A reader that has left is a failure: it did not get what it asked for.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    written.map_err(|e| words::not_printed(&e))
}

fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).expect("invariant: it has a JSON form");
    print(&(text + "\n"))
}

/// Rows with their columns aligned, each as wide as its widest cell. They are shown as they are,
/// whoever answered.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let line: String = cells
            .map(|(cell, width)| format!("{:width$}  ", words::printable(cell)))
            .collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        let text = table(&[
            row(&["NAME", "KEY"]),
            row(&["Zoë", "x"]),
            row(&["traveller", "y"]),
        ]);
        assert_eq!(text, "NAME       KEY\nZoë        x\ntraveller  y\n");
    }
}
