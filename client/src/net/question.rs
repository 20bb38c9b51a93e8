//! A question to a name server, and what counts as its answer (RFC 1035 §4).
//!
//! Pure: bytes in, bytes out. Whatever does not answer the question is none of its business.

use std::net::IpAddr;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, TYPE, header_buffer};
use tokenvpn_common::endpoint::Host;

/// Most aliases that are followed from the name to its addresses.
const MAX_ALIASES: usize = 8;

/// The header, and the shortest question and record: those of the root (RFC 1035 §4.1).
const HEADER_BYTES: usize = 12;
const LEAST_QUESTION_BYTES: usize = 5;
const LEAST_RECORD_BYTES: usize = 11;

/// Which addresses are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A records.
    V4,
    /// AAAA records (RFC 3596).
    V6,
}

impl Kind {
    fn type_asked(self) -> QTYPE {
        match self {
            Kind::V4 => TYPE::A.into(),
            Kind::V6 => TYPE::AAAA.into(),
        }
    }
}

/// What is asked, once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// Nobody who does not see the question can know it.
    pub(crate) id: u16,
    pub(crate) name: &'a Host,
    pub(crate) kind: Kind,
}

impl Question<'_> {
    /// The datagram to send.
    pub(crate) fn to_datagram(self) -> Vec<u8> {
        let mut packet = Packet::new_query(self.id);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        packet.questions.push(simple_dns::Question::new(
            self.domain(),
            self.kind.type_asked(),
            CLASS::IN.into(),
            false,
        ));
        let built = packet.build_bytes_vec();
        built.expect("invariant: a vector takes all that is written")
    }

    /// The addresses in the answer to this question; none if the server knows of none, did not
    /// find out, or has more to say than a datagram holds. `None` if it is no such answer.
    pub(crate) fn handle_datagram(self, datagram: &[u8]) -> Option<Vec<IpAddr>> {
        if !has_room_for_what_it_counts(datagram) {
            return None;
        }
        let packet = Packet::parse(datagram).ok()?;
        let is_reply = packet.has_flags(PacketFlag::RESPONSE)
            && packet.opcode() == OPCODE::StandardQuery
            && packet.id() == self.id;
        if !is_reply || !self.is_repeated_in(&packet) {
            return None;
        }
        let is_whole = !packet.has_flags(PacketFlag::TRUNCATION);
        Some(match is_whole {
            true => self.addresses(&packet),
            false => Vec::new(),
        })
    }

    fn is_repeated_in(self, packet: &Packet<'_>) -> bool {
        matches!(&packet.questions[..], [asked] if asked.qname == self.domain()
            && asked.qtype == self.kind.type_asked()
            && asked.qclass == QCLASS::CLASS(CLASS::IN))
    }

    /// Those of the name, or of the one that it is an alias of.
    fn addresses(self, packet: &Packet<'_>) -> Vec<IpAddr> {
        let mut name = &self.domain();
        for _ in 0..=MAX_ALIASES {
            let answers = packet.answers.iter();
            let named = answers.filter(|record| record.class == CLASS::IN && record.name == *name);
            let addresses: Vec<IpAddr> = named
                .clone()
                .filter_map(|record| match (self.kind, &record.rdata) {
                    (Kind::V4, RData::A(record)) => Some(IpAddr::V4(record.address.into())),
                    (Kind::V6, RData::AAAA(record)) => Some(IpAddr::V6(record.address.into())),
                    _ => None,
                })
                .collect();
            let mut aliased = named.filter_map(|record| match &record.rdata {
                RData::CNAME(alias) => Some(&alias.0),
                _ => None,
            });
            match aliased.next() {
                Some(other) if addresses.is_empty() => name = other,
                _ => return addresses,
            }
        }
        Vec::new()
    }

    fn domain(&self) -> Name<'_> {
        Name::new(self.name.as_str()).expect("invariant: a host's name is one of DNS")
    }
}

