//! Z85: binary keys as printable text (32/Z85).

/// The digits, in order of value.
const DIGITS: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
const BASE: u32 = 85;
/// Octets and digits of a group.
const OCTETS: usize = 4;
const GROUP: usize = 5;

/// Returns the text for octets; `None` if their number is not divisible by four, for which 32/Z85 has no text.
#[must_use]
pub fn z85_encode(octets: &[u8]) -> Option<String> {
    let (groups, rest) = octets.as_chunks::<OCTETS>();
    if !rest.is_empty() {
        return None;
    }
    let mut text = String::with_capacity(groups.len() * GROUP);
    for group in groups {
        let value = u32::from_be_bytes(*group);
        for power in [85 * 85 * 85 * 85, 85 * 85 * 85, 85 * 85, 85, 1] {
            let digit = usize::try_from(value / power % BASE).unwrap_or_default();
            text.push(DIGITS.get(digit).copied().map_or('0', char::from));
        }
    }
    Some(text)
}

/// Returns the octets that a text stands for; `None` if its length is not divisible by five, or if it has a character or a
/// group of five that 32/Z85 does not know.
#[must_use]
pub fn z85_decode(text: &str) -> Option<Vec<u8>> {
    let (groups, rest) = text.as_bytes().as_chunks::<GROUP>();
    if !rest.is_empty() {
        return None;
    }
    let mut octets = Vec::with_capacity(groups.len() * OCTETS);
    for group in groups {
        let mut value = 0u32;
        for digit in group {
            let digit =
                DIGITS.iter().position(|known| known == digit).and_then(|at| u32::try_from(at).ok())?;
            value = value.checked_mul(BASE)?.checked_add(digit)?;
        }
        octets.extend_from_slice(&value.to_be_bytes());
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        //= 32/Z85, Test Case
        //# SHALL encode as the following 10 characters
        assert_eq!(
            z85_encode(&[0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B]).as_deref(),
            Some("HelloWorld")
        );
        assert_eq!(z85_decode("HelloWorld"), Some(vec![0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B]));
    }

    #[test]
    fn what_is_no_z85() {
        assert_eq!(z85_encode(&[1, 2, 3]), None);
        for text in ["0123", "012345", "0123\"", "0123 ", "#####", "%nSc1", "012\u{e9}"] {
            assert_eq!(z85_decode(text), None, "{text:?}");
        }
        assert_eq!(z85_decode("%nSc0"), Some(vec![0xFF; 4]));
        assert_eq!((z85_encode(&[]), z85_decode("")), (Some(String::new()), Some(Vec::new())));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(octets in prop::collection::vec(any::<[u8; 4]>(), 0..20)) {
            let octets = octets.concat();
            let text = z85_encode(&octets).expect("divisible");
            prop_assert_eq!(z85_decode(&text), Some(octets));
        }

        #[test]
        fn any_text_is_decoded_without_panic(text in ".{0,20}") {
            let _ = z85_decode(&text);
        }
    }
}
