//! The threads that move packets. Each drives one [`Device`] and owns its share of the
//! peers; what lands on the wrong one is handed over.

mod handovers;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::{Token, Waker};
use tokenvpn_common::device::{
    AddPeerError, Device, DeviceConfig, Event, PeerConfig, PeerStats, SeenInitiations, Worker,
};
use tokenvpn_common::io::datapath::{Datapath, FIRST_FREE_TOKEN};
use tokenvpn_common::io::tun::TunQueue;
use tokenvpn_common::io::udp::UdpPair;
use tokenvpn_common::io::{clock, fault};
use tokenvpn_common::key::{PrivateKey, PublicKey};
use tokenvpn_common::language::say;
use tokenvpn_common::name::Name;

use self::handovers::{Inbound, Outbound};
use crate::registry::writer::Sightings;

/// How long the workers may take to act: what is told to a command is true by then.
const PATIENCE: Duration = Duration::from_secs(1);

/// Peers that are told of in one turn: what else there is to do must not wait for all.
const TOLD_AT_ONCE: usize = 512;

const WAKE: Token = FIRST_FREE_TOKEN;

/// A peer as a worker takes it.
#[derive(Clone)]
pub(crate) struct NamedPeer {
    pub(crate) name: Name,
    pub(crate) config: PeerConfig,
    /// Those of its initiations that an earlier run answered.
    pub(crate) initiations: Option<SeenInitiations>,
}

/// The worker that owns a key, the same at each start with as many workers.
pub(crate) fn owner_of(key: &PublicKey, workers: u8) -> u8 {
    key.as_bytes()[0] % workers
}

/// Why a worker ended.
#[derive(Debug)]
pub(crate) enum End {
    /// It was asked to.
    Stopped,
    /// One after the other of its sessions failed.
    TooManyPanics,
    /// Its device or sockets are gone.
    Failed(io::Error),
}

/// Why an order has no effect yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("{}", say().worker_did_not_answer())]
    Unanswered,
    #[error(transparent)]
    Peer(#[from] AddPeerError),
}

type Done<T> = SyncSender<T>;

enum Order {
    Change {
        removed: Arc<[PublicKey]>,
        added: Arc<[NamedPeer]>,
        done: Done<Result<(), AddPeerError>>,
    },
    Report(Done<Vec<PeerStats>>),
    NetworkChanged,
    Stop,
}

/// All workers. Dropping this ends them.
pub(crate) struct Workers {
    workers: Vec<Handle>,
}

struct Handle {
    orders: Sender<Order>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

/// What the workers need from outside.
pub(crate) struct Surroundings {
    pub(crate) private_key: PrivateKey,
    pub(crate) mtu: u16,
    pub(crate) sightings: Sightings,
    /// Called by a worker that ends; with nothing if it panicked.
    pub(crate) ended: Arc<dyn Fn(Option<End>) + Send + Sync>,
}

impl Workers {
    /// Starts one worker for each pair of sockets and queue, knowing all of `peers`.
    pub(crate) fn start(
        edges: Vec<(UdpPair, TunQueue)>,
        peers: Vec<NamedPeer>,
        surroundings: &Surroundings,
    ) -> io::Result<Workers> {
        let count = u8::try_from(edges.len()).expect("invariant: there are at most 64 workers");
        let mut datapaths = Vec::new();
        let mut neighbours = Vec::new();
        let mut wakers = Vec::new();
        let mut receivers = Vec::new();
        for (index, (udp, tun)) in (0..).zip(edges) {
            let config = DeviceConfig {
                private_key: surroundings.private_key.clone(),
                mtu: surroundings.mtu,
                worker: Worker { index, count },
            };
            let mut datapath = Datapath::new(Device::new(config, clock::now()), udp, tun)?;
            datapath.set_pin_source(true);
            let waker = Arc::new(Waker::new(datapath.registry(), WAKE)?);
            let (outbound, inbound) = handovers::queue(waker.clone());
            neighbours.push(outbound);
            wakers.push(waker);
            datapaths.push(datapath);
            receivers.push(inbound);
        }
        let mut workers = Workers {
            workers: Vec::new(),
        };
        let loops = datapaths.into_iter().zip(receivers);
        // The last one gets the list itself: a copy of it may be large.
        let lists = std::iter::repeat_n(peers, loops.len());
        for (index, ((datapath, handovers), peers)) in loops.zip(lists).enumerate() {
            let (orders, received) = mpsc::channel();
            let mut worker = Loop {
                datapath,
                orders: received,
                handovers,
                neighbours: neighbours.clone(),
                waker: wakers[index].clone(),
                names: HashMap::new(),
                reports: Vec::new(),
                sightings: surroundings.sightings.clone(),
            };
            let ended = surroundings.ended.clone();
            let thread = thread::Builder::new()
                .name(format!("worker {index}"))
                .spawn(move || {
                    ended(fault::caught(|| worker.run(peers)));
                })?;
            workers.workers.push(Handle {
                orders,
                waker: wakers[index].clone(),
                thread: Some(thread),
            });
        }
        Ok(workers)
    }

