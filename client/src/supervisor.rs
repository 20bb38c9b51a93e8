//! The process without secrets: it watches the readers, starts and kills the worker,
//! makes the tunnel and takes it down, and is the only one who speaks.
//!
//! One thread does all of it in the order that [`Lifecycle`] says. What can take long
//! runs on threads that send [`News`].

mod changes;
mod control;
mod news;
pub(crate) mod process;
mod readiness;
pub(crate) mod survey;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use ipnet::IpNet;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use nix::sys::signal::Signal;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tokenvpn_common::clock::Now;
use tokenvpn_common::io::clock;
use tokenvpn_common::io::watcher::{Presence, Watcher};
use tokenvpn_common::status::{Peer, Status};

use self::changes::NetworkChanges;
pub(crate) use self::control::ControlRequest;
use self::control::{Asked, Control};
use self::news::{Messenger, News};
use self::process::WorkerProcess;
use crate::alarm::Alarm;
use crate::lifecycle::{Action, Askable, Input, Lifecycle, OnRemoval, Options};
use crate::message::{Candidate, MessageError, Order, Report, Summary};
use crate::net::fence::{Fence, FenceError};
use crate::net::inquiry::Inquiry;
use crate::net::tunnel::Tunnel;
use crate::pin;
use crate::runtime::Runtime;
use crate::terminal::{self, Terminal};
use crate::voice::Voice;
use crate::words::{self, Doing, Failure, Fault, State};

const SIGNALS: Token = Token(0);
const NEWS: Token = Token(1);
const ALARM: Token = Token(2);
const WORKER: Token = Token(3);
const CHANGES: Token = Token(4);

/// Most reports that are read before the readers are looked at again.
const REPORTS: usize = 32;

/// What `up` works with.
pub(crate) struct Supervisor {
    voice: Arc<Voice>,
    runtime: Runtime,
    lifecycle: Lifecycle,
    /// For how many seconds a worker may wait for its token.
    grace: u64,
    /// Whether a worker may use the keypad of its token's reader.
    keypad: bool,
    /// A PIN that nobody has to type, for the first token that asks for one.
    pin: Option<OwnedFd>,
    terminal: Option<Terminal>,
    /// Whether a PIN may be half typed just now, or was when the token went.
    prompting: bool,
    half_typed: bool,
    poll: Poll,
    signals: SignalFd,
    alarm: Alarm,
    news: Receiver<News>,
    messenger: Messenger,
    control: Control,
    watcher: Option<Watcher>,
    worker: Option<WorkerProcess>,
    /// Whether it may have said more than was read.
    has_reports: bool,
    /// Counts the workers, so that no late answer is taken for another's.
    workers: u64,
    tunnel: Option<Tunnel>,
    fence: Fence,
    changes: Option<NetworkChanges>,
}

impl Supervisor {
    /// Gets ready: signals, sockets, terminal. The lock of `runtime` must be held, and
    /// no thread have been started.
    ///
    /// # Errors
    /// The system refuses one of them.
    pub(crate) fn new(
        mut options: Options,
        runtime: Runtime,
        voice: Arc<Voice>,
        pin: Option<OwnedFd>,
        fence: Fence,
    ) -> io::Result<Supervisor> {
        process::adopt_orphans()?;
        // They end `up` as `down` does.
        let ending = terminal::ending_signals();
        ending.thread_block()?;
        let signals =
            SignalFd::with_flags(&ending, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        let alarm = Alarm::new()?;
        let poll = Poll::new()?;
        let register = |fd, token| {
            poll.registry()
                .register(&mut SourceFd(&fd), token, Interest::READABLE)
        };
        register(signals.as_fd().as_raw_fd(), SIGNALS)?;
        register(alarm.as_fd().as_raw_fd(), ALARM)?;
        let (messenger, news) = Messenger::new(Waker::new(poll.registry(), NEWS)?);
        let control = Control::bind(&runtime.socket(), poll.registry())?;
        let terminal = Terminal::open();
        options.askable = askable(terminal.as_ref());
        let grace = match options.on_removal {
            OnRemoval::Grace(time) => time.as_secs(),
            OnRemoval::Immediate | OnRemoval::Hold => 0,
        };
        let keypad = !options.no_keypad;
        Ok(Supervisor {
            voice,
            lifecycle: Lifecycle::new(
                options,
                runtime.interface().to_owned(),
                fence.networks(),
                clock::now(),
            ),
            runtime,
            grace,
            keypad,
            pin,
            terminal,
            prompting: false,
            half_typed: false,
            poll,
            signals,
            alarm,
            news,
            messenger,
            control,
            watcher: None,
            worker: None,
            has_reports: false,
            workers: 0,
            tunnel: None,
            fence,
            changes: None,
        })
    }

    /// Runs until the end; gives the exit code.
    ///
    /// # Errors
    /// Waiting itself fails. Worker and tunnel are gone then too.
    pub(crate) fn run(mut self) -> io::Result<u8> {
        let mut events = Events::with_capacity(64);
        let mut ready = false;
        loop {
            while let Some(action) = self.lifecycle.poll_action() {
                if let Action::Exit(code) = action {
                    self.control.answer_down();
                    return Ok(code);
                }
                if let Some(outcome) = self.perform(action) {
                    self.feed(outcome);
                }
            }
            if !std::mem::replace(&mut ready, true) {
                // What the kill switch closes is closed.
                readiness::tell();
            }
            self.set_alarm()?;
            let patience = self.has_reports.then_some(Duration::ZERO);
            match self.poll.poll(&mut events, patience) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                self.handle_ready(event.token())?;
            }
            self.handle_worker();
            self.handle_due();
        }
    }

