//! Where a secret lies open: in arguments, environments and files.

use std::{fs, path::Path};

use crate::{host::Host, quarry::Quarry};

impl Host {
    /// Where in this host a secret can be read by who may list processes or open files: the
    /// arguments and the environment of each process, and all files that were written in here.
    pub fn exposes(&self, secret: &Quarry) -> Vec<String> {
        let mut found = Vec::new();
        // The card itself is told its PIN as it is made.
        let is_card = |(_, name): &(i32, String)| name == "softcard";
        for (pid, name) in self.population().into_iter().filter(|one| !is_card(one)) {
            for of_process in ["cmdline", "environ"] {
                // It may have ended.
                let bytes = fs::read(format!("/proc/{pid}/{of_process}")).unwrap_or_default();
                if secret.printed_in(&bytes).is_some() {
                    found.push(format!("{of_process} of {name} (pid {pid})"));
                }
            }
        }
        // The second is where temporary files go, and what is written below `/etc` and `/var/lib`.
        for directory in [Path::new("/run"), self.dir()] {
            found.extend(files_with(&self.path(directory), secret));
        }
        found
    }
}

/// The files below a directory that hold a secret.
fn files_with(directory: &Path, secret: &Quarry) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files_with(&entry.path(), secret)),
            _ => found.extend(holds(&entry.path(), secret)),
        }
    }
    found
}

/// The name of a file that holds a secret.
fn holds(path: &Path, secret: &Quarry) -> Option<String> {
    let is_file = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    let bytes = is_file.then(|| fs::read(path).ok()).flatten()?;
    let is_there = secret.printed_in(&bytes).is_some();
    is_there.then(|| path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{wait, world::World};

    #[test]
    fn a_secret_is_found_in_arguments_environments_and_files() {
        let world = World::new();
        let host = world.host("a");
        let secret = Quarry::pin("q7-zebra-4417");
        let script = "echo q7-zebra-4417 >/etc/kept; echo q7-zebra-4417 >/run/kept; exec sleep 60";
        let shell = host.run("sh").args(["-c", script, "a=q7-zebra-4417"]);
        shell.env("KEPT", "q7-zebra-4417").spawn();
        wait::until_true("it sleeps", wait::SOON, || {
            host.processes_named("sleep").len() == 1
        });
        let found = host.exposes(&secret);
        for place in ["environ of sleep", "upper-etc/kept", "/run/kept"] {
            let is_found = found.iter().any(|one| one.contains(place));
            assert!(is_found, "{place}: {found:?}");
        }
        host.run("tail")
            .args(["-f", "/dev/null", "--", "q7-zebra-4417"])
            .spawn();
        wait::until_true("its arguments are seen", wait::SOON, || {
            let found = host.exposes(&secret);
            found.iter().any(|one| one.starts_with("cmdline of tail"))
        });
        assert!(host.exposes(&Quarry::pin("q7-zebra-4418")).is_empty());
    }
}
