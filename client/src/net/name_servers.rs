//! The name servers that this computer has without our tunnels.

use std::fs;
use std::io::{self, Read as _};
use std::net::{SocketAddr, SocketAddrV6};
use std::path::Path;

use nix::net::if_::if_nametoindex;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::{OpenTreeFlags, open_tree};

use crate::net::dns::{self, RESOLV_CONF};

/// Where name servers listen (RFC 1035 §4.2).
const PORT: u16 = 53;

/// Those that it has now, in their order, though a tunnel of ours may have covered the file.
/// systemd-resolved lists a tunnel's beside the others.
pub(crate) fn of_computer() -> Vec<SocketAddr> {
    let file = Path::new(RESOLV_CONF);
    let content = match dns::mounted()[..] {
        [] => fs::read_to_string(file),
        _ => below_mounts(file),
    };
    let content = content.unwrap_or_default();
    match dns::asks_stub(&content) {
        true => {
            // Those that it asks itself (systemd-resolved.service(8)).
            let list = Path::new(dns::RESOLVED_FILES).join("resolv.conf");
            listed(&fs::read_to_string(list).unwrap_or_default())
        }
        false => listed(&content),
    }
}

/// What a file holds on which others are mounted.
fn below_mounts(file: &Path) -> io::Result<String> {
    let file = fs::canonicalize(file)?;
    let (Some(directory), Some(name)) = (file.parent(), file.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    // Once more the directory's own mount, without those inside of it.
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let directory = open_tree(CWD, directory, flags)?;
    let file = openat(
        directory,
        name,
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut content = String::new();
    fs::File::from(file).read_to_string(&mut content)?;
    Ok(content)
}

/// The servers in a file as resolv.conf(5) describes it.
fn listed(content: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        words.next().filter(|word| *word == "nameserver")?;
        address(words.next()?)
    };
    content.lines().filter_map(server).collect()
}

/// An address, if it is of one link only with that link's name or number behind it.
fn address(text: &str) -> Option<SocketAddr> {
    let Some((address, link)) = text.split_once('%') else {
        return Some(SocketAddr::new(text.parse().ok()?, PORT));
    };
    let number = link.parse().or_else(|_| if_nametoindex(link)).ok()?;
    Some(SocketAddrV6::new(address.parse().ok()?, PORT, 0, number).into())
}

#[cfg(test)]
mod tests {
    use nix::mount::{MsFlags, mount};

    use super::*;
    use crate::net::world;

    #[test]
    fn servers_are_read_as_the_c_library_reads_them() {
        let content = "# nameserver 192.0.2.1\n; a comment\nsearch example.com\n\
            nameserver 192.0.2.53 behind\nnameserver\t2001:db8::53\nnameserver\n\
            nameserver nobody\nnameserver fe80::1%lo\nnameserver fe80::2%7\nnameservers 192.0.2.2\n";
        let lo = if_nametoindex("lo").unwrap();
        assert_eq!(
            listed(content),
            [
                "192.0.2.53:53".parse().unwrap(),
                "[2001:db8::53]:53".parse().unwrap(),
                SocketAddr::V6(SocketAddrV6::new("fe80::1".parse().unwrap(), 53, 0, lo)),
                "[fe80::2%7]:53".parse().unwrap(),
            ]
        );
        assert_eq!(listed(""), []);
    }

    #[test]
    fn a_tunnels_file_hides_neither_the_servers_before_it_nor_those_that_come() {
        if world::is_outside(
            "a_tunnels_file_hides_neither_the_servers_before_it_nor_those_that_come",
        ) {
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        for name in ["etc", "elsewhere", "tokenvpn"] {
            fs::create_dir(path(name)).unwrap();
        }
        let file = path("etc/resolv.conf");
        fs::write(&file, "nameserver 192.0.2.1\n").unwrap();
        assert_eq!(below_mounts(&file).unwrap(), "nameserver 192.0.2.1\n");
        // Whoever writes it by another way.
        let (from, to) = (path("etc"), path("elsewhere"));
        mount(
            Some(&from),
            &to,
            None::<&str>,
            MsFlags::MS_BIND,
            None::<&str>,
        )
        .unwrap();

        for server in ["10.77.0.1", "10.78.0.1"] {
            let own = path("tokenvpn").join(server);
            dns::mount_over(&own, &file, &[server.parse().unwrap()]).unwrap();
            assert!(fs::read_to_string(&file).unwrap().contains(server));
            assert_eq!(below_mounts(&file).unwrap(), "nameserver 192.0.2.1\n");
        }
        fs::write(path("elsewhere/resolv.conf"), "nameserver 192.0.2.2\n").unwrap();
        assert_eq!(below_mounts(&file).unwrap(), "nameserver 192.0.2.2\n");
    }
}
