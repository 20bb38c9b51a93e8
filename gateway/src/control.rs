//! What commands ask of the gateway, and how it reaches the one that may write the
//! registry: the running gateway through its control socket, or, while none runs, the
//! command itself under the lock.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ipnet::IpNet;
use nix::unistd::Uid;
use serde::{Deserialize, Serialize};
use tokenvpn_common::clock::UnixTime;
use tokenvpn_common::endpoint::Endpoint;
use tokenvpn_common::invitation::{Enrolment, InvitationId};
use tokenvpn_common::io::clock;
use tokenvpn_common::io::request_socket::Framing;
use tokenvpn_common::key::{PrivateKey, PublicKey};
use tokenvpn_common::language::say;
use tokenvpn_common::name::Name;
use tokenvpn_common::status::Status;
use zeroize::Zeroizing;

use crate::config::{Config, Network};
use crate::key_file::{self, KeyFileError};
use crate::listing::{Audit, Listing};
use crate::registry::{Act, Registry};
use crate::state::{self, StateLock};
use crate::verbs::{self, Terms};
use crate::words::{self, Failure};

/// A line of JSON each way. An enrolment is the longest request.
pub(crate) const FRAMING: Framing = Framing {
    end: b"\n",
    max_request: 128 * 1024,
};

/// Longest answer that a command reads: a listing of a hundred thousand identities.
const MAX_ANSWER: u64 = 64 * 1024 * 1024;

/// How long a command waits for the lock or the socket, and how long for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(20);

/// What a command asks.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    Invite(Invite),
    /// Takes back an invitation that was not handed over.
    Withdraw(InvitationId),
    Enrol(Enrolment),
    Add(Add),
    Revoke {
        name: Name,
        key: Option<PublicKey>,
    },
    /// This name, or everyone.
    Reinstate(Option<Name>),
    Identities,
    /// What happened in this second or later; everything, if none is named.
    Audit(Option<UnixTime>),
    /// A configuration to go on with: the running gateway can read no file of its own.
    Reload(Box<Config>),
    Status,
}

impl Request {
    /// Whether only a running gateway can do it.
    fn takes_a_gateway(&self) -> bool {
        matches!(self, Request::Status | Request::Reload(_))
    }
}

/// See [`crate::cli::Invite`]; an empty list means what the configuration says.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invite {
    pub(crate) name: Name,
    pub(crate) spare: bool,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) routes: Vec<Network>,
    pub(crate) dns: Vec<IpAddr>,
    pub(crate) expires: Option<UnixTime>,
    pub(crate) endpoints: Vec<Endpoint>,
}

/// See [`crate::cli::Add`].
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Add {
    pub(crate) name: Name,
    pub(crate) public_key: PublicKey,
    /// Its base64 text.
    pub(crate) preshared_key: Option<Zeroizing<String>>,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) expires: Option<UnixTime>,
}

/// What comes back.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// The invitation's TOML.
    Invitation(Zeroizing<String>),
    /// Somebody may come in now.
    Admitted {
        name: Name,
        addresses: Vec<IpNet>,
        gateway_public_key: PublicKey,
    },
    /// So many keys may no longer.
    Revoked {
        keys: usize,
    },
    /// So many keys may again.
    Reinstated {
        keys: usize,
    },
    Identities(Listing),
    Audit(Audit),
    /// The keys of the configuration that have other values now.
    Reloaded(Vec<String>),
    Status(Status),
    Failed(Failure),
}

impl Request {
    /// Reads a request's line.
    pub(crate) fn from_line(line: &[u8]) -> Result<Request, Failure> {
        serde_json::from_slice(line).map_err(|e| words::unknown_request(&e))
    }
}

impl Answer {
    /// The answer's line.
    pub(crate) fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("invariant: an answer has a JSON form");
        line.push(b'\n');
        line
    }
}

/// Asks the running gateway, or does it here if none runs.
pub(crate) fn ask(path: &Path, request: Request) -> Result<Answer, Failure> {
    let config = Config::read(path)?;
    let socket = config.control_socket();
    let start = clock::now();
    let mut private_key = None;
    let answer = loop {
        match ask_running(&socket, &request) {
            Ok(answer) => break answer,
            Err(e) if is_absent(&e) => {}
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                return Err(words::file(&socket, &e));
            }
            Err(e) => return Err(words::no_answer(&socket, &e)),
        }
        if request.takes_a_gateway() {
            return Err(words::not_running(path));
        }
        let kept_apart = !config.private_key_file().starts_with(&config.state_dir);
        if kept_apart && private_key.is_none() {
            // Perhaps from the owner of the state as well: systemd hands it over.
            private_key = Some(read_key(&config));
        }
        state::act_as_owner(&config.state_dir)?;
        if let Some(_lock) = StateLock::take(&config.state_dir)? {
            let private_key = private_key.unwrap_or_else(|| read_key(&config));
            break answer_here(config, private_key, request)?;
        }
        // Another command holds it, or a gateway that just starts or ends.
        if clock::now().since(start) > PATIENCE {
            return Err(words::no_answer(&socket, &say().no_such_socket()));
        }
        thread::sleep(RETRY);
    };
    match answer {
        Answer::Failed(failure) => Err(failure),
        answer => Ok(answer),
    }
}

/// Takes the lock for a gateway: waits for commands that hold it, not for another gateway.
pub(crate) fn lock_for_gateway(config: &Config) -> Result<StateLock, Failure> {
    let start = clock::now();
    loop {
        if let Some(lock) = StateLock::take(&config.state_dir)? {
            return Ok(lock);
        }
        let answers = UnixStream::connect(config.control_socket()).is_ok();
        if answers || clock::now().since(start) > PATIENCE {
            return Err(words::runs_already(&config.state_dir));
        }
        thread::sleep(RETRY);
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

fn read_key(config: &Config) -> Result<PrivateKey, KeyFileError> {
    key_file::read(&config.private_key_file(), &config.state_dir)
}

fn answer_here(
    config: Config,
    private_key: Result<PrivateKey, KeyFileError>,
    request: Request,
) -> Result<Answer, Failure> {
    let mut registry = Registry::open(&config.registry_file())?;
    let terms = Terms {
        public_key: private_key.map(|key| key.public()).map_err(Failure::from),
        config: Arc::new(config),
    };
    let act = Act {
        who: format!("uid {}", Uid::current()),
        now: clock::unix_time(),
    };
    let (answer, _) = verbs::execute(&mut registry, &terms, &act, request)?;
    Ok(answer)
}

fn ask_running(socket: &Path, request: &Request) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = Zeroizing::new(serde_json::to_vec(request)?);
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Zeroizing::new(Vec::new());
    BufReader::new(stream.take(MAX_ANSWER)).read_until(b'\n', &mut answer)?;
    if answer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&answer)?)
}
