//! `tokenvpn status`: whether the tunnel is up.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use tokenvpn_common::io::clock;
use tokenvpn_common::io::screen::Screen;
use tokenvpn_common::status::Status;
use tokenvpn_common::watch::Watch;

use crate::cli;
use crate::config;
use crate::runtime::Runtime;
use crate::supervisor::ControlRequest;
use crate::words::{self, Failure, Fault, code};

/// How long a supervisor may take to answer. It answers a status within 0.2 s, and an end
/// when everything is put back.
const PATIENCE: Duration = Duration::from_secs(10);

/// The state of a tunnel that no supervisor holds.
const DOWN: &str = "down";

/// How often a status that is watched is asked for.
const PACE: Duration = Duration::from_secs(1);

/// Prints the status; gives the exit code: 0 up, 3 not.
///
/// # Errors
/// A missing permission, or a supervisor that does not answer.
pub(crate) fn run(options: cli::Status) -> Result<u8, Failure> {
    let name = config::interface(options.interface.interface, Path::new(config::PATH))?;
    let runtime = Runtime::new(&name);
    match (options.watch, options.json) {
        (false, json) => {
            let status = status(&runtime)?;
            let text = match json {
                true => line(&status),
                false => words::status(runtime.interface(), &status, clock::unix_time()),
            };
            // A closed stdout changes nothing about the answer, which is the exit code too.
            let _ = io::stdout().write_all(text.as_bytes());
            Ok(code(&status))
        }
        (true, true) => stream(&runtime),
        (true, false) => watch(&runtime),
    }
}

/// Prints an object a line until nobody reads them.
fn stream(runtime: &Runtime) -> Result<u8, Failure> {
    loop {
        let status = status(runtime)?;
        let mut out = io::stdout().lock();
        let line = line(&status);
        if out
            .write_all(line.as_bytes())
            .and_then(|()| out.flush())
            .is_err()
        {
            return Ok(code(&status));
        }
        thread::sleep(PACE);
    }
}

/// Fills the terminal until a key says that it is enough.
fn watch(runtime: &Runtime) -> Result<u8, Failure> {
    let mut screen = Screen::open().map_err(words::no_screen)?;
    let mut watch = Watch::default();
    loop {
        let status = status(runtime)?;
        watch.handle(clock::now(), &status);
        let (_, columns) = screen.size();
        let now = clock::unix_time();
        let lines = words::live_status(runtime.interface(), &status, &watch, now, columns);
        let goes_on = screen
            .show(&lines)
            .and_then(|()| screen.is_watched_for(PACE));
        // A terminal that is gone has nobody to tell.
        if !goes_on.unwrap_or(false) {
            return Ok(code(&status));
        }
    }
}

fn code(status: &Status) -> u8 {
    match status.state.as_str() {
        "up" => 0,
        _ => code::NO_TOKEN,
    }
}

fn line(status: &Status) -> String {
    let line = serde_json::to_string(status);
    line.expect("invariant: a status is valid JSON") + "\n"
}

/// The status of the supervisor, or that there is none.
fn status(runtime: &Runtime) -> Result<Status, Failure> {
    match ask(runtime, ControlRequest::Status) {
        Ok(line) => serde_json::from_str(&line).map_err(|_| Fault::Answer.into()),
        Err(e) => match e.kind() {
            // No socket, or one that its owner left when it was killed.
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(Status::new(DOWN)),
            io::ErrorKind::PermissionDenied => Err(words::may_not_ask(runtime.interface(), &e)),
            _ => Err(words::no_answer(runtime.interface())),
        },
    }
}

/// Asks the supervisor; its answer without the line's end.
pub(crate) fn ask(runtime: &Runtime, request: ControlRequest) -> io::Result<String> {
    let mut stream = UnixStream::connect(runtime.socket())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    match answer.pop() {
        Some('\n') => Ok(answer),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
