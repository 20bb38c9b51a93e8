//! stderr, for which nobody waits. A Ctrl-S may have stopped the terminal, nobody may read the
//! pipe, or a line may be longer than the room that is left: whoever waited would carry no
//! packet and see no token go.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};

use crate::name::printable_lines;

/// What a pipe takes at once if it takes anything (pipe(7): PIPE_BUF).
const PIPE_ROOM: usize = 4096;

/// Most bytes that wait to be taken.
const MOST_LEFT: usize = 64 * 1024;

static STDERR: LazyLock<Mutex<Stderr>> = LazyLock::new(|| Mutex::new(Stderr::open()));

/// Gets ready. To be called while this process may still open files.
pub fn prepare() {
    LazyLock::force(&STDERR);
}

/// Whether a line would be taken now, and all of the last one was.
pub fn is_read() -> bool {
    lock().is_read()
}

/// Writes lines as far as they are taken at once; what is left goes out before the next ones.
/// Nothing in them moves a cursor or deceives.
pub fn write(lines: &str) {
    lock().write(lines);
}

fn lock() -> MutexGuard<'static, Stderr> {
    STDERR.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Stderr {
    way: Way,
    /// The end of a line whose beginning was taken.
    left: Vec<u8>,
}

enum Way {
    /// A terminal or a pipe, opened once more: whoever else has stderr wants to wait.
    Own(File),
    /// What the journal reads.
    Socket(OwnedFd),
    /// A file, or a terminal or pipe that may not be opened.
    Shared(File),
    /// It is closed.
    Nowhere,
}

impl Stderr {
    fn open() -> Stderr {
        let way = match io::stderr().as_fd().try_clone_to_owned() {
            Ok(copy) => Way::to(File::from(copy)),
            Err(_) => Way::Nowhere,
        };
        Stderr {
            way,
            left: Vec::new(),
        }
    }

    fn is_read(&mut self) -> bool {
        let left = std::mem::take(&mut self.left);
        self.left = self.way.push(&left).to_vec();
        self.left.is_empty() && self.way.is_ready()
    }

    fn write(&mut self, lines: &str) {
        let lines = printable_lines(lines);
        if self.is_read() {
            self.left = self.way.push(lines.as_bytes()).to_vec();
        } else if self.left.len() + lines.len() <= MOST_LEFT {
            self.left.extend_from_slice(lines.as_bytes());
        }
    }
}

impl Way {
    fn to(file: File) -> Way {
        let Ok(metadata) = file.metadata() else {
            return Way::Nowhere;
        };
        let kind = metadata.file_type();
        if kind.is_socket() {
            return Way::Socket(file.into());
        }
        if kind.is_char_device() || kind.is_fifo() {
            let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            let opened = OpenOptions::new()
                .write(true)
                .custom_flags(flags)
                .open(path);
            if let Ok(own) = opened {
                return Way::Own(own);
            }
        }
        Way::Shared(file)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Way::Own(file) | Way::Shared(file) => Some(file.as_fd()),
            Way::Socket(socket) => Some(socket.as_fd()),
            Way::Nowhere => None,
        }
    }

    /// Whether something would be taken at once. What is closed takes everything.
    fn is_ready(&self) -> bool {
        let Some(descriptor) = self.descriptor() else {
            return true;
        };
        let mut descriptors = [PollFd::new(descriptor, PollFlags::POLLOUT)];
        !matches!(poll(&mut descriptors, PollTimeout::ZERO), Ok(0))
    }

    /// Writes what is taken at once; gives what is not.
    fn push<'a>(&self, mut bytes: &'a [u8]) -> &'a [u8] {
        while !bytes.is_empty() && self.is_ready() {
            let written = match self {
                Way::Own(file) => (&*file).write(bytes),
                Way::Socket(socket) => {
                    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                    send(socket.as_raw_fd(), bytes, flags).map_err(io::Error::from)
                }
                Way::Shared(file) => (&*file).write(&bytes[..bytes.len().min(PIPE_ROOM)]),
                Way::Nowhere => Ok(bytes.len()),
            };
            match written {
                Ok(count) if count > 0 => bytes = &bytes[count..],
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return bytes,
                // It has hung up: there is nobody to tell.
                _ => return &[],
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn to(descriptor: OwnedFd) -> Stderr {
        Stderr {
            way: Way::to(File::from(descriptor)),
            left: Vec::new(),
        }
    }

    /// Does it on a thread, as it might wait for ever.
    fn at_once<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = mpsc::channel();
        thread::spawn(move || drop(done.send(work())));
        let result = result.recv_timeout(Duration::from_secs(10));
        result.expect("it does not wait")
    }

    #[test]
    fn a_line_that_does_not_fit_is_not_waited_for_and_comes_whole_later() {
        let (pipe, to_pipe) = io::pipe().unwrap();
        let (socket, to_socket) = UnixStream::pair().unwrap();
        let ways: [(File, OwnedFd); 2] = [
            (OwnedFd::from(pipe).into(), to_pipe.into()),
            (OwnedFd::from(socket).into(), to_socket.into()),
        ];
        for (mut reader, writer) in ways {
            let line = "x".repeat(300_000) + "\n";
            let expected = line.clone();
            let (stderr, written) = at_once(move || {
                let mut stderr = to(writer);
                let mut written = 0;
                while stderr.is_read() {
                    stderr.write(&line);
                    written += 1;
                }
                assert!(!stderr.left.is_empty(), "the last one fits");
                (stderr, written)
            });
            let reading = thread::spawn(move || {
                let mut text = vec![0; written * 300_001];
                reader.read_exact(&mut text).unwrap();
                text
            });
            let flushed = at_once(move || {
                let mut stderr = stderr;
                while !stderr.is_read() {
                    thread::yield_now();
                }
                stderr
            });
            let text = reading.join().unwrap();
            assert!(text == expected.repeat(written).as_bytes());
            drop(flushed);
        }
    }

    #[test]
    fn whoever_is_gone_takes_everything() {
        let (pipe, to_pipe) = io::pipe().unwrap();
        drop(pipe);
        let mut stderr = to(to_pipe.into());
        for _ in 0..3 {
            stderr.write("to nobody\n");
            assert!(stderr.is_read());
        }
    }
}
