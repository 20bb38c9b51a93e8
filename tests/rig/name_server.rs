//! A name server inside a host.

use std::{
    net::{Ipv4Addr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::host::Host;

/// Says of every name that it has one address, until it is dropped, and notes who is asked for.
#[derive(Debug)]
pub struct NameServer {
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl NameServer {
    /// Answers on port 53 of this address of the host's.
    ///
    /// # Panics
    /// If that cannot be had.
    #[track_caller]
    pub fn serve(host: &Host, address: Ipv4Addr, answer: Ipv4Addr) -> NameServer {
        let socket = host.within(|| UdpSocket::bind((address, 53)));
        let socket = socket.expect("an address of the host's");
        let timeout = socket.set_read_timeout(Some(Duration::from_millis(20)));
        timeout.expect("a socket");
        let (asked, stop) = (Arc::<Mutex<Vec<_>>>::default(), Arc::default());
        let (noted, stopped) = (Arc::clone(&asked), Arc::<AtomicBool>::clone(&stop));
        let thread = thread::spawn(move || {
            let mut room = [0; 512];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((len, from)) = socket.recv_from(&mut room) else {
                    continue;
                };
                if let Some((name, response)) = respond(&room[..len], answer) {
                    let mut noted = noted.lock().expect("invariant: no holder panics");
                    noted.push(name);
                    // Whoever asked no longer waits for it, perhaps.
                    let _ = socket.send_to(&response, from);
                }
            }
        });
        NameServer {
            asked,
            stop,
            thread: Some(thread),
        }
    }

    /// Whether it was asked for this name.
    pub fn was_asked(&self, name: &str) -> bool {
        let asked = self.asked.lock().expect("invariant: no holder panics");
        asked.iter().any(|asked| asked == name)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The name in a question, and the response to it (RFC 1035 §4.1): the address if one of IPv4 was
/// asked for, otherwise nothing.
fn respond(query: &[u8], address: Ipv4Addr) -> Option<(String, Vec<u8>)> {
    const HEADER: usize = 12;
    const ADDRESS_OF_IPV4: [u8; 2] = [0, 1];
    let (mut at, mut labels) = (HEADER, Vec::new());
    loop {
        let len = usize::from(*query.get(at)?);
        at += 1;
        if len == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + len)?).into_owned());
        at += len;
    }
    let question = query.get(HEADER..at + 4)?;
    let answers = u8::from(query.get(at..at + 2)? == ADDRESS_OF_IPV4);
    let mut response = query.get(..2)?.to_vec();
    // A response, authoritative, recursion asked for and given; one question, so many answers.
    response.extend([0x85, 0x80, 0, 1, 0, answers, 0, 0, 0, 0]);
    response.extend(question);
    if answers == 1 {
        // The name as in the question, its address in the internet, valid for no time, 4 bytes.
        response.extend([0xC0, HEADER as u8, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        response.extend(address.octets());
    }
    Some((labels.join("."), response))
}