    fn feed(&mut self, input: Input) {
        tracing::debug!(?input);
        self.lifecycle
            .handle(clock::now(), clock::unix_time(), input);
    }

    /// Does one thing; gives its outcome if that is known at once.
    fn perform(&mut self, action: Action) -> Option<Input> {
        tracing::debug!(?action);
        match action {
            Action::Say(state) => {
                self.voice.say(&state);
                None
            }
            Action::Watch => {
                // An old watch must not speak any more when the new one does.
                self.watcher = None;
                self.messenger.watch();
                None
            }
            Action::Survey => {
                self.messenger.survey();
                None
            }
            Action::Start { reader, token } => {
                let started = WorkerProcess::start(reader, token, self.grace, self.keypad)
                    .and_then(|worker| self.adopt(worker));
                started.err().map(|e| failed(Doing::StartWorker.failed(e)))
            }
            Action::Order(order) => {
                self.prompting = matches!(order, Order::AskPin { .. });
                let sent = self.worker.as_ref()?.send(&order, &[]);
                self.heard_out(sent).err().map(|_| Input::WorkerEnded)
            }
            Action::Resolve(endpoints) => {
                self.messenger
                    .resolve(self.workers, endpoints, self.inquiry());
                None
            }
            Action::Fence(networks) => {
                Some(Input::Fenced(self.enclose(&networks).map_err(State::from)))
            }
            Action::Unfence => {
                self.fence.lift();
                None
            }
            Action::Build {
                summary,
                candidates,
                closed,
            } => Some(Input::Built(self.build(&summary, candidates, &closed))),
            Action::Clear => {
                self.clear();
                Some(Input::Cleared)
            }
            Action::Exit(_) => unreachable!("invariant: run() ends with it"),
        }
    }

    /// How to look up names where what every program asks leads into the tunnel or nowhere.
    fn inquiry(&self) -> Option<Inquiry> {
        match &self.tunnel {
            Some(tunnel) => Some(tunnel.inquiry().clone()),
            None => (self.fence.stands()).then(|| Inquiry::past_fence(self.fence.mark())),
        }
    }

    /// Hands a worker that needs a PIN the one that nobody types. If there is none for its
    /// token, somebody is to be asked.
    fn hand_over_pin(&mut self, needed: Report) -> Option<Input> {
        let given = match self.pin.take() {
            Some(pin) => Ok(Some(pin)),
            None => pin::given(None),
        };
        match given {
            Ok(None) => Some(Input::Report(needed)),
            Ok(Some(pin)) => {
                let worker = self.worker.as_ref()?;
                let sent = worker.send(&Order::UsePin, &[pin.as_fd()]);
                self.heard_out(sent).err().map(|_| Input::WorkerEnded)
            }
            Err(error) => Some(failed(words::no_credential(&error))),
        }
    }

    /// Lets these networks and no others lead into a tunnel or nowhere, also if one stands.
    fn enclose(&mut self, networks: &[IpNet]) -> Result<(), FenceError> {
        self.fence.enclose(networks)?;
        match &mut self.tunnel {
            Some(tunnel) => Ok(tunnel.narrow(networks)?),
            None => Ok(()),
        }
    }

    fn adopt(&mut self, worker: WorkerProcess) -> io::Result<()> {
        self.poll.registry().register(
            &mut SourceFd(&worker.descriptor()),
            WORKER,
            Interest::READABLE,
        )?;
        self.workers += 1;
        self.worker = Some(worker);
        Ok(())
    }

