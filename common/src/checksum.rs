//! The Internet checksum (RFC 1071).

/// The one's complement sum of `bytes` as 16-bit big-endian words, an odd last byte
/// being the upper half of a word. At most 65 535, so that many can be added up.
pub fn sum(bytes: &[u8]) -> u32 {
    // Sums of wide words in any byte order give the same in the end (RFC 1071 §2), and
    // several at a time is what a compiler makes vector instructions of.
    let mut lanes = [0u64; 8];
    let (blocks, rest) = bytes.as_chunks::<32>();
    for block in blocks {
        add(&mut lanes, block);
    }
    if !rest.is_empty() {
        let mut last = [0; 32];
        last[..rest.len()].copy_from_slice(rest);
        add(&mut lanes, &last);
    }
    let mut total: u64 = lanes.iter().sum();
    while total > u64::from(u16::MAX) {
        total = (total >> 16) + (total & u64::from(u16::MAX));
    }
    // Cast: folded just now.
    u32::from(u16::from_be(total as u16))
}

fn add(lanes: &mut [u64; 8], block: &[u8; 32]) {
    let (words, _) = block.as_chunks::<4>();
    for (lane, word) in lanes.iter_mut().zip(words) {
        // Cannot overflow: there is no memory for 2^32 words.
        *lane = lane.wrapping_add(u64::from(u32::from_ne_bytes(*word)));
    }
}

/// Folds sums added up into one.
pub fn fold(mut sum: u32) -> u16 {
    while sum > u32::from(u16::MAX) {
        sum = (sum >> 16) + (sum & u32::from(u16::MAX));
    }
    // Cast: folded just now.
    sum as u16
}

/// The sum over the pseudo-header of a TCP or UDP packet without options before it
/// (RFC 9293 §3.1, RFC 8200 §8.1): `addresses` are both, one behind the other, and
/// `len` is that of transport header and payload in bytes.
pub fn pseudo_header(addresses: &[u8], protocol: u8, len: u16) -> u32 {
    sum(addresses) + u32::from(protocol) + u32::from(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(bytes: &[u8]) -> u16 {
        let words = bytes.chunks(2);
        fold(words.fold(0, |sum, pair| {
            let low = pair.get(1).copied().unwrap_or(0);
            sum + u32::from(u16::from_be_bytes([pair[0], low]))
        }))
    }

    #[test]
    fn every_length_sums_up_as_word_by_word() {
        let bytes: Vec<u8> = (0..2_000u32).map(|i| (i * i % 251) as u8).collect();
        for len in 0..bytes.len() {
            assert_eq!(sum(&bytes[..len]), u32::from(naive(&bytes[..len])), "{len}");
        }
        let ones = vec![0xff; 65_535];
        assert_eq!(sum(&ones), u32::from(naive(&ones)));
        assert_eq!(sum(&[0; 40]), 0);
    }

    #[test]
    fn the_example_of_the_standard_sums_up() {
        let example = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(sum(&example), 0xddf2);
    }
}