/// Whether a message can hold as much as its header says: the parser makes room for all of it
/// before it has read any.
fn has_room_for_what_it_counts(message: &[u8]) -> bool {
    let Ok(questions) = header_buffer::questions(message) else {
        return false;
    };
    let records = [
        header_buffer::answers(message),
        header_buffer::name_servers(message),
        header_buffer::additional_records(message),
    ];
    let records: usize = records.into_iter().flatten().map(usize::from).sum();
    let least = usize::from(questions) * LEAST_QUESTION_BYTES + records * LEAST_RECORD_BYTES;
    HEADER_BYTES + least <= message.len()
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};
    use std::panic::catch_unwind;

    use super::*;

    const ID: u16 = 0x1234;
    const A: u16 = 1;
    const CNAME: u16 = 5;
    const AAAA: u16 = 28;
    /// A reply, recursion desired and available.
    const REPLY: u16 = 0x8180;
    const TRUNCATED: u16 = 0x0200;
    /// The name in the question, by its place.
    const ASKED: [u8; 2] = [0xc0, 12];

    fn host() -> Host {
        "vpn.example.com".parse().unwrap()
    }

    fn question(host: &Host, kind: Kind) -> Question<'_> {
        Question {
            id: ID,
            name: host,
            kind,
        }
    }

    /// A message as a server writes it, by hand.
    #[derive(Clone)]
    struct Message {
        id: u16,
        flags: u16,
        name: Vec<u8>,
        kind: u16,
        class: u16,
        answers: Vec<Vec<u8>>,
    }

    impl Message {
        fn new(kind: u16, answers: &[Vec<u8>]) -> Message {
            Message {
                id: ID,
                flags: REPLY,
                name: labels("vpn.example.com"),
                kind,
                class: 1,
                answers: answers.to_vec(),
            }
        }

        fn bytes(&self) -> Vec<u8> {
            let counts = [1, self.answers.len() as u16, 0, 0];
            let head = [self.id, self.flags].into_iter().chain(counts);
            let mut bytes: Vec<u8> = head.flat_map(u16::to_be_bytes).collect();
            bytes.extend(&self.name);
            bytes.extend(
                [self.kind, self.class]
                    .into_iter()
                    .flat_map(u16::to_be_bytes),
            );
            bytes.extend(self.answers.concat());
            bytes
        }
    }

    fn labels(name: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for label in name.split('.') {
            bytes.push(label.len() as u8);
            bytes.extend(label.bytes());
        }
        bytes.push(0);
        bytes
    }

    fn record(name: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = name.to_vec();
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1, 0, 0, 0, 60]);
        bytes.extend((data.len() as u16).to_be_bytes());
        bytes.extend(data);
        bytes
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, last])
    }

    fn heard(message: &Message) -> Option<Vec<IpAddr>> {
        question(&host(), Kind::V4).handle_datagram(&message.bytes())
    }

    #[test]
    fn a_question_is_what_servers_expect() {
        let host = host();
        let mut expected = Message::new(AAAA, &[]);
        expected.flags = 0x0100;
        let asked = question(&host, Kind::V6).to_datagram();
        assert_eq!(asked, expected.bytes());
        let longest = format!(
            "{}.{}",
            "a.".repeat(94).trim_end_matches('.'),
            "b".repeat(63)
        );
        let longest: Host = format!("{longest}.c").parse().unwrap();
        assert_eq!(longest.as_str().len(), 253);
        assert_eq!(
            question(&longest, Kind::V4).to_datagram().len(),
            12 + 255 + 4
        );
    }

    #[test]
    fn addresses_of_the_name_are_found_whatever_else_is_there() {
        let records = [
            record(&ASKED, A, &[203, 0, 113, 5]),
            record(&labels("other.example.com"), A, &[203, 0, 113, 6]),
            record(&ASKED, 65_280, b"private use"),
            record(&labels("VPN.Example.com"), A, &[203, 0, 113, 7]),
            record(&ASKED, AAAA, &[0x20; 16]),
        ];
        let found = heard(&Message::new(A, &records));
        assert_eq!(found, Some(vec![address(5), address(7)]));
        let found =
            question(&host(), Kind::V6).handle_datagram(&Message::new(AAAA, &records).bytes());
        assert_eq!(found, Some(vec![IpAddr::from([0x20u8; 16])]));
        assert_eq!(heard(&Message::new(A, &[])), Some(Vec::new()));
    }

    #[test]
    fn what_answers_another_question_is_no_answer() {
        let right = Message::new(A, &[record(&ASKED, A, &[203, 0, 113, 5])]);
        assert!(heard(&right).is_some());
        let changes: [fn(&mut Message); 6] = [
            |message| message.id ^= 1,
            |message| message.name = labels("vpn.example.net"),
            |message| message.kind = AAAA,
            |message| message.class = 3,
            // A question of somebody's, and another operation.
            |message| message.flags &= !0x8000,
            |message| message.flags |= 0x2800,
        ];
        for (at, change) in changes.into_iter().enumerate() {
            let mut wrong = right.clone();
            change(&mut wrong);
            assert_eq!(heard(&wrong), None, "{at}");
        }
    }

    #[test]
    fn a_truncated_answer_and_a_refusal_say_nothing() {
        let mut message = Message::new(A, &[record(&ASKED, A, &[203, 0, 113, 5])]);
        message.flags |= TRUNCATED;
        assert_eq!(heard(&message), Some(Vec::new()));
        let mut refusal = Message::new(A, &[]);
        refusal.flags |= 5;
        assert_eq!(heard(&refusal), Some(Vec::new()));
    }

    /// The name is an alias of a0, that of a1, and so on, in the wrong order.
    fn chain(aliases: usize) -> Message {
        let name = |at: usize| labels(&format!("a{at}.example.net"));
        let mut records = vec![record(&name(aliases - 1), A, &[203, 0, 113, 5])];
        for at in (1..aliases).rev() {
            records.push(record(&name(at - 1), CNAME, &name(at)));
        }
        records.push(record(&ASKED, CNAME, &name(0)));
        Message::new(A, &records)
    }

    #[test]
    fn aliases_are_followed_and_not_for_ever() {
        assert_eq!(heard(&chain(1)), Some(vec![address(5)]));
        assert_eq!(heard(&chain(MAX_ALIASES)), Some(vec![address(5)]));
        assert_eq!(heard(&chain(MAX_ALIASES + 1)), Some(Vec::new()));
        let around = [
            record(&ASKED, CNAME, &labels("b.example.com")),
            record(&labels("b.example.com"), CNAME, &ASKED),
        ];
        assert_eq!(heard(&Message::new(A, &around)), Some(Vec::new()));
        let itself = [record(&ASKED, CNAME, &ASKED)];
        assert_eq!(heard(&Message::new(A, &itself)), Some(Vec::new()));
    }

    #[test]
    fn a_name_that_leads_to_itself_is_no_name() {
        // Behind the header and the question, that is where the record's name begins.
        let at = Message::new(A, &[]).bytes().len() as u8;
        for place in [at, at + 2] {
            let circle = [record(&[0xc0, place], A, &[203, 0, 113, 5])];
            assert_eq!(heard(&Message::new(A, &circle)), None);
        }
        let mut long = Message::new(A, &[]);
        long.answers = vec![record(&[63; 64].repeat(5), A, &[203, 0, 113, 5])];
        assert_eq!(heard(&long), None);
    }

    #[test]
    fn no_room_is_made_for_more_than_a_message_can_hold() {
        let mut bytes = Message::new(A, &[record(&ASKED, A, &[203, 0, 113, 5])]).bytes();
        assert!(has_room_for_what_it_counts(&bytes));
        for at in [4, 6, 8, 10] {
            let was = bytes[at];
            bytes[at] = 0xff;
            assert!(!has_room_for_what_it_counts(&bytes), "{at}");
            bytes[at] = was;
        }
        assert!(!has_room_for_what_it_counts(&bytes[..11]));
    }

    #[test]
    fn nothing_that_a_server_sends_panics() {
        let host = host();
        let whole = chain(3).bytes();
        let hear = |bytes: &[u8]| question(&host, Kind::V4).handle_datagram(bytes);
        for len in 0..whole.len() {
            assert_eq!(hear(&whole[..len]), None, "{len}");
        }
        let seed = RandomState::new().hash_one(0);
        let mangled = || {
            // xorshift64*
            let mut state = seed | 1;
            let mut random = |below: usize| {
                state ^= state >> 12;
                state ^= state << 25;
                state ^= state >> 27;
                (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % below
            };
            for _ in 0..100_000 {
                let mut bytes = whole.clone();
                for _ in 0..=random(4) {
                    let at = random(bytes.len());
                    bytes[at] = [0, 1, 0xc0, 0xff, random(256) as u8][random(5)];
                }
                bytes.truncate(bytes.len() - random(2) * random(40));
                hear(&bytes);
            }
        };
        assert!(catch_unwind(mangled).is_ok(), "seed {seed}");
    }
}
