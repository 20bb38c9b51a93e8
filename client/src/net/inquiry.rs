//! Names of gateways, asked past our own tunnels and fences.
//!
//! What leads everything into a tunnel leads this computer's own look-ups there too, and they
//! end there with it: a gateway whose address has changed would never be found again. So the
//! name servers that the computer has without the tunnel are asked, with the mark of a tunnel's
//! own datagrams.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use rustix::rand::{GetRandomFlags, getrandom};
use tokenvpn_common::clock::Now;
use tokenvpn_common::endpoint::Host;
use tokenvpn_common::io::clock;

use crate::net::name_servers;
use crate::net::question::{Kind, Question};

/// What is known without a question (hosts(5)).
const HOSTS: &str = "/etc/hosts";

/// Who is asked where nobody is named (resolv.conf(5)).
const NOBODY_NAMED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53);

/// How long a server has for its answer, at first and when all others were asked too.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);
const SECOND_PATIENCE: Duration = Duration::from_secs(2);

/// Room for an answer: 512 bytes are allowed (RFC 1035 §4.2.1), and some servers send more.
const ANSWER_BYTES: usize = 4096;

/// Who is asked, and how.
#[derive(Clone, Debug)]
pub(crate) struct Inquiry {
    /// The mark of the tunnel, or of the fence.
    mark: u32,
    /// The name servers of the computer when there was no tunnel.
    before: Vec<SocketAddr>,
    /// The tunnel's addresses: what leaves from there goes through it.
    inside: Vec<IpAddr>,
    /// The tunnel's name servers.
    of_tunnel: Vec<IpAddr>,
}

impl Inquiry {
    /// Past a fence with this mark.
    pub(crate) fn past_fence(mark: u32) -> Inquiry {
        Inquiry::past_tunnel(mark, &[], &[])
    }

    /// Past a tunnel with this mark, these addresses and name servers. To be called before
    /// the name servers are set.
    pub(crate) fn past_tunnel(mark: u32, inside: &[IpAddr], of_tunnel: &[IpAddr]) -> Inquiry {
        Inquiry {
            mark,
            before: name_servers::of_computer(),
            inside: inside.to_vec(),
            of_tunnel: of_tunnel.to_vec(),
        }
    }

    /// The mark.
    pub(crate) fn mark(&self) -> u32 {
        self.mark
    }

    /// Whether a name is one of those that name servers know. The others are a matter of this
    /// computer's settings (a domain to search) or of the link (RFC 6762 §3).
    pub(crate) fn knows(name: &Host) -> bool {
        let last = name.as_str().rsplit_once('.');
        last.is_some_and(|(_, last)| last != "local")
    }

    /// The addresses of a name, none if nobody knows it or answers in time.
    pub(crate) fn addresses(&self, name: &Host, until: Now) -> Vec<IpAddr> {
        let hosts = fs::read_to_string(HOSTS).unwrap_or_default();
        let fixed = listed(&hosts, name);
        if !fixed.is_empty() {
            return fixed;
        }
        self.ask_in_turn(self.servers(name_servers::of_computer()), name, until)
    }

    /// Once more, and longer, whoever does not answer at once.
    fn ask_in_turn(&self, servers: Vec<SocketAddr>, name: &Host, until: Now) -> Vec<IpAddr> {
        let mut turns: VecDeque<_> = servers.into_iter().map(|at| (at, FIRST_PATIENCE)).collect();
        while let Some((server, patience)) = turns.pop_front() {
            match self.ask(server, name, until.min(clock::now() + patience)) {
                Ok(Some(addresses)) if !addresses.is_empty() => return addresses,
                Ok(None) if patience < SECOND_PATIENCE => {
                    turns.push_back((server, SECOND_PATIENCE));
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%server, reason = %error, "not asked"),
            }
        }
        Vec::new()
    }

    /// Those of the computer `now`. A server of the tunnel's, which systemd-resolved lists with
    /// them, is not asked out here unless it was the computer's before. Where none can be seen
    /// below what covers them, as in a container, those from before are asked.
    fn servers(&self, now: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let is_inside = |server: &SocketAddr| {
            self.of_tunnel.contains(&server.ip()) && !self.before.contains(server)
        };
        let mut servers = now;
        servers.retain(|server| !is_inside(server));
        if servers.is_empty() {
            servers.clone_from(&self.before);
        }
        if servers.is_empty() {
            servers.push(NOBODY_NAMED);
        }
        servers
    }

