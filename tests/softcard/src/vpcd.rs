//! The vpcd protocol, card side: every message is a two-byte big-endian length and a body.
//!
//! A body of one byte is a control code, a longer one an APDU. Source: vsmartcard's "Creating a
//! virtual smart card".

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    os::linux::net::TcpStreamExt,
};

/// What the reader wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Message {
    /// Control code 0.
    PowerOff,
    /// Control code 1.
    PowerOn,
    /// Control code 2.
    Reset,
    /// Control code 4. pcscd asks for it every 400 ms too, to see whether the card is still there.
    Atr,
    /// A command for the card.
    Apdu(Vec<u8>),
    /// Something vpcd does not send today.
    Unknown,
}

/// The reader's end of the line.
#[derive(Debug)]
pub struct Reader {
    stream: TcpStream,
}

impl Reader {
    /// Takes over a connected stream.
    ///
    /// # Errors
    ///
    /// If the socket options cannot be set.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// Waits for the next message; `None` when the reader has hung up.
    pub fn receive(&mut self) -> Option<Message> {
        let mut length = [0; 2];
        self.read(&mut length)?;
        let mut body = vec![0; u16::from_be_bytes(length).into()];
        self.read(&mut body)?;
        Some(match body[..] {
            [0] => Message::PowerOff,
            [1] => Message::PowerOn,
            [2] => Message::Reset,
            [4] => Message::Atr,
            [] | [_] => Message::Unknown,
            _ => Message::Apdu(body),
        })
    }

    /// Sends an answer in one segment.
    ///
    /// # Errors
    ///
    /// If the reader has hung up.
    pub fn send(&mut self, body: &[u8]) -> io::Result<()> {
        let length = u16::try_from(body.len()).expect("invariant: answers are under 8 KiB");
        let mut message = length.to_be_bytes().to_vec();
        message.extend_from_slice(body);
        self.stream.write_all(&message)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Option<()> {
        // vpcd writes length and body separately, with Nagle on: unless we acknowledge the length
        // at once, the body waits 40 ms for our delayed ACK. The option wears off, so set it anew.
        self.stream.set_quickack(true).ok()?;
        self.stream.read_exact(buffer).ok()
    }
}