    pub(crate) fn count(&self) -> u8 {
        u8::try_from(self.workers.len()).expect("invariant: there are at most 64 workers")
    }

    /// Removes keys, then lets in peers; returns when every worker has done so.
    pub(crate) fn change(
        &self,
        removed: Vec<PublicKey>,
        added: Vec<NamedPeer>,
    ) -> Result<(), OrderError> {
        let removed: Arc<[_]> = removed.into();
        let added: Arc<[_]> = added.into();
        let results = self.order_all(|done| Order::Change {
            removed: removed.clone(),
            added: added.clone(),
            done,
        })?;
        Ok(results.into_iter().collect::<Result<(), _>>()?)
    }

    /// What the workers know of their peers.
    pub(crate) fn report(&self) -> Result<Vec<PeerStats>, OrderError> {
        Ok(self.order_all(Order::Report)?.concat())
    }

    /// Tells that this machine's addresses changed.
    pub(crate) fn network_changed(&self) {
        for worker in &self.workers {
            worker.order(Order::NetworkChanged);
        }
    }

    fn order_all<T>(&self, order: impl Fn(Done<T>) -> Order) -> Result<Vec<T>, OrderError> {
        let (done, results) = mpsc::sync_channel(self.workers.len());
        for worker in &self.workers {
            worker.order(order(done.clone()));
        }
        drop(done);
        let due = clock::now() + PATIENCE;
        let one = |_: &Handle| {
            let left = due.since(clock::now());
            results
                .recv_timeout(left)
                .map_err(|_| OrderError::Unanswered)
        };
        self.workers.iter().map(one).collect()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &self.workers {
            worker.order(Order::Stop);
        }
        for worker in &mut self.workers {
            if let Some(thread) = worker.thread.take() {
                let _ = thread.join();
            }
        }
    }
}

impl Handle {
    /// Gives an order. A worker that has ended has said so; its order is lost.
    fn order(&self, order: Order) {
        let _ = self.orders.send(order);
        let _ = self.waker.wake();
    }
}

/// What a worker tells of its peers, in several turns.
struct Report {
    left: Vec<PublicKey>,
    told: Vec<PeerStats>,
    done: Done<Vec<PeerStats>>,
}

/// One worker's thread.
struct Loop {
    datapath: Datapath,
    orders: Receiver<Order>,
    handovers: Inbound,
    neighbours: Vec<Outbound>,
    waker: Arc<Waker>,
    /// Of all peers, for the log.
    names: HashMap<PublicKey, Name>,
    /// What was asked for and is not complete.
    reports: Vec<Report>,
    sightings: Sightings,
}

impl Loop {
    fn run(&mut self, peers: Vec<NamedPeer>) -> End {
        if let Err(error) = self.admit(peers) {
            return End::Failed(io::Error::other(error));
        }
        self.datapath.device_mut().greet(clock::now());
        let mut foreign = Vec::new();
        loop {
            if let Some(end) = self.settle() {
                return end;
            }
            if let Err(error) = self.datapath.turn(&mut foreign) {
                return End::Failed(error);
            }
            if !foreign.is_empty() {
                if let Some(end) = self.obey() {
                    return end;
                }
                self.take_handovers();
                self.tell();
            }
        }
    }

