//! Looks for secrets in the memory of processes.

use std::{
    fmt,
    fs::{self, File},
    os::unix::fs::FileExt,
};

use crate::quarry::Quarry;

/// How much is read at once.
const CHUNK: usize = 1 << 20;

/// How much of it is read again with the next piece: longer than any shape of a secret.
const OVERLAP: usize = 1024;

/// One place where a secret was.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// The process.
    pub pid: i32,
    /// The address in it.
    pub address: u64,
    /// The shape of the secret.
    pub shape: &'static str,
    /// What the memory belongs to: `[heap]`, `[stack]`, a file, or nothing.
    pub region: String,
}

impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sighting {
            pid,
            address,
            shape,
            region,
        } = self;
        write!(f, "process {pid} at {address:#x} ({region}): {shape}")
    }
}

/// How much was looked at: a scan that could read nothing finds nothing.
#[derive(Clone, Debug, Default)]
pub struct Hunt {
    /// Where the secret was.
    pub sightings: Vec<Sighting>,
    /// Bytes looked through.
    pub bytes: u64,
}

/// Looks through all memory of one process that it can read and has written, or could have.
///
/// # Panics
/// If the process is there and its memory cannot be opened (this needs root).
pub fn hunt(pid: i32, quarry: &Quarry) -> Hunt {
    let mut hunt = Hunt::default();
    regions(pid, |place, bytes| {
        hunt.bytes += bytes.len() as u64;
        for (offset, shape) in quarry.find_in(bytes) {
            hunt.sightings.push(Sighting {
                pid,
                address: place.address + offset as u64,
                shape,
                region: place.region.to_owned(),
            });
        }
    });
    hunt
}

/// A piece of a process's memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    address: u64,
    region: &'a str,
}

/// Reads all memory of a process piece by piece, each with the end of the one before it.
///
/// # Panics
/// If the process is there and its memory cannot be opened (this needs root).
pub(crate) fn regions(pid: i32, mut look: impl FnMut(Place<'_>, &[u8])) {
    let Ok(maps) = fs::read_to_string(format!("/proc/{pid}/maps")) else {
        return;
    };
    let memory = match File::open(format!("/proc/{pid}/mem")) {
        Ok(memory) => memory,
        // It is ending: its memory goes before it does.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return,
        Err(_) if !crate::process::is_alive(pid) => return,
        Err(error) => panic!("cannot open the memory of process {pid}: {error}"),
    };
    let mut buffer = vec![0; CHUNK];
    for line in maps.lines() {
        let Some((from, to, region)) = readable(line) else {
            continue;
        };
        let mut address = from;
        while address < to {
            let want = usize::try_from(to - address).map_or(CHUNK, |left| left.min(CHUNK));
            // Guard pages and device memory refuse.
            let Ok(len @ 1..) = memory.read_at(&mut buffer[..want], address) else {
                break;
            };
            look(Place { address, region }, &buffer[..len]);
            if address + len as u64 >= to {
                break;
            }
            // A secret may lie across the border of two pieces.
            address += len.saturating_sub(OVERLAP).max(1) as u64;
        }
    }
}

/// Looks through the memory of several processes.
///
/// # Panics
/// As [`hunt`].
pub fn hunt_all(pids: impl IntoIterator<Item = i32>, quarry: &Quarry) -> Hunt {
    let mut all = Hunt::default();
    for pid in pids {
        let one = hunt(pid, quarry);
        all.sightings.extend(one.sightings);
        all.bytes += one.bytes;
    }
    all
}

/// The bounds and the name of a readable region, from a line of `/proc/PID/maps` (proc(5)).
fn readable(line: &str) -> Option<(u64, u64, &str)> {
    let mut fields = line.splitn(6, ' ');
    let (from, to) = fields.next()?.split_once('-')?;
    let access = fields.next()?;
    let region = fields.nth(3).unwrap_or("").trim();
    // A file that cannot be written here holds what it holds on the disk. The kernel's own pages
    // are the same in every process, and not all of them can be read.
    let is_file = region.starts_with('/') && !access.contains('w');
    if !access.starts_with('r') || is_file || region.starts_with("[v") {
        return None;
    }
    let hex = |text| u64::from_str_radix(text, 16).ok();
    Some((hex(from)?, hex(to)?, region))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_key_is_found_where_it_is() {
        let key: [u8; 32] = std::array::from_fn(|i| (i as u8).wrapping_mul(37) ^ 0xA5);
        let own = i32::try_from(std::process::id()).unwrap();
        let quarry = Quarry::key("key", &key);
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let copies = [key[..16].to_vec(), key[16..].to_vec(), hex.into_bytes()];
        // Also across the borders of what is read at once.
        let mut large = vec![0; 2 * CHUNK];
        let places: Vec<_> = (1..2 * CHUNK / 40).map(|n| n * 40).collect();
        for &place in &places {
            large[place..place + 16].copy_from_slice(&key[..16]);
        }
        let hunt = hunt(own, &quarry);
        let addresses = copies.iter().map(|copy| copy.as_ptr() as u64);
        let in_large = places.iter().map(|&place| large[place..].as_ptr() as u64);
        let seen: HashSet<u64> = hunt.sightings.iter().map(|one| one.address).collect();
        for address in addresses.chain(in_large) {
            assert!(seen.contains(&address), "{address:#x}");
        }
        assert!(hunt.bytes > 1 << 20);
    }

    #[test]
    fn a_key_that_is_not_there_is_not_found() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let hunt = hunt(pid, &Quarry::key("key", &[0xA7; 32]));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(hunt.sightings.is_empty(), "{:?}", hunt.sightings);
        assert!(hunt.bytes > 1 << 16, "only {} bytes were read", hunt.bytes);
    }
}
