//! Looks for a key in the memory of processes.

use std::{
    fmt,
    fs::{self, File},
    os::unix::fs::FileExt,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use memchr::memmem::Finder;

/// How much is read at once.
const CHUNK: usize = 1 << 20;

/// A key in all the shapes in which it could lie around.
pub struct Quarry {
    shapes: Vec<(&'static str, Finder<'static>)>,
    longest: usize,
}

impl Quarry {
    /// The shapes of a key: raw, each raw half (a register spilled or a copy begun), hexadecimal,
    /// base64.
    pub fn key(key: &[u8; 32]) -> Quarry {
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        // The last characters of base64 depend on what follows the key.
        let base64 = &STANDARD.encode(key)[..42];
        let (first, second) = key.split_at(16);
        let shapes: [(&str, &[u8]); 6] = [
            ("raw", key),
            ("first half", first),
            ("second half", second),
            ("hexadecimal", hex.as_bytes()),
            ("HEXADECIMAL", &hex.to_uppercase().into_bytes()),
            ("base64", base64.as_bytes()),
        ];
        Quarry {
            longest: 64,
            shapes: shapes
                .into_iter()
                .map(|(name, bytes)| (name, Finder::new(bytes).into_owned()))
                .collect(),
        }
    }
}

/// One place where the key was.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// The process.
    pub pid: i32,
    /// The address in it.
    pub address: u64,
    /// The shape of the key.
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
    /// Where the key was.
    pub sightings: Vec<Sighting>,
    /// Bytes looked through.
    pub bytes: u64,
}

/// Looks through all readable memory of one process.
///
/// # Panics
/// If the process is there and its memory cannot be opened (this needs root).
pub fn hunt(pid: i32, quarry: &Quarry) -> Hunt {
    let mut hunt = Hunt::default();
    let Ok(maps) = fs::read_to_string(format!("/proc/{pid}/maps")) else {
        return hunt;
    };
    let memory = match File::open(format!("/proc/{pid}/mem")) {
        Ok(memory) => memory,
        Err(_) if !crate::process::is_alive(pid) => return hunt,
        Err(error) => panic!("cannot open the memory of process {pid}: {error}"),
    };
    let mut buffer = vec![0; CHUNK];
    for line in maps.lines() {
        let Some((from, to, region)) = readable(line) else {
            continue;
        };
        let mut at = from;
        while at < to {
            let want = usize::try_from(to - at).map_or(CHUNK, |left| left.min(CHUNK));
            // Guard pages and device memory refuse.
            let Ok(len @ 1..) = memory.read_at(&mut buffer[..want], at) else {
                break;
            };
            hunt.bytes += len as u64;
            for (shape, finder) in &quarry.shapes {
                for offset in finder.find_iter(&buffer[..len]) {
                    hunt.sightings.push(Sighting {
                        pid,
                        address: at + offset as u64,
                        shape,
                        region: region.to_owned(),
                    });
                }
            }
            if at + len as u64 >= to {
                break;
            }
            // A key may lie across the border of two chunks.
            at += len.saturating_sub(quarry.longest).max(1) as u64;
        }
    }
    hunt
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
    let readable = fields.next()?.starts_with('r');
    let region = fields.nth(3).unwrap_or("").trim();
    // The kernel's own pages: the same in every process, and not all of them can be read.
    if !readable || region.starts_with("[v") {
        return None;
    }
    let hex = |text| u64::from_str_radix(text, 16).ok();
    Some((hex(from)?, hex(to)?, region))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_every_shape() {
        let key: [u8; 32] = std::array::from_fn(|i| (i as u8).wrapping_mul(37) ^ 0xA5);
        let own = i32::try_from(std::process::id()).unwrap();
        // A quarry itself holds the key: the difference is what counts.
        let before = hunt(own, &Quarry::key(&key));
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let copies: Vec<Vec<u8>> = vec![
            key.to_vec(),
            key[..16].to_vec(),
            key[16..].to_vec(),
            hex.clone().into_bytes(),
            hex.to_uppercase().into_bytes(),
            STANDARD.encode(key).into_bytes(),
        ];
        let after = hunt(own, &Quarry::key(&key));
        for copy in &copies {
            let address = copy.as_ptr() as u64;
            assert!(
                after.sightings.iter().any(|one| one.address == address),
                "a copy of {} bytes was not found among {:?}",
                copy.len(),
                after.sightings
            );
        }
        assert!(after.sightings.len() >= before.sightings.len() + copies.len());
        assert!(after.bytes > 1 << 20);
    }

    #[test]
    fn a_key_that_is_not_there_is_not_found() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let hunt = hunt(pid, &Quarry::key(&[0xA7; 32]));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(hunt.sightings.is_empty(), "{:?}", hunt.sightings);
        assert!(hunt.bytes > 1 << 16, "only {} bytes were read", hunt.bytes);
    }
}
