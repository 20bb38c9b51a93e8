//! The framing that profile and label share: magic, version, fields, checksum.
//!
//! Byte by byte in `contrib/spec/token-profile.md`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use zeroize::Zeroizing;

use super::{Field, ProfileError, VERSION};
use crate::endpoint::{Endpoint, MAX_HOST};

/// Most bytes an object may have, whatever room a card announces.
pub(crate) const MAX_OBJECT: usize = 4096;

const MAGIC_LEN: usize = 3;
const HEADER_LEN: usize = MAGIC_LEN + 1;
const CHECKSUM_LEN: usize = 4;

/// Set in a field's tag if a reader that does not know the field must refuse the object.
const CRITICAL: u8 = 0x80;

/// A length byte that says "two more bytes hold the length".
const LONG: u8 = 0xff;

/// Added to an IPv6 prefix length, so that one byte tells family and length.
const V6: u8 = 0x40;

/// Kinds of endpoint; every smaller number is the length of a host name.
const ENDPOINT_V4: u8 = 0xff;
const ENDPOINT_V6: u8 = 0xfe;

const _: () = assert!(MAX_HOST < ENDPOINT_V6 as usize);

/// CRC-32 as in ISO-HDLC, Ethernet and zlib: reflected, polynomial 0x04C11DB7.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    });
    !crc
}

/// An object under construction. Its bytes never move, so no stray copy of a key stays behind.
pub(crate) struct Writer {
    bytes: Zeroizing<Vec<u8>>,
}

impl Writer {
    /// Begins an object of our version.
    pub(crate) fn new(magic: &[u8; MAGIC_LEN]) -> Writer {
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_OBJECT));
        bytes.extend_from_slice(magic);
        bytes.push(VERSION);
        Writer { bytes }
    }

    /// Appends a field; tags have to rise.
    pub(crate) fn field(&mut self, tag: u8, value: &[u8]) -> Result<(), ProfileError> {
        let length = u16::try_from(value.len())
            .ok()
            .filter(|_| self.bytes.len() + 4 + value.len() + CHECKSUM_LEN <= self.bytes.capacity());
        let length = length.ok_or(ProfileError::TooLong { room: MAX_OBJECT })?;
        self.bytes.push(tag);
        match u8::try_from(length) {
            Ok(short) if short != LONG => self.bytes.push(short),
            _ => {
                self.bytes.push(LONG);
                self.bytes.extend_from_slice(&length.to_be_bytes());
            }
        }
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    /// Appends a field that holds a number: big-endian, no leading zero bytes.
    pub(crate) fn number(&mut self, tag: u8, value: u64) -> Result<(), ProfileError> {
        let bytes = value.to_be_bytes();
        self.field(tag, &bytes[value.leading_zeros() as usize / 8..])
    }

    /// Appends the checksum.
    pub(crate) fn finish(mut self) -> Zeroizing<Vec<u8>> {
        let checksum = checksum(&self.bytes);
        self.bytes.extend_from_slice(&checksum.to_be_bytes());
        self.bytes
    }
}

/// The fields of an object whose magic, checksum and version are right.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    last: Option<u8>,
}

