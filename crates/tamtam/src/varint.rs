//! Protobuf's numbers of varying length, all octets at once.

/// Octets of the longest number that is read and written here: 56 bits.
pub(crate) const LEN_MAX: usize = 8;

/// Each octet's bit that says that more follow.
const MORE: u64 = 0x8080_8080_8080_8080;

/// Returns how many octets Protobuf needs for a number, 10 at most.
#[inline]
pub(crate) fn len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Returns a number of up to 56 bits as Protobuf writes it in `len` octets, the first one the least significant.
#[inline]
pub(crate) fn spread(value: u64, len: usize) -> u64 {
    // Seven bits to the octet: halves apart, then quarters, then eighths.
    let halves = value & 0x0fff_ffff | (value & 0x00ff_ffff_f000_0000) << 4;
    let quarters = halves & 0x0000_3fff_0000_3fff | (halves & 0x0fff_c000_0fff_c000) << 2;
    let eighths = quarters & 0x007f_007f_007f_007f | (quarters & 0x3f80_3f80_3f80_3f80) << 1;
    let rest = 8 * (LEN_MAX - len.clamp(1, LEN_MAX));
    // All but the last say that more follow.
    eighths | MORE >> 8 >> rest
}

/// Reads a number off the front of eight octets, the first one the least significant, and returns it with its length; `None` if it is longer than
/// they are.
#[inline]
pub(crate) fn gather(octets: u64) -> Option<(u64, usize)> {
    let ends = !octets & MORE;
    if ends == 0 {
        return None;
    }
    let bits = ends.trailing_zeros() + 1;
    let eighths = octets & u64::MAX >> (64 - bits) & !MORE;
    let quarters = eighths & 0x007f_007f_007f_007f | (eighths & 0x7f00_7f00_7f00_7f00) >> 1;
    let halves = quarters & 0x0000_3fff_0000_3fff | (quarters & 0x3fff_0000_3fff_0000) >> 2;
    let value = halves & 0x0fff_ffff | (halves & 0x0fff_ffff_0000_0000) >> 4;
    Some((value, bits as usize / 8))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::encoding::{decode_varint, encode_varint, encoded_len_varint};

    use super::*;

    proptest! {
        #[test]
        fn it_is_what_protobuf_does(value: u64, shift in 0..64_u32, behind: [u8; 8]) {
            let value = value >> shift;
            prop_assert_eq!(len(value), encoded_len_varint(value));
            let mut wire = Vec::new();
            encode_varint(value, &mut wire);
            let len = wire.len();
            wire.extend_from_slice(&behind);
            let word = u64::from_le_bytes(*wire.first_chunk().unwrap());
            if len > LEN_MAX {
                prop_assert_eq!(gather(word), None);
                return Ok(());
            }
            prop_assert_eq!(gather(word), Some((value, len)));
            prop_assert_eq!(&spread(value, len).to_le_bytes()[..len], &wire[..len]);
        }

        #[test]
        fn needless_octets_are_read_as_protobuf_does(octets: [u8; 8]) {
            match gather(u64::from_le_bytes(octets)) {
                Some((value, len)) => prop_assert_eq!(decode_varint(&mut &octets[..len]).ok(), Some(value)),
                None => prop_assert!(octets.iter().all(|octet| octet & 0x80 != 0)),
            }
        }
    }
}