    fn build(
        &mut self,
        summary: &Summary,
        candidates: Vec<Candidate>,
        closed: &[IpNet],
    ) -> Result<(), State> {
        let endpoints: BTreeSet<_> = candidates.iter().map(|c| c.address.ip()).collect();
        let interface = self.runtime.interface();
        let directory = self.runtime.directory();
        let (tunnel, ends) = Tunnel::build(interface, directory, summary, &endpoints, closed)?;
        self.tunnel = Some(tunnel);
        let uapi = self.runtime.uapi_socket();
        if let Err(error) = self.control.open_uapi(&uapi, self.poll.registry()) {
            tracing::warn!(path = %uapi.display(), reason = %error, "wg show will not work");
        }
        match NetworkChanges::follow(interface, self.poll.registry(), CHANGES) {
            Ok(changes) => self.changes = Some(changes),
            Err(error) => {
                tracing::warn!(reason = %error, "changes of the network will be noticed late");
            }
        }
        let order = Order::Carry {
            offload: ends.offload,
            candidates,
        };
        let worker = self.worker.as_ref();
        let worker = worker.expect("invariant: a tunnel is made for a worker");
        let sent = worker.send(&order, &ends.descriptors());
        self.heard_out(sent)
            .map_err(|_| Failure::from(Fault::WorkerDeaf).into())
    }

    /// What could not be sent to a worker that is gone is no error: its last words say why it is.
    fn heard_out(&mut self, sent: io::Result<()>) -> io::Result<()> {
        match sent.as_ref().map_err(io::Error::kind) {
            Err(io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
                self.has_reports = true;
                Ok(())
            }
            _ => sent,
        }
    }

    /// The worker first: when it is dead no key is left.
    fn clear(&mut self) {
        self.has_reports = false;
        if let Some(worker) = self.worker.take() {
            let _ = self
                .poll
                .registry()
                .deregister(&mut SourceFd(&worker.descriptor()));
        }
        self.restore_terminal();
        self.changes = None;
        self.control.close_uapi();
        if let Some(tunnel) = self.tunnel.take() {
            tunnel.clear();
        }
    }

    /// A worker that was killed at its prompt could not do it.
    fn restore_terminal(&mut self) {
        if self.prompting {
            self.prompting = false;
            self.half_typed = true;
            if let Some(terminal) = &self.terminal {
                terminal.take_back();
            }
        }
    }

    fn set_alarm(&mut self) -> io::Result<()> {
        let due = [
            self.lifecycle.poll_timeout(),
            self.control.poll_timeout(),
            self.changes.as_ref().and_then(NetworkChanges::poll_timeout),
        ];
        self.alarm.set(due.into_iter().flatten().min())
    }

    fn handle_ready(&mut self, token: Token) -> io::Result<()> {
        match token {
            SIGNALS => {
                while let Some(signal) = self.signals.read_signal()? {
                    if signal.ssi_signo == Signal::SIGINT as u32
                        && let Some(terminal) = &self.terminal
                    {
                        terminal.leave_interrupt();
                    }
                    self.feed(match signal.ssi_signo == terminal::RESTARTING as u32 {
                        true => Input::HandOver,
                        false => Input::End,
                    });
                }
            }
            NEWS => {
                while let Ok(news) = self.news.try_recv() {
                    self.handle_news(news);
                }
            }
            ALARM => self.alarm.rang(),
            // All else first, the readers above all: a worker could talk without end.
            WORKER => self.has_reports = true,
            CHANGES => {
                if let Some(changes) = &mut self.changes {
                    changes.handle_ready(clock::now());
                }
            }
            token => {
                let registry = self.poll.registry();
                for asked in self.control.handle_ready(clock::now(), registry, token) {
                    match asked {
                        Asked::Down => self.feed(Input::End),
                        Asked::Status => self.ask_worker(),
                    }
                }
            }
        }
        Ok(())
    }

    fn handle_news(&mut self, news: News) {
        let input = match news {
            News::Watching(Ok(watcher)) => {
                self.watcher = Some(watcher);
                return;
            }
            News::Watching(Err(error)) => Input::WatchFailed(error.into()),
            News::Presence(Presence::Inserted { reader }) => Input::Inserted { reader },
            News::Presence(Presence::Removed { reader }) => Input::Removed { reader },
            News::Presence(Presence::Lost(error)) => {
                tracing::debug!(reason = %error, "the watch of the readers broke off");
                Input::WatchLost
            }
            News::Surveyed { survey, .. } if self.messenger.is_stale(survey) => return,
            News::Surveyed { found, .. } => Input::Surveyed(found),
            News::Resolved { worker, .. } if worker != self.workers => return,
            News::Resolved {
                candidates,
                unresolved,
                ..
            } => Input::Resolved {
                candidates,
                unresolved,
            },
        };
        self.feed(input);
    }

