//! What goes through the tunnels of the tests.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};

use crate::namespace::Namespace;

/// Bytes without a pattern that a lost or doubled segment could leave intact.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .flatten()
    .take(len)
    .collect()
}

/// Sends `len` bytes each way over one connection from `a` to `address` on `b`.
pub(crate) fn exchange(
    a: &Namespace,
    b: &Namespace,
    address: IpAddr,
    len: usize,
    mss: Option<u32>,
) {
    let sent = noise(len);
    let listener = b.run(|| TcpListener::bind((address, 0)).unwrap());
    if let Some(mss) = mss {
        setsockopt(&listener, sockopt::TcpMaxSeg, &mss).unwrap();
    }
    let to = listener.local_addr().unwrap();
    let echo = |mut stream: TcpStream| {
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream
            .set_write_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let mut writer = stream.try_clone().unwrap();
        let sent = &sent;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                writer.write_all(sent).unwrap();
                writer.shutdown(std::net::Shutdown::Write).unwrap();
            });
            let mut received = Vec::with_capacity(len);
            stream.read_to_end(&mut received).unwrap();
            assert!(received == *sent, "the bytes changed on the way");
        });
    };
    std::thread::scope(|scope| {
        scope.spawn(|| echo(listener.accept().unwrap().0));
        echo(a.run(|| TcpStream::connect(to).unwrap()));
    });
}