impl<'a> Reader<'a> {
    /// Looks at the frame.
    ///
    /// # Errors
    /// [`ProfileError::Empty`], [`ProfileError::Foreign`], [`ProfileError::Checksum`],
    /// [`ProfileError::Version`].
    pub(crate) fn new(
        magic: &[u8; MAGIC_LEN],
        bytes: &'a [u8],
    ) -> Result<Reader<'a>, ProfileError> {
        if bytes.iter().all(|&byte| byte == 0) {
            return Err(ProfileError::Empty);
        }
        if !bytes.starts_with(magic) {
            return Err(ProfileError::Foreign);
        }
        if bytes.len() > MAX_OBJECT {
            return Err(ProfileError::TooLong { room: MAX_OBJECT });
        }
        let body = bytes
            .len()
            .checked_sub(CHECKSUM_LEN)
            .filter(|&body| body >= HEADER_LEN)
            .ok_or(ProfileError::Checksum)?;
        let (body, sum) = bytes.split_at(body);
        if checksum(body).to_be_bytes() != *sum {
            return Err(ProfileError::Checksum);
        }
        // Behind the checksum: a flipped bit must not pass for a newer program's work.
        let version = body[MAGIC_LEN];
        if version != VERSION {
            return Err(ProfileError::Version { version });
        }
        Ok(Reader {
            rest: &body[HEADER_LEN..],
            last: None,
        })
    }

    /// The next field, tag and value; `None` at the end.
    pub(crate) fn field(&mut self) -> Result<Option<(u8, &'a [u8])>, ProfileError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut rest = Bytes(self.rest);
        let tag = rest.byte().ok_or(ProfileError::Cut)?;
        let length = match rest.byte().ok_or(ProfileError::Cut)? {
            LONG => {
                let length = rest.array().map(u16::from_be_bytes);
                let length = length.ok_or(ProfileError::Cut)?;
                if length < u16::from(LONG) {
                    return Err(ProfileError::Malformed {
                        field: Field::Length,
                    });
                }
                usize::from(length)
            }
            short => usize::from(short),
        };
        let value = rest.take(length).ok_or(ProfileError::Cut)?;
        if self.last.is_some_and(|last| tag <= last) {
            return Err(ProfileError::Order { tag });
        }
        self.last = Some(tag);
        self.rest = rest.0;
        Ok(Some((tag, value)))
    }
}

/// What to do with a field that the reader does not know.
pub(crate) fn unknown(tag: u8) -> Result<(), ProfileError> {
    match tag & CRITICAL {
        0 => Ok(()),
        _ => Err(ProfileError::UnknownField { tag }),
    }
}

/// A field's value, read from the front.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// An array that fills the value.
    pub(crate) fn whole<const N: usize>(&self) -> Option<[u8; N]> {
        self.0.try_into().ok()
    }

    /// A number that fills the value: big-endian, no leading zero bytes.
    pub(crate) fn number(&self) -> Option<u64> {
        if self.0.len() > 8 || self.0.first() == Some(&0) {
            return None;
        }
        Some(
            self.0
                .iter()
                .fold(0, |number, &byte| number << 8 | u64::from(byte)),
        )
    }

    /// Family, prefix length and as many bytes of the address as `significant` says.
    fn net(&mut self, significant: fn(u8) -> usize) -> Option<IpNet> {
        let kind = self.byte()?;
        if kind <= 32 {
            let mut octets = [0; 4];
            let bytes = self.take(significant(kind).min(4))?;
            octets[..bytes.len()].copy_from_slice(bytes);
            Ipv4Net::new(Ipv4Addr::from(octets), kind)
                .ok()
                .map(IpNet::V4)
        } else {
            let prefix = kind.checked_sub(V6).filter(|&prefix| prefix <= 128)?;
            let mut octets = [0; 16];
            let bytes = self.take(significant(prefix).min(16))?;
            octets[..bytes.len()].copy_from_slice(bytes);
            Ipv6Net::new(Ipv6Addr::from(octets), prefix)
                .ok()
                .map(IpNet::V6)
        }
    }

    /// A network: only the bytes that its prefix reaches into.
    pub(crate) fn network(&mut self) -> Option<IpNet> {
        self.net(|prefix| usize::from(prefix.div_ceil(8)))
    }

    /// An address with its network's prefix: all the bytes.
    pub(crate) fn interface_address(&mut self) -> Option<IpNet> {
        self.net(|_| 16)
    }

    pub(crate) fn endpoint(&mut self) -> Option<Endpoint> {
        let ip: IpAddr = match self.byte()? {
            ENDPOINT_V4 => self.array::<4>()?.into(),
            ENDPOINT_V6 => self.array::<16>()?.into(),
            len => {
                let name = str::from_utf8(self.take(usize::from(len))?).ok()?;
                let host: crate::endpoint::Host = name.parse().ok()?;
                // One name, one spelling.
                if host.as_str() != name {
                    return None;
                }
                let port = self.port()?;
                return Some(Endpoint::Host { name: host, port });
            }
        };
        Some(Endpoint::Address(SocketAddr::new(ip, self.port()?)))
    }

    fn port(&mut self) -> Option<u16> {
        self.array()
            .map(u16::from_be_bytes)
            .filter(|&port| port != 0)
    }
}

