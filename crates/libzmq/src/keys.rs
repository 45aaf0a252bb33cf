//! `zmq_z85_…` and `zmq_curve_…`.

use std::ffi::{CStr, c_char, c_int};

use crate::errno::{EINVAL, ENOTSUP};
use crate::guard::guarded;

/// The digits of 32/Z85.
const DIGITS: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// Encodes octets, a multiple of four of them, as 32/Z85 does.
pub(crate) fn encode(octets: &[u8]) -> Option<Vec<u8>> {
    let (groups, rest) = octets.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut text = Vec::with_capacity(groups.len() * 5);
    for group in groups {
        let mut value = u32::from_be_bytes(*group);
        let mut digits = [0; 5];
        for digit in digits.iter_mut().rev() {
            *digit = DIGITS.get((value % 85) as usize).copied()?;
            value /= 85;
        }
        text.extend_from_slice(&digits);
    }
    Some(text)
}

/// Decodes 32/Z85; `None` when the text is not such.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let (groups, rest) = text.as_chunks::<5>();
    if !rest.is_empty() {
        return None;
    }
    let mut octets = Vec::with_capacity(groups.len() * 4);
    for group in groups {
        let mut value = 0_u32;
        for character in group {
            let digit = DIGITS.iter().position(|digit| digit == character)?;
            value = value.checked_mul(85)?.checked_add(u32::try_from(digit).ok()?)?;
        }
        octets.extend_from_slice(&value.to_be_bytes());
    }
    Some(octets)
}

/// Writes the text of `size` octets (a multiple of four) and a zero to `text`; returns it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_z85_encode(text: *mut c_char, octets: *const u8, size: usize) -> *mut c_char {
    guarded(|| {
        if text.is_null() || octets.is_null() && size > 0 {
            return Err(EINVAL);
        }
        // SAFETY: the caller gives `size` octets.
        let octets = if size == 0 { &[] } else { unsafe { std::slice::from_raw_parts(octets, size) } };
        let encoded = encode(octets).ok_or(EINVAL)?;
        // SAFETY: the caller's buffer has room for size * 5 / 4 + 1 characters.
        unsafe {
            std::ptr::copy_nonoverlapping(encoded.as_ptr(), text.cast(), encoded.len());
            *text.add(encoded.len()) = 0;
        }
        Ok(text)
    })
}

/// Writes the octets that a text stands for to `octets`; returns it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_z85_decode(octets: *mut u8, text: *const c_char) -> *mut u8 {
    guarded(|| {
        if octets.is_null() || text.is_null() {
            return Err(EINVAL);
        }
        // SAFETY: not null; the caller gives a string with its end.
        let decoded = decode(unsafe { CStr::from_ptr(text) }.to_bytes()).ok_or(EINVAL)?;
        // SAFETY: the caller's buffer has room for strlen * 4 / 5 octets.
        unsafe { std::ptr::copy_nonoverlapping(decoded.as_ptr(), octets, decoded.len()) };
        Ok(octets)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_curve_keypair(public: *mut c_char, secret: *mut c_char) -> c_int {
    let _ = (public, secret);
    guarded(|| Err(ENOTSUP))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_curve_public(public: *mut c_char, secret: *const c_char) -> c_int {
    let _ = (public, secret);
    guarded(|| Err(ENOTSUP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rfc_s_example() {
        let octets = [0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B];
        assert_eq!(encode(&octets).as_deref(), Some(&b"HelloWorld"[..]));
        assert_eq!(decode(b"HelloWorld").as_deref(), Some(&octets[..]));
    }

    #[test]
    fn what_is_no_z85_is_refused() {
        for text in [&b"Hello"[..4], b"Hell~", b"#####", b"\xFFello"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
        assert_eq!(encode(b"abc"), None);
        assert_eq!(decode(b""), Some(Vec::new()));
    }
}
