//! `zmq_z85_…` and `zmq_curve_…`.

use std::ffi::{CStr, c_char, c_int};

use tamtam_zmq::{CurveKeyPair, CurveSecretKey, z85_decode, z85_encode};

use crate::buffer::slice;
use crate::errno::{EINVAL, ENOMEM};
use crate::guard::guarded;

/// Writes the text of `size` octets (a multiple of four) and a zero to `text`; returns it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_z85_encode(text: *mut c_char, octets: *const u8, size: usize) -> *mut c_char {
    guarded(|| {
        if text.is_null() {
            return Err(EINVAL);
        }
        // SAFETY: the caller gives `size` octets.
        let octets = unsafe { slice(octets, size) }.ok_or(EINVAL)?;
        let encoded = z85_encode(octets).ok_or(EINVAL)?;
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
        let text = unsafe { CStr::from_ptr(text) };
        let decoded = text.to_str().ok().and_then(z85_decode).ok_or(EINVAL)?;
        // SAFETY: the caller's buffer has room for strlen * 4 / 5 octets.
        unsafe { std::ptr::copy_nonoverlapping(decoded.as_ptr(), octets, decoded.len()) };
        Ok(octets)
    })
}

/// Writes a key's text and a zero.
///
/// # Safety
///
/// `place` has room for 41 characters.
unsafe fn put_key(place: *mut c_char, key: &[u8; 32]) -> Result<(), c_int> {
    let text = z85_encode(key).ok_or(EINVAL)?;
    // SAFETY: the caller's promise; a key's text is 40 characters long.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), place.cast(), text.len());
        *place.add(text.len()) = 0;
    }
    Ok(())
}

/// Makes a new pair of keys and writes their texts, 40 characters and a zero each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_curve_keypair(public: *mut c_char, secret: *mut c_char) -> c_int {
    guarded(|| {
        if public.is_null() || secret.is_null() {
            return Err(EINVAL);
        }
        // Fails only where the system gives no random numbers.
        let keys = CurveKeyPair::generate().map_err(|_| ENOMEM)?;
        // SAFETY: the caller's places, of 41 characters each.
        unsafe {
            put_key(public, keys.public.as_bytes())?;
            put_key(secret, keys.secret.as_bytes())?;
        }
        Ok(0)
    })
}

/// Writes the text of the public key that belongs to a secret one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_curve_public(public: *mut c_char, secret: *const c_char) -> c_int {
    guarded(|| {
        if public.is_null() || secret.is_null() {
            return Err(EINVAL);
        }
        // SAFETY: not null; the caller gives a string with its end.
        let text = unsafe { CStr::from_ptr(secret) }.to_str().map_err(|_| EINVAL)?;
        let secret: CurveSecretKey = text.parse().map_err(|_| EINVAL)?;
        // SAFETY: the caller's place, of 41 characters.
        unsafe { put_key(public, secret.public_key().as_bytes()) }?;
        Ok(0)
    })
}