    /// The addresses that one server knows, of both kinds; `None` if it has told of none and not
    /// answered all that it was asked.
    fn ask(&self, server: SocketAddr, name: &Host, until: Now) -> io::Result<Option<Vec<IpAddr>>> {
        let socket = self.socket(server)?;
        let mut asked = Vec::new();
        for kind in [Kind::V4, Kind::V6] {
            let id = random()?;
            let question = Question { id, name, kind };
            socket.send(&question.to_datagram())?;
            asked.push((question, None));
        }
        let mut dropped = 0_u32;
        let mut datagram = [0; ANSWER_BYTES];
        while asked.iter().any(|(_, answer)| answer.is_none()) {
            let left = until.since(clock::now());
            if left.is_zero() {
                break;
            }
            socket.set_read_timeout(Some(left))?;
            let len = match socket.recv(&mut datagram) {
                Ok(len) => len,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                // Its time is over, or nobody listens there.
                Err(_) => break,
            };
            let mut open = asked.iter_mut().filter(|(_, answer)| answer.is_none());
            let heard = open.find_map(|(question, answer)| {
                *answer = question.handle_datagram(&datagram[..len]);
                answer.as_ref()
            });
            dropped += u32::from(heard.is_none());
        }
        if dropped > 0 {
            tracing::debug!(%server, dropped, "what answers no question");
        }
        let is_whole = asked.iter().all(|(_, answer)| answer.is_some());
        let answers = asked.into_iter().filter_map(|(_, answer)| answer);
        let addresses: Vec<_> = answers.flatten().collect();
        Ok((is_whole || !addresses.is_empty()).then_some(addresses))
    }

    /// A socket whose datagrams go past every tunnel of ours.
    fn socket(&self, server: SocketAddr) -> io::Result<UdpSocket> {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        setsockopt(&socket, sockopt::Mark, &self.mark)?;
        socket.connect(server)?;
        // What the profile allows is led into the tunnel whatever the mark, if no gateway is
        // there.
        if self.inside.contains(&socket.local_addr()?.ip()) {
            return Err(io::ErrorKind::HostUnreachable.into());
        }
        Ok(socket)
    }
}

/// What nobody can guess who sends an answer in a server's place.
fn random() -> io::Result<u16> {
    let mut bytes = [0; 2];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(u16::from_ne_bytes(bytes))
}

