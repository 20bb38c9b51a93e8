//! What arrives at a gateway's port: a script of datagrams, from strangers and from clients whose
//! messages are real, changed on their way, repeated and late; and what its own network sends.

use std::{net::SocketAddr, time::Duration};

use blake2::{
    Blake2s256, Blake2sMac, Digest as _,
    digest::{FixedOutput as _, KeyInit as _, Update, consts::U16},
};

use tokenvpn_common::run::Run;

use super::{
    input::Input,
    pair::{self, CLIENTS, Datagram, Pair},
};

/// Longer scripts tell a fuzzer nothing new.
const MOST_STEPS: usize = 200;

/// Plays the script.
///
/// # Panics
/// If a device does, or if the gateway passes on a packet from an address that nobody with that
/// address has sent.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut pair = Pair::new();
    let mut seen: Vec<Datagram> = Vec::new();
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        step(&mut pair, &mut input, &seen);
        exchange(&mut pair, &mut seen);
    }
    pair.expect_no_panic();
}

fn step(pair: &mut Pair, input: &mut Input<'_>, seen: &[Datagram]) {
    let now = pair.now;
    match input.byte() % 9 {
        // Anything at all, one or several of a size.
        0 => {
            let (from, stride) = (source(input), usize::from(input.short()));
            let run = input.sized(2000);
            pair.gateway
                .handle_datagrams(now, Run::new(from, run, stride));
        }
        // Of a type and a size that are right.
        1 => {
            let (kind, size) = [
                (1, 148),
                (2, 92),
                (3, 64),
                (4, 32 + usize::from(input.byte())),
            ][usize::from(input.byte() % 4)];
            let mut bytes = vec![kind, 0, 0, 0];
            bytes.extend_from_slice(input.bytes(size - 4));
            bytes.resize(size, 0);
            let from = source(input);
            pair.gateway
                .handle_datagrams(now, Run::new(from, &bytes, size));
        }
        // An initiation with a right first MAC, which takes the gateway's public key only.
        2 => {
            let mut bytes = vec![1, 0, 0, 0];
            bytes.extend_from_slice(input.bytes(144));
            bytes.resize(148, 0);
            sign(&mut bytes);
            let from = source(input);
            pair.gateway
                .handle_datagrams(now, Run::new(from, &bytes, 148));
        }
        // A client says something, which takes a handshake at first.
        3 => {
            let number = client(input);
            pair::send(pair.client(number), now, input.sized(1420));
        }
        4 => {
            let number = client(input);
            let len = 20 + input.short() % 1400;
            let packet = pair::header([10, 77, 0, number], [10, 77, 0, 200], len);
            pair::send(pair.client(number), now, &packet);
        }
        // Something that was on the wire comes again: changed, cut, signed anew, from elsewhere.
        5 => {
            if let Some(datagram) = pick(input, seen) {
                let mut datagram = datagram.clone();
                let changes = input.byte() % 4;
                for _ in 0..changes {
                    let at = usize::from(input.short()) % datagram.bytes.len();
                    datagram.bytes[at] ^= input.byte();
                }
                let choice = input.byte();
                if choice & 1 != 0 {
                    let len = usize::from(input.short()) % (datagram.bytes.len() + 1);
                    datagram.bytes.truncate(len);
                }
                if choice & 2 != 0 {
                    sign(&mut datagram.bytes);
                }
                if choice & 4 != 0 {
                    datagram.from = source(input);
                }
                pair.deliver(&datagram);
            }
        }
        // From inside, to anyone.
        6 => pair::send(&mut pair.gateway, now, input.sized(1420)),
        7 => pair.pass(Duration::from_millis(u64::from(input.short()) * 4)),
        // Somebody is revoked and let in again; addresses change.
        _ => match input.byte() % 3 {
            0 => pair.gateway.handle_network_change(now),
            1 => pair.gateway.greet(now),
            _ => {
                let mut fresh = Pair::new();
                std::mem::swap(&mut pair.gateway, &mut fresh.gateway);
            }
        },
    }
}

/// What the devices have to say to each other reaches its end once, and is remembered.
fn exchange(pair: &mut Pair, seen: &mut Vec<Datagram>) {
    for _ in 0..4 {
        pair.gateway.handle_timeout(pair.now);
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        let mut sent = pair::take(&mut pair.gateway, pair::gateway_address(), &mut inside);
        for packet in &inside {
            let source = packet.get(12..16).expect("a whole header");
            assert!(
                packet[0] >> 4 == 4 && source[..3] == [10, 77, 0],
                "a packet from {source:?} was passed on"
            );
            assert!((1..=CLIENTS).contains(&source[3]), "from {source:?}");
            let len = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
            assert_eq!(packet.len(), len, "its header tells another length");
        }
        for number in 1..=CLIENTS {
            let client = pair.client(number);
            sent.extend(pair::take(
                client,
                pair::client_address(number),
                &mut outside,
            ));
        }
        if sent.is_empty() {
            return;
        }
        for datagram in sent {
            assert!(
                datagram.bytes.len() >= 32,
                "a datagram of {} bytes",
                datagram.bytes.len()
            );
            pair.deliver(&datagram);
            seen.push(datagram);
        }
    }
}

fn client(input: &mut Input<'_>) -> u8 {
    input.byte() % CLIENTS + 1
}

/// A few places, so that some come again.
fn source(input: &mut Input<'_>) -> SocketAddr {
    match input.byte() % 8 {
        0 => pair::client_address(1),
        1 => pair::client_address(2),
        2 => "[2001:db8::1]:1".parse().expect("an address"),
        3 => "0.0.0.0:0".parse().expect("an address"),
        number => ([198, 51, 100, number], u16::from(number)).into(),
    }
}

fn pick<'a>(input: &mut Input<'_>, seen: &'a [Datagram]) -> Option<&'a Datagram> {
    let back = usize::from(input.byte());
    seen.iter().rev().nth(back % seen.len().max(1))
}

/// Writes the first MAC for the gateway, if there is room for it (WireGuard paper §5.4.4).
fn sign(message: &mut [u8]) {
    let Some(at) = message.len().checked_sub(32) else {
        return;
    };
    let key = Blake2s256::new()
        .chain_update(b"mac1----")
        .chain_update(pair::gateway_key().public().as_bytes())
        .finalize();
    let mut mac = Blake2sMac::<U16>::new_from_slice(&key).expect("a key of 32 bytes");
    Update::update(&mut mac, &message[..at]);
    message[at..at + 16].copy_from_slice(&mac.finalize_fixed());
}
