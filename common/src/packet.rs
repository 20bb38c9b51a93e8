//! Buffers for inner packets.

use crate::guard::MAX_DATAGRAM;

/// Free bytes in front of every packet: the kernel's virtio network header goes there.
pub const HEADROOM: usize = 10;

/// Room of a [`PacketBuf`] behind its headroom: a whole datagram may be decrypted
/// into it before anything of it is known (boringtun panics on less).
pub const CAPACITY: usize = MAX_DATAGRAM + 65;

/// One inner IP packet with [`HEADROOM`] in front and spare room behind.
///
/// Allocated once and used again and again; the allocation is zero pages that
/// the kernel provides when they are first touched, so unused room costs nothing.
pub struct PacketBuf {
    data: Box<[u8]>,
    len: usize,
}

impl PacketBuf {
    /// An empty packet.
    pub fn new() -> PacketBuf {
        PacketBuf {
            data: vec![0; HEADROOM + CAPACITY].into_boxed_slice(),
            len: 0,
        }
    }

    /// The packet, without headroom.
    pub fn packet(&self) -> &[u8] {
        &self.data[HEADROOM..HEADROOM + self.len]
    }

    /// Length of the packet in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no packet in the buffer.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The whole room behind the headroom, whatever it holds; fill it, then call [`PacketBuf::set_len`].
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.data[HEADROOM..]
    }

    /// Declares the first `len` bytes of [`PacketBuf::room`] to be the packet.
    ///
    /// # Panics
    /// If `len` exceeds [`CAPACITY`].
    pub fn set_len(&mut self, len: usize) {
        assert!(len <= CAPACITY, "invariant: a packet fits its buffer");
        self.len = len;
    }

    /// Headroom and packet together, as the TUN write wants them.
    pub fn framed(&mut self) -> &mut [u8] {
        &mut self.data[..HEADROOM + self.len]
    }

    /// Headroom and all the room behind it, whatever it holds.
    pub fn framed_room(&mut self) -> &mut [u8] {
        &mut self.data
    }
}

impl Default for PacketBuf {
    fn default() -> Self {
        PacketBuf::new()
    }
}

/// Headroom and packet, for the merging of segments before a TUN write.
impl AsRef<[u8]> for PacketBuf {
    fn as_ref(&self) -> &[u8] {
        &self.data[..HEADROOM + self.len]
    }
}

impl AsMut<[u8]> for PacketBuf {
    fn as_mut(&mut self) -> &mut [u8] {
        self.framed()
    }
}