/// The addresses of a name in a file as hosts(5) describes it.
fn listed(hosts: &str, name: &Host) -> Vec<IpAddr> {
    let address = |line: &str| {
        let entry = line.split('#').next()?;
        let mut words = entry.split_whitespace();
        let address = words.next()?.parse().ok()?;
        let is_it = |word: &str| word.eq_ignore_ascii_case(name.as_str());
        words.any(is_it).then_some(address)
    };
    hosts.lines().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::mpsc::{Receiver, channel};
    use std::thread;

    use super::*;
    use crate::net::world;

    fn host() -> Host {
        "vpn.example.com".parse().unwrap()
    }

    fn inquiry() -> Inquiry {
        Inquiry {
            mark: 7,
            before: Vec::new(),
            inside: Vec::new(),
            of_tunnel: Vec::new(),
        }
    }

    /// Lets a test speak over the loopback device of its own world.
    fn raise_loopback() {
        let mut command = Command::new("ip");
        let done = command.args(["link", "set", "lo", "up"]).status().unwrap();
        assert!(done.success());
    }

    /// A server that answers each question with these datagrams; where it listens, and one
    /// message for each question.
    fn serve(
        answers: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
    ) -> (SocketAddr, Receiver<()>) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let (asked, questions) = channel();
        thread::spawn(move || {
            let mut datagram = [0; ANSWER_BYTES];
            while let Ok((len, from)) = socket.recv_from(&mut datagram) {
                let _ = asked.send(());
                for answer in answers(&datagram[..len]) {
                    socket.send_to(&answer, from).unwrap();
                }
            }
        });
        (address, questions)
    }

    /// 203.0.113.5 to who asks for an IPv4 address, and nothing to who asks for another.
    fn answer(question: &[u8]) -> Vec<u8> {
        let mut answer = question.to_vec();
        answer[2..4].copy_from_slice(&[0x81, 0x80]);
        if question.ends_with(&[0, 1, 0, 1]) {
            answer[7] = 1;
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 5]);
        }
        answer
    }

    #[test]
    fn who_is_silent_or_does_not_know_is_passed_over() {
        if world::is_outside("who_is_silent_or_does_not_know_is_passed_over") {
            return;
        }
        raise_loopback();
        let (silent, _) = serve(|_| Vec::new());
        let (refusing, refused) = serve(|question| {
            let mut answer = question.to_vec();
            answer[2..4].copy_from_slice(&[0x81, 0x85]);
            vec![answer]
        });
        let (truncating, _) = serve(|question| {
            let mut answer = answer(question);
            answer[2] |= 2;
            vec![answer]
        });
        let gone = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let unreachable = "192.0.2.53:53".parse().unwrap();
        let (good, _) = serve(|question| vec![answer(question)]);
        let servers = vec![unreachable, gone, silent, refusing, truncating, good];
        let until = clock::now() + Duration::from_secs(60);
        let found = inquiry().ask_in_turn(servers, &host(), until);
        assert_eq!(found, [IpAddr::from([203, 0, 113, 5])]);

        // Half an answer is none: it has no address of the other kind.
        let (slow, asked) = serve(|question| {
            let is_v6 = question.ends_with(&[0, 28, 0, 1]);
            is_v6.then(|| answer(question)).into_iter().collect()
        });
        let until = clock::now() + Duration::from_millis(1500);
        assert!(inquiry().ask_in_turn(vec![slow], &host(), until).is_empty());
        assert_eq!(asked.try_iter().count(), 4, "it is asked again");

        let begin = clock::now();
        let until = begin + Duration::from_millis(1500);
        let found = inquiry().ask_in_turn(vec![silent, refusing], &host(), until);
        assert!(found.is_empty());
        assert!(clock::now() >= until, "the silent one is asked again");
        // Both kinds, in both inquiries: who has answered is not asked once more.
        assert_eq!(refused.try_iter().count(), 4);
    }

    #[test]
    fn what_answers_no_question_is_waited_past() {
        if world::is_outside("what_answers_no_question_is_waited_past") {
            return;
        }
        raise_loopback();
        let (server, _) = serve(|question| {
            let mut guessed = answer(question);
            guessed[0] ^= 1;
            let mut of_another_name = answer(question);
            of_another_name[13] ^= 1;
            vec![
                Vec::new(),
                vec![0xff; 4096],
                guessed,
                of_another_name,
                answer(question),
            ]
        });
        let until = clock::now() + Duration::from_secs(60);
        let found = inquiry().ask_in_turn(vec![server], &host(), until);
        assert_eq!(found, [IpAddr::from([203, 0, 113, 5])]);

        let (noisy, _) = serve(|question| {
            let mut guessed = answer(question);
            guessed[0] ^= 1;
            vec![guessed; 50]
        });
        let begin = clock::now();
        let patience = Duration::from_millis(200);
        assert!(
            inquiry()
                .ask_in_turn(vec![noisy], &host(), begin + patience)
                .is_empty()
        );
        assert!(clock::now().since(begin) < 10 * patience);
    }

    #[test]
    fn nobody_is_asked_from_the_tunnels_own_address() {
        if world::is_outside("nobody_is_asked_from_the_tunnels_own_address") {
            return;
        }
        raise_loopback();
        let (server, questions) = serve(|question| vec![answer(question)]);
        let inside = Inquiry {
            inside: vec![Ipv4Addr::LOCALHOST.into()],
            ..inquiry()
        };
        let until = clock::now() + Duration::from_secs(60);
        assert!(inside.ask_in_turn(vec![server], &host(), until).is_empty());
        assert!(questions.try_recv().is_err());
    }

    #[test]
    fn the_servers_of_now_are_asked_and_the_tunnels_own_are_not() {
        let servers = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let before = servers(&["192.0.2.1:53", "9.9.9.9:53"]);
        let of_tunnel = ["9.9.9.9", "10.77.0.1"].map(|text| text.parse().unwrap());
        let past_tunnel = Inquiry {
            before: before.clone(),
            of_tunnel: of_tunnel.to_vec(),
            ..inquiry()
        };
        let now = servers(&["10.77.0.1:53", "192.0.2.2:53", "9.9.9.9:53"]);
        assert_eq!(past_tunnel.servers(now.clone()), now[1..]);
        assert_eq!(past_tunnel.servers(now[..1].to_vec()), before);
        assert_eq!(inquiry().servers(Vec::new()), [NOBODY_NAMED]);
    }

    #[test]
    fn names_of_the_link_and_short_ones_are_left_to_the_system() {
        let knows = |name: &str| Inquiry::knows(&name.parse().unwrap());
        assert!(knows("vpn.example.com") && knows("local.example"));
        assert!(!knows("gateway") && !knows("gateway.local"));
    }

    #[test]
    fn the_hosts_file_is_read_as_the_c_library_reads_it() {
        let hosts = "127.0.0.1 localhost\n# 192.0.2.1 vpn.example.com\n\
            192.0.2.2\tother VPN.example.com # vpn\n192.0.2.3 vpn.example.community\n\
            2001:db8::5 vpn.example.com\n192.0.2.4 x # vpn.example.com\nvpn.example.com\n";
        let expected = ["192.0.2.2", "2001:db8::5"].map(|text| text.parse::<IpAddr>().unwrap());
        assert_eq!(listed(hosts, &host()), expected);
    }
}
