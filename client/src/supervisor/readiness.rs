//! Tells systemd that a service is ready (sd_notify(3)): what is to start after it may.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Does nothing where nobody waits for that.
pub(super) fn tell() {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    if let Err(error) = tell_at(&socket) {
        tracing::warn!(reason = %error, "systemd is not told that it is ready");
    }
}

fn tell_at(socket: &OsStr) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(b"READY=1", &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_a_file_or_has_a_name_that_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("notify");
        let name = format!("tokenvpn-{}", std::process::id());
        let sockets = [
            (
                file.as_os_str().to_owned(),
                SocketAddr::from_pathname(&file),
            ),
            (
                format!("@{name}").into(),
                SocketAddr::from_abstract_name(name),
            ),
        ];
        for (socket, address) in sockets {
            let listener = UnixDatagram::bind_addr(&address.unwrap()).unwrap();
            tell_at(&socket).unwrap();
            let mut told = [0; 16];
            let length = listener.recv(&mut told).unwrap();
            assert_eq!(&told[..length], b"READY=1");
        }
    }
}
