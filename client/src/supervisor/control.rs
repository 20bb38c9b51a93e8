//! The sockets on which `tokenvpn status`, `tokenvpn down` and `wg show` ask.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use mio::{Registry, Token};
use serde::{Deserialize, Serialize};
use tokenvpn_common::clock::Now;
use tokenvpn_common::io::request_socket::{Framing, RequestSocket};
use tokenvpn_common::status::Status;
use tokenvpn_common::uapi;

/// How long the worker may take to say how it is.
const WORKER_LIMIT: Duration = Duration::from_millis(200);

/// Tokens for the two sockets and their connections.
const CONTROL_TOKENS: Range<usize> = 1000..2000;
const UAPI_TOKENS: Range<usize> = 2000..3000;

const LINE: Framing = Framing {
    end: b"\n",
    max_request: 256,
};

const UAPI: Framing = Framing {
    end: uapi::END,
    max_request: uapi::MAX_REQUEST,
};

/// What `tokenvpn status` and `tokenvpn down` ask: one line of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "request", deny_unknown_fields)]
pub(crate) enum ControlRequest {
    /// A [`Status`] in one line of JSON.
    Status,
    /// An end; answered with an empty line when everything is put back.
    Down,
}

/// What a request means for the supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// [`Control::answer_status`] is awaited.
    Status,
    /// The end is.
    Down,
}

/// Both sockets, and who waits for an answer.
pub(crate) struct Control {
    socket: RequestSocket,
    /// There while the tunnel's device is.
    uapi: Option<RequestSocket>,
    waiting: Vec<Waiting>,
    leaving: Vec<Token>,
}

struct Waiting {
    from: Token,
    is_uapi: bool,
    until: Now,
}

impl Control {
    /// Listens on the control socket.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn bind(path: &Path, registry: &Registry) -> io::Result<Control> {
        Ok(Control {
            socket: RequestSocket::bind(path, LINE, registry, CONTROL_TOKENS)?,
            uapi: None,
            waiting: Vec::new(),
            leaving: Vec::new(),
        })
    }

    /// Listens on WireGuard's UAPI socket too.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn open_uapi(&mut self, path: &Path, registry: &Registry) -> io::Result<()> {
        self.uapi = Some(RequestSocket::bind(path, UAPI, registry, UAPI_TOKENS)?);
        Ok(())
    }

    /// Ends UAPI: the device goes.
    pub(crate) fn close_uapi(&mut self) {
        self.uapi = None;
        self.waiting.retain(|waiting| !waiting.is_uapi);
    }

    /// Reads what came on `token`; gives what was asked. Nonsense is answered here.
    pub(crate) fn handle_ready(
        &mut self,
        now: Now,
        registry: &Registry,
        token: Token,
    ) -> Vec<Asked> {
        let until = now + WORKER_LIMIT;
        let mut asked = Vec::new();
        if self.socket.owns(token) {
            for request in self.socket.handle_ready(registry, token) {
                let from = request.from;
                match serde_json::from_slice(&request.bytes) {
                    Ok(ControlRequest::Status) => {
                        self.waiting.push(Waiting {
                            from,
                            is_uapi: false,
                            until,
                        });
                        asked.push(Asked::Status);
                    }
                    Ok(ControlRequest::Down) => {
                        self.leaving.push(from);
                        asked.push(Asked::Down);
                    }
                    Err(_) => self.socket.answer(from, Vec::new()),
                }
            }
        } else if let Some(socket) = &mut self.uapi {
            for request in socket.handle_ready(registry, token) {
                let from = request.from;
                match uapi::parse(&request.bytes) {
                    uapi::Request::Get => {
                        self.waiting.push(Waiting {
                            from,
                            is_uapi: true,
                            until,
                        });
                        asked.push(Asked::Status);
                    }
                    other => socket.answer(from, uapi::refusal(other).into_bytes()),
                }
            }
        }
        asked
    }

    /// When those who wait must be answered, with whatever is known.
    pub(crate) fn poll_timeout(&self) -> Option<Now> {
        self.waiting.iter().map(|waiting| waiting.until).min()
    }

    /// Answers everybody who waits for a status.
    pub(crate) fn answer_status(&mut self, status: &Status) {
        for waiting in self.waiting.drain(..) {
            if waiting.is_uapi {
                if let Some(socket) = &mut self.uapi {
                    socket.answer(waiting.from, uapi::describe(status).into_bytes());
                }
            } else {
                let mut line =
                    serde_json::to_vec(status).expect("invariant: a status is valid JSON");
                line.push(b'\n');
                self.socket.answer(waiting.from, line);
            }
        }
    }

    /// Answers everybody who asked for the end, which has come.
    pub(crate) fn answer_down(&mut self) {
        for from in self.leaving.drain(..) {
            self.socket.answer(from, b"\n".to_vec());
        }
    }
}