    /// Hands out what the device has for others than its peers.
    fn settle(&mut self) -> Option<End> {
        self.datapath.flush();
        let device = self.datapath.device_mut();
        while let Some((worker, handover)) = device.poll_handover() {
            self.neighbours[usize::from(worker)].send(handover);
        }
        self.take_events()
    }

    fn take_events(&mut self) -> Option<End> {
        let device = self.datapath.device_mut();
        while let Some(event) = device.poll_event() {
            match event {
                Event::SessionUp { peer } => {
                    tracing::info!(peer = name(&self.names, &peer), "connected");
                }
                Event::SessionLost { peer } => {
                    tracing::info!(peer = name(&self.names, &peer), "session ended");
                }
                Event::EndpointMoved { peer, endpoint } => {
                    tracing::debug!(peer = name(&self.names, &peer), %endpoint, "moved");
                    self.sightings.note(peer, endpoint);
                }
                Event::InitiationAnswered { peer } => {
                    if let Some(seen) = device.seen_initiations(&peer) {
                        self.sightings.note_initiations(peer, seen.clone());
                    }
                }
                Event::TooManyPanics => return Some(End::TooManyPanics),
            }
        }
        None
    }

    fn obey(&mut self) -> Option<End> {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Change {
                    removed,
                    added,
                    done,
                } => {
                    let mut added = added.to_vec();
                    for peer in &mut added {
                        self.recall(peer);
                    }
                    for key in &removed[..] {
                        self.datapath.device_mut().remove_peer(key);
                    }
                    // While their names are known.
                    if let Some(end) = self.take_events() {
                        return Some(end);
                    }
                    for key in &removed[..] {
                        self.names.remove(key);
                    }
                    let _ = done.send(self.admit(added));
                }
                Order::Report(done) => self.reports.push(Report {
                    left: self.names.keys().copied().collect(),
                    told: Vec::new(),
                    done,
                }),
                Order::NetworkChanged => {
                    let device = self.datapath.device_mut();
                    device.handle_network_change(clock::now());
                }
                Order::Stop => return Some(End::Stopped),
            }
        }
        None
    }

    /// Keeps what is known of a peer that is there already and comes in another form: a
    /// renewed key's recorded initiations are as old as before.
    fn recall(&self, peer: &mut NamedPeer) {
        let (device, key) = (self.datapath.device(), &peer.config.public_key);
        if let Some(known) = device.peer(key) {
            peer.config.endpoint = known.endpoint;
            let seen = device.seen_initiations(key).cloned();
            peer.initiations = seen.or(peer.initiations.take());
        }
    }

    /// Tells of some of the peers where that was asked for.
    fn tell(&mut self) {
        let device = self.datapath.device();
        self.reports.retain_mut(|report| {
            let rest = report.left.len().saturating_sub(TOLD_AT_ONCE);
            let keys = report.left.drain(rest..);
            report.told.extend(keys.filter_map(|key| device.peer(&key)));
            if rest == 0 {
                let _ = report.done.send(std::mem::take(&mut report.told));
            }
            rest > 0
        });
        if !self.reports.is_empty() {
            let _ = self.waker.wake();
        }
    }

    /// Takes a bounded round of what others received for us, as from a socket.
    fn take_handovers(&mut self) {
        for handover in self.handovers.round() {
            let device = self.datapath.device_mut();
            device.handle_handover(clock::now(), handover);
            self.datapath.flush();
        }
    }

    fn admit(&mut self, peers: Vec<NamedPeer>) -> Result<(), AddPeerError> {
        let now = clock::now();
        let device = self.datapath.device_mut();
        device.reserve(peers.len());
        self.names.reserve(peers.len());
        for peer in peers {
            let key = peer.config.public_key;
            device.add_peer(now, peer.config)?;
            if let Some(seen) = peer.initiations {
                device.restore_initiations(&key, seen);
            }
            self.names.insert(key, peer.name);
        }
        Ok(())
    }
}

fn name<'a>(names: &'a HashMap<PublicKey, Name>, key: &PublicKey) -> &'a str {
    names.get(key).map_or("", Name::as_str)
}
