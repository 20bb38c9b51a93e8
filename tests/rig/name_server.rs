//! A small name server inside a host.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::host::Host;

/// Knows IPv4 addresses of names, and answers from them until it is dropped. That a name that it
/// knows has no address of another kind it says too; of others it says that they do not exist.
#[derive(Debug)]
pub struct NameServer {
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
    answerer: Option<thread::JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    addresses: Mutex<BTreeMap<String, Ipv4Addr>>,
    asked: Mutex<Vec<String>>,
}

impl NameServer {
    /// Starts to answer on this address of the host.
    ///
    /// # Panics
    /// If the address cannot be had.
    #[track_caller]
    pub fn serve(host: &Host, address: IpAddr) -> NameServer {
        const PORT: u16 = 53;
        let socket = match host.within(|| UdpSocket::bind((address, PORT))) {
            Ok(socket) => socket,
            Err(error) => panic!("cannot serve on {address} of {}: {error}", host.name()),
        };
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a time that is not zero");
        let (shared, stop) = (Arc::<Shared>::default(), Arc::new(AtomicBool::new(false)));
        let (known, stopped) = (Arc::clone(&shared), Arc::clone(&stop));
        let answerer = thread::spawn(move || {
            let mut datagram = [0; 512];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((len, from)) = socket.recv_from(&mut datagram) else {
                    continue;
                };
                if let Some(answer) = known.answer(&datagram[..len]) {
                    // Whoever asked may be out of reach by now.
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        NameServer {
            shared,
            stop,
            answerer: Some(answerer),
        }
    }

    /// Lets a name lead to this address from now on.
    pub fn set(&self, name: &str, address: Ipv4Addr) {
        let mut addresses = self
            .shared
            .addresses
            .lock()
            .expect("invariant: no holder panics");
        addresses.insert(name.to_owned(), address);
    }

    /// The names it was asked for, in their order.
    pub fn asked(&self) -> Vec<String> {
        let asked = self.shared.asked.lock();
        asked.expect("invariant: no holder panics").clone()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(answerer) = self.answerer.take() {
            let _ = answerer.join();
        }
    }
}

impl Shared {
    /// By RFC 1035 §4.1, and by hand: it shall not share a mistake with who asks.
    fn answer(&self, datagram: &[u8]) -> Option<Vec<u8>> {
        const HEADER: usize = 12;
        let mut name = String::new();
        let mut at = HEADER;
        loop {
            let len = usize::from(*datagram.get(at)?);
            at += 1;
            if len == 0 {
                break;
            }
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(std::str::from_utf8(datagram.get(at..at + len)?).ok()?);
            at += len;
        }
        let kind_and_class = datagram.get(at..at + 4)?;
        let mut asked = self.asked.lock().expect("invariant: no holder panics");
        asked.push(name.clone());
        let addresses = self.addresses.lock().expect("invariant: no holder panics");
        let address = addresses.get(&name);
        let found = address.filter(|_| kind_and_class == [0, 1, 0, 1]);

        // Identifier, "recursion available" or "no such name", and one question, as it came.
        let mut answer = datagram[..2].to_vec();
        answer.extend([0x81, if address.is_some() { 0x80 } else { 0x83 }]);
        answer.extend([0, 1, 0, u8::from(found.is_some()), 0, 0, 0, 0]);
        answer.extend(&datagram[HEADER..at + 4]);
        if let Some(address) = found {
            // The name from the question, an address of the internet, for no time at all.
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
            answer.extend(address.octets());
        }
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    #[test]
    fn the_c_library_takes_its_answers() {
        let world = World::new();
        let host = world.host("a");
        let server = NameServer::serve(&host, [127, 0, 0, 1].into());
        server.set("vpn.example.com", [203, 0, 113, 5].into());
        let look_up = |name: &str| host.run("getent").args(["ahosts", name]).finish();
        let found = look_up("vpn.example.com").expect_code(0).stdout;
        assert!(found.contains("203.0.113.5"), "{found}");
        look_up("other.example.com").expect_code(2);
        let asked = server.asked();
        for name in ["vpn.example.com", "other.example.com"] {
            assert!(asked.iter().any(|asked| asked == name), "{asked:?}");
        }
    }
}
