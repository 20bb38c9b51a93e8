//! Unix sockets where a program on this computer asks one thing and is answered:
//! the control sockets of both programs, and WireGuard's UAPI.
//!
//! For the owner of a mio loop: [`RequestSocket`] turns readiness into whole requests
//! and answers into writes, so that a program that connects and falls silent, or
//! never reads its answer, holds up nobody.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _};
use std::path::{Path, PathBuf};

use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, getsockopt, listen, socket,
    sockopt::PeerCredentials,
};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Uid, geteuid};
use zeroize::Zeroizing;

/// Connections open at a time; one more ends the oldest.
const MAX_OPEN: usize = 32;

/// What a request looks like on a socket.
#[derive(Clone, Copy, Debug)]
pub struct Framing {
    /// The bytes that end a request and are part of it.
    pub end: &'static [u8],
    /// Longest request in bytes; a longer one ends the connection unanswered.
    pub max_request: usize,
}

/// A whole request, to be answered with [`RequestSocket::answer`].
pub struct Request {
    /// Which connection asks.
    pub from: Token,
    /// Who asks.
    pub uid: Uid,
    /// The request with its end.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// A listening socket and its connections, for root and the user it runs as only.
pub struct RequestSocket {
    path: PathBuf,
    listener: UnixListener,
    framing: Framing,
    tokens: Range<usize>,
    next: usize,
    open: BTreeMap<usize, Connection>,
}

impl RequestSocket {
    /// Listens on `path` (mode 0600), making its directory (mode 0755) where there is none.
    ///
    /// A socket at which nobody listens is replaced.
    /// All of `tokens` belong to this socket from now on.
    ///
    /// # Errors
    /// What the system says; see [`remove_stale`] for what else can be at `path`.
    pub fn bind(
        path: &Path,
        framing: Framing,
        registry: &Registry,
        tokens: Range<usize>,
    ) -> io::Result<RequestSocket> {
        if let Some(directory) = path.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(directory)?;
        }
        remove_stale(path)?;
        let mut listener = listen_privately(path)?;
        registry.register(&mut listener, Token(tokens.start), Interest::READABLE)?;
        Ok(RequestSocket {
            path: path.to_owned(),
            listener,
            framing,
            next: tokens.start + 1,
            tokens,
            open: BTreeMap::new(),
        })
    }

    /// Whether an event with this token is for [`RequestSocket::handle_ready`].
    pub fn owns(&self, token: Token) -> bool {
        self.tokens.contains(&token.0)
    }

    /// Goes on where `token` says that it can; gives back the requests that became whole.
    pub fn handle_ready(&mut self, registry: &Registry, token: Token) -> Vec<Request> {
        if token.0 != self.tokens.start {
            return self.advance(token.0).into_iter().collect();
        }
        let mut requests = Vec::new();
        // A failed accept concerns that one connection; the next event tries again.
        while let Ok((mut stream, _)) = self.listener.accept() {
            let Ok(credentials) = getsockopt(&stream.as_fd(), PeerCredentials) else {
                continue;
            };
            let uid = Uid::from_raw(credentials.uid());
            if !uid.is_root() && uid != geteuid() {
                continue;
            }
            let token = self.next;
            self.next += 1;
            if self.next == self.tokens.end {
                self.next = self.tokens.start + 1;
            }
            let interest = Interest::READABLE | Interest::WRITABLE;
            if registry
                .register(&mut stream, Token(token), interest)
                .is_err()
            {
                continue;
            }
            if self.open.len() == MAX_OPEN {
                self.open.pop_first();
            }
            self.open.insert(token, Connection::new(stream, uid));
            requests.extend(self.advance(token));
        }
        requests
    }

    /// Answers a request and ends its connection when the answer is written.
    /// Does nothing if the one who asked is gone.
    pub fn answer(&mut self, to: Token, answer: Vec<u8>) {
        let Some(connection) = self.open.get_mut(&to.0) else {
            return;
        };
        connection.answer = Some(Zeroizing::new(answer));
        self.advance(to.0);
    }

    fn advance(&mut self, token: usize) -> Option<Request> {
        let connection = self.open.get_mut(&token)?;
        match connection.advance(self.framing) {
            Progress::Pending => None,
            Progress::Ended => {
                self.open.remove(&token);
                None
            }
            Progress::Request(bytes) => Some(Request {
                from: Token(token),
                uid: connection.uid,
                bytes,
            }),
        }
    }
}

/// Removes the socket's file.
impl Drop for RequestSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

struct Connection {
    stream: UnixStream,
    uid: Uid,
    request: Zeroizing<Vec<u8>>,
    asked: bool,
    answer: Option<Zeroizing<Vec<u8>>>,
    written: usize,
}

enum Progress {
    Pending,
    Request(Zeroizing<Vec<u8>>),
    Ended,
}

impl Connection {
    fn new(stream: UnixStream, uid: Uid) -> Connection {
        Connection {
            stream,
            uid,
            request: Zeroizing::new(Vec::new()),
            asked: false,
            answer: None,
            written: 0,
        }
    }