/// A list as a field's value: reads to the end or not at all.
pub(crate) fn list<'a, T>(
    value: &'a [u8],
    field: Field,
    mut item: impl FnMut(&mut Bytes<'a>) -> Option<T>,
) -> Result<Vec<T>, ProfileError> {
    let mut bytes = Bytes(value);
    let mut items = Vec::new();
    while !bytes.is_empty() {
        items.push(item(&mut bytes).ok_or(ProfileError::Malformed { field })?);
    }
    Ok(items)
}

fn put_net(out: &mut Vec<u8>, net: &IpNet, significant: fn(u8) -> usize) {
    match net {
        IpNet::V4(net) => {
            out.push(net.prefix_len());
            let len = significant(net.prefix_len()).min(4);
            out.extend_from_slice(&net.addr().octets()[..len]);
        }
        IpNet::V6(net) => {
            out.push(V6 + net.prefix_len());
            let len = significant(net.prefix_len()).min(16);
            out.extend_from_slice(&net.addr().octets()[..len]);
        }
    }
}

pub(crate) fn put_network(out: &mut Vec<u8>, net: &IpNet) {
    put_net(out, net, |prefix| usize::from(prefix.div_ceil(8)));
}

pub(crate) fn put_interface_address(out: &mut Vec<u8>, net: &IpNet) {
    put_net(out, net, |_| 16);
}

pub(crate) fn put_endpoint(out: &mut Vec<u8>, endpoint: &Endpoint) {
    match endpoint {
        Endpoint::Address(SocketAddr::V4(v4)) => {
            out.push(ENDPOINT_V4);
            out.extend_from_slice(&v4.ip().octets());
        }
        Endpoint::Address(SocketAddr::V6(v6)) => {
            out.push(ENDPOINT_V6);
            out.extend_from_slice(&v6.ip().octets());
        }
        Endpoint::Host { name, .. } => {
            out.push(name.as_str().len() as u8);
            out.extend_from_slice(name.as_str().as_bytes());
        }
    }
    out.extend_from_slice(&endpoint.port().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_common_crc_32() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn numbers_have_one_spelling() {
        for (number, bytes) in [
            (0, &[][..]),
            (1, &[1]),
            (255, &[255]),
            (256, &[1, 0]),
            (u64::MAX, &[255; 8]),
        ] {
            let mut writer = Writer::new(b"ABC");
            writer.number(0x01, number).unwrap();
            let object = writer.finish();
            let mut reader = Reader::new(b"ABC", &object).unwrap();
            assert_eq!(reader.field(), Ok(Some((0x01, bytes))));
            assert_eq!(reader.field(), Ok(None));
            assert_eq!(Bytes(bytes).number(), Some(number));
        }
        assert_eq!(Bytes(&[0, 1]).number(), None);
        assert_eq!(Bytes(&[1; 9]).number(), None);
    }

    #[test]
    fn a_long_field_survives() {
        for len in [0, 1, 254, 255, 256, 4000] {
            let value = vec![7; len];
            let mut writer = Writer::new(b"ABC");
            writer.field(0x01, &value).unwrap();
            let object = writer.finish();
            let mut reader = Reader::new(b"ABC", &object).unwrap();
            assert_eq!(reader.field(), Ok(Some((0x01, &value[..]))), "{len}");
        }
        let mut writer = Writer::new(b"ABC");
        assert_eq!(
            writer.field(0x01, &[0; MAX_OBJECT]),
            Err(ProfileError::TooLong { room: MAX_OBJECT })
        );
    }
}