    /// Reads some of what the worker said. Its descriptor does not become ready again for
    /// what is left.
    fn handle_worker(&mut self) {
        for _ in 0..REPORTS {
            let Some(worker) = self.worker.as_ref().filter(|_| self.has_reports) else {
                return;
            };
            match worker.receive() {
                Ok(Report::Peers(peers)) => {
                    let status = self.status(peers);
                    self.control.answer_status(&status);
                }
                Ok(report) => {
                    // It left its prompt by itself, unless the token went, or the watch of it
                    // broke off: then it was killed.
                    self.prompting &=
                        matches!(report, Report::TokenGone | Report::Failed(State::NoService));
                    let input = match report {
                        needed @ Report::PinNeeded(_) => self.hand_over_pin(needed),
                        report => Some(Input::Report(report)),
                    };
                    if let Some(input) = input {
                        self.feed(input);
                    }
                }
                Err(MessageError::Nothing) => self.has_reports = false,
                Err(error) => {
                    tracing::debug!(reason = %error, "the worker is given up");
                    self.has_reports = false;
                    self.feed(Input::WorkerEnded);
                }
            }
        }
    }

    fn ask_worker(&mut self) {
        let is_carrying = self.tunnel.is_some();
        let worker = self.worker.as_ref().filter(|_| is_carrying);
        let asked = worker.is_some_and(|worker| worker.send(&Order::ReportPeers, &[]).is_ok());
        if !asked {
            let status = self.status(Vec::new());
            self.control.answer_status(&status);
        }
    }

    fn handle_due(&mut self) {
        let now = clock::now();
        let is_due = |at: Option<Now>| at.is_some_and(|at| at <= now);
        if is_due(self.lifecycle.poll_timeout()) {
            self.feed(Input::Timeout);
        }
        if is_due(self.control.poll_timeout()) {
            let status = self.status(Vec::new());
            self.control.answer_status(&status);
        }
        if let (Some(changes), Some(worker)) = (&mut self.changes, &self.worker)
            && changes.take_settled(now)
        {
            // One that is gone says so itself.
            let _ = worker.send(&Order::NetworkChanged, &[]);
        }
    }

    /// What is known, with the counters the worker reported, if it did.
    fn status(&self, peers: Vec<Peer>) -> Status {
        let mut status = Status::new(self.lifecycle.shown().name());
        status.closed = self.lifecycle.closed().to_vec();
        status.token = self.lifecycle.token().map(|token| token.to_string());
        if let Some(tunnel) = &self.tunnel {
            status.interface = Some(self.runtime.interface().to_owned());
            status.listen_port = Some(tunnel.port());
            status.fwmark = Some(tunnel.mark());
        }
        let Some(summary) = self.lifecycle.summary() else {
            return status;
        };
        status.public_key = Some(summary.public_key);
        status.addresses = summary.addresses.clone();
        status.mtu = Some(summary.mtu);
        status.identity = Some(summary.name.to_string());
        status.expires = summary.not_after;
        let known = peers.into_iter().filter_map(|peer| {
            let mut gateways = summary.gateways.iter();
            let gateway = gateways.find(|gateway| gateway.public_key == peer.public_key)?;
            // The name is printed, so it is not the worker's to choose.
            let name = gateway.endpoints.first()?.to_string();
            Some(Peer { name, ..peer })
        });
        status.peers = known.collect();
        status
    }
}

/// Where somebody can be asked for a PIN, if this is our terminal.
pub(crate) fn askable(terminal: Option<&Terminal>) -> Askable {
    Askable {
        terminal: terminal.is_some(),
        pinentry: pin::pinentry::is_available(),
        agent: pin::agent::is_available(),
    }
}

/// The worker's part failed, if not in the worker.
fn failed(failure: Failure) -> Input {
    Input::Report(Report::Failed(failure.into()))
}

/// Nothing stays behind, whatever ended the program.
impl Drop for Supervisor {
    fn drop(&mut self) {
        self.clear();
        if self.half_typed
            && let Some(terminal) = &self.terminal
        {
            // What was typed after the token was pulled was meant for its prompt.
            terminal.restore();
        }
    }
}