    fn advance(&mut self, framing: Framing) -> Progress {
        if let Some(answer) = &self.answer {
            while self.written < answer.len() {
                match self.stream.write(&answer[self.written..]) {
                    Ok(bytes) => self.written += bytes,
                    Err(e) => return pending_or_ended(&e),
                }
            }
            return Progress::Ended;
        }
        if self.asked {
            return Progress::Pending;
        }
        let mut room = Zeroizing::new([0; 4096]);
        loop {
            match self.stream.read(&mut room[..]) {
                Ok(0) => return Progress::Ended,
                Ok(bytes) => self.request.extend_from_slice(&room[..bytes]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return pending_or_ended(&e),
            }
            if self.request.len() > framing.max_request {
                return Progress::Ended;
            }
            if self.request.ends_with(framing.end) {
                self.asked = true;
                return Progress::Request(std::mem::take(&mut self.request));
            }
        }
    }
}

/// A socket whose file nobody else may use from its first moment: the kernel takes the mode of
/// the file from the socket (`unix_bind_bsd` of af_unix.c). To change it afterwards, by its
/// name, would change whatever had taken the name until then.
fn listen_privately(path: &Path) -> io::Result<UnixListener> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let made = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    fchmod(&made, Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(made.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&made, Backlog::MAXCONN)?;
    Ok(UnixListener::from_std(made.into()))
}

/// Removes the socket at `path` if nobody listens at it; gives whether there was one.
///
/// # Errors
/// `AddrInUse` if somebody may listen, `AlreadyExists` if it is something else than a
/// socket, or what the system says.
pub fn remove_stale(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    }
    // Never waits: mio's sockets do not, even if whoever listens has stopped answering.
    match UnixStream::connect(path) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map(|()| true)
        }
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

fn pending_or_ended(error: &io::Error) -> Progress {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Progress::Pending,
        _ => Progress::Ended,
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufRead as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixStream as Blocking;
    use std::thread;
    use std::time::Duration;

    use super::*;

    const LINE: Framing = Framing {
        end: b"\n",
        max_request: 64,
    };

    /// Answers `count` requests with the request itself, in capitals and `times` over.
    fn serve(directory: &Path, count: usize, times: usize) -> thread::JoinHandle<()> {
        let mut poll = mio::Poll::new().unwrap();
        let path = directory.join("here").join("s.sock");
        let mut socket = RequestSocket::bind(&path, LINE, poll.registry(), 5..40).unwrap();
        thread::spawn(move || {
            let mut events = mio::Events::with_capacity(8);
            let mut answered = 0;
            while answered < count || !socket.open.is_empty() {
                poll.poll(&mut events, Some(Duration::from_secs(5)))
                    .unwrap();
                assert!(!events.is_empty(), "nobody asks any more");
                for event in &events {
                    assert!(socket.owns(event.token()));
                    for request in socket.handle_ready(poll.registry(), event.token()) {
                        let text = request.bytes.to_ascii_uppercase().repeat(times);
                        socket.answer(request.from, text);
                        answered += 1;
                    }
                }
            }
        })
    }

    fn ask(directory: &Path, request: &str) -> String {
        let mut stream = Blocking::connect(directory.join("here/s.sock")).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn a_silent_program_holds_up_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let server = serve(directory.path(), 2, 1);
        let silent: Vec<_> = (0..40)
            .map(|_| Blocking::connect(directory.path().join("here/s.sock")).unwrap())
            .collect();
        assert_eq!(ask(directory.path(), "status\n"), "STATUS\n");
        drop(silent);
        assert_eq!(ask(directory.path(), "again\n"), "AGAIN\n");
        server.join().unwrap();
        assert!(!directory.path().join("here/s.sock").exists());
    }

    #[test]
    fn an_answer_longer_than_the_kernel_buffers_arrives_whole() {
        let directory = tempfile::tempdir().unwrap();
        let server = serve(directory.path(), 1, 200_000);
        let mut stream = Blocking::connect(directory.path().join("here/s.sock")).unwrap();
        stream.write_all(b"ab").unwrap();
        stream.write_all(b"cd\n").unwrap();
        let lines: Vec<_> = io::BufReader::new(stream).lines().collect();
        assert_eq!(lines.len(), 200_000);
        assert!(lines.into_iter().all(|line| line.unwrap() == "ABCD"));
        server.join().unwrap();
    }

    #[test]
    fn a_request_without_end_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let server = serve(directory.path(), 1, 1);
        assert_eq!(ask(directory.path(), &"x".repeat(65)), "");
        assert_eq!(ask(directory.path(), "ok\n"), "OK\n");
        server.join().unwrap();
    }

    #[test]
    fn its_file_is_for_its_user_alone() {
        let directory = tempfile::tempdir().unwrap();
        let poll = mio::Poll::new().unwrap();
        let path = directory.path().join("s.sock");
        let _socket = RequestSocket::bind(&path, LINE, poll.registry(), 1..9).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn only_a_dead_socket_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let poll = mio::Poll::new().unwrap();
        let path = directory.path().join("s.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(RequestSocket::bind(&path, LINE, poll.registry(), 1..9).unwrap());
        fs::write(&path, "mine").unwrap();
        let refused = RequestSocket::bind(&path, LINE, poll.registry(), 1..9);
        assert_eq!(
            refused.err().map(|e| e.kind()),
            Some(io::ErrorKind::AlreadyExists)
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}
