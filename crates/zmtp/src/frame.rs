//! One frame of a message: up to [`FRAME_INLINE_MAX`] octets in place, more by reference.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU8;
use std::ops::Deref;

use bytes::Bytes;

/// Longest body, in octets, that a [`Frame`] holds in place, without an allocation.
///
/// Chosen so that a frame is 72 octets long and a 64-octet message with a few octets of envelope still fits.
pub const FRAME_INLINE_MAX: usize = 71;

/// The body of one frame: opaque octets.
///
/// Bodies of up to [`FRAME_INLINE_MAX`] octets live inside the value; longer ones are shared by reference count, so that
/// a clone never copies more than 72 octets.
pub struct Frame(Repr);

impl Clone for Frame {
    #[inline]
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }

    #[inline]
    fn clone_from(&mut self, source: &Self) {
        match (&mut self.0, &source.0) {
            (Repr::Inline(place), Repr::Inline(source)) => *place = *source,
            (place, source) => *place = source.clone(),
        }
    }
}

#[derive(Clone)]
enum Repr {
    Inline(Inline),
    Shared(Bytes),
}

/// A short body.
///
/// The octets come first and aligned, the length last and never zero, so that it also tells the two kinds of frame apart:
/// what has just been written is moved on in whole words, which a processor does without waiting for the writes to settle.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Inline {
    data: [u8; FRAME_INLINE_MAX],
    /// One more than the length of the body.
    len: NonZeroU8,
}

impl Inline {
    const EMPTY: Self = Self { data: [0; FRAME_INLINE_MAX], len: NonZeroU8::MIN };

    #[inline]
    fn new(body: &[u8]) -> Option<Self> {
        let mut inline = Self::EMPTY;
        inline.set(body).then_some(inline)
    }

    /// Takes over `body`; `false`, and no change, if it is too long.
    #[inline]
    fn set(&mut self, body: &[u8]) -> bool {
        let Some(place) = self.data.get_mut(..body.len()) else { return false };
        place.copy_from_slice(body);
        // Lossless: the body fits, and see the assertion below.
        self.len = NonZeroU8::MIN.saturating_add(body.len() as u8);
        true
    }

    #[inline]
    const fn len(&self) -> usize {
        self.len.get() as usize - 1
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        // The length was checked against the array when it was set.
        self.data.get(..self.len()).unwrap_or(&self.data)
    }
}

const _: () = assert!(size_of::<Frame>() == 72);
const _: () = assert!(FRAME_INLINE_MAX < u8::MAX as usize);

impl Frame {
    /// Returns an empty frame.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self(Repr::Inline(Inline::EMPTY))
    }

    /// Copies `body`: in place if it is short, else into one allocation of its own.
    #[inline]
    #[must_use]
    pub fn copy_from(body: &[u8]) -> Self {
        match Self::inline(body) {
            Some(frame) => frame,
            None => Self(Repr::Shared(Bytes::copy_from_slice(body))),
        }
    }

    /// Takes `body` without copying, unless it is short enough to be held in place: then the few octets are copied and
    /// the shared buffer is let go, so that a small frame never keeps a large buffer alive.
    #[inline]
    #[must_use]
    pub fn from_bytes(body: Bytes) -> Self {
        match Self::inline(&body) {
            Some(frame) => frame,
            None => Self(Repr::Shared(body)),
        }
    }

    /// Returns the frame held in place, or `None` if `body` is longer than [`FRAME_INLINE_MAX`].
    #[inline]
    fn inline(body: &[u8]) -> Option<Self> {
        Inline::new(body).map(|inline| Self(Repr::Inline(inline)))
    }

    /// Takes over the first `len` octets of `source`, in place; `false`, and no change, if they are not there or too many.
    #[inline]
    pub(crate) fn set_inline(&mut self, source: &[u8], len: usize) -> bool {
        /// What most short messages fit into, copied without asking how long they are.
        const USUAL: usize = 64;
        if len > FRAME_INLINE_MAX || len > source.len() {
            return false;
        }
        if !matches!(self.0, Repr::Inline(_)) {
            self.0 = Repr::Inline(Inline::EMPTY);
        }
        let Repr::Inline(inline) = &mut self.0 else { return false };
        match (inline.data.first_chunk_mut::<USUAL>(), source.first_chunk::<USUAL>()) {
            (Some(place), Some(octets)) if len <= USUAL => {
                *place = *octets;
                inline.len = NonZeroU8::MIN.saturating_add(len as u8);
                true
            }
            _ => source.get(..len).is_some_and(|body| inline.set(body)),
        }
    }

    /// Becomes a copy of `body`, in place if it is short: without moving a frame from where it was made.
    #[inline]
    pub fn set(&mut self, body: &[u8]) {
        if !self.set_inline(body, body.len()) {
            self.0 = Repr::Shared(Bytes::copy_from_slice(body));
        }
    }

    /// Returns the body.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(inline) => inline.as_slice(),
            Repr::Shared(body) => body,
        }
    }

    /// Returns the length of the body in octets.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Inline(inline) => inline.len(),
            Repr::Shared(body) => body.len(),
        }
    }

    /// Returns whether the body has no octets.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the shared body, or `None` if the frame is held in place.
    #[inline]
    #[must_use]
    pub fn shared(&self) -> Option<&Bytes> {
        match &self.0 {
            Repr::Inline(_) => None,
            Repr::Shared(body) => Some(body),
        }
    }

    /// Turns the frame into [`Bytes`]: allocates for a non-empty frame held in place, otherwise passes the reference on.
    #[inline]
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Repr::Inline(inline) => Bytes::copy_from_slice(inline.as_slice()),
            Repr::Shared(body) => body,
        }
    }
}

impl Default for Frame {
    #[inline]
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Frame {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for Frame {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for Frame {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Frame {}

impl Hash for Frame {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl PartialEq<[u8]> for Frame {
    #[inline]
    fn eq(&self, other: &[u8]) -> bool {
        self.as_slice() == other
    }
}

impl PartialEq<&[u8]> for Frame {
    #[inline]
    fn eq(&self, other: &&[u8]) -> bool {
        self.as_slice() == *other
    }
}

impl PartialEq<&str> for Frame {
    #[inline]
    fn eq(&self, other: &&str) -> bool {
        self.as_slice() == other.as_bytes()
    }
}

impl<const N: usize> PartialEq<[u8; N]> for Frame {
    #[inline]
    fn eq(&self, other: &[u8; N]) -> bool {
        self.as_slice() == other
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Frame {
    #[inline]
    fn eq(&self, other: &&[u8; N]) -> bool {
        self.as_slice() == *other
    }
}

impl From<&[u8]> for Frame {
    #[inline]
    fn from(body: &[u8]) -> Self {
        Self::copy_from(body)
    }
}

impl<const N: usize> From<&[u8; N]> for Frame {
    #[inline]
    fn from(body: &[u8; N]) -> Self {
        Self::copy_from(body)
    }
}

impl From<&str> for Frame {
    #[inline]
    fn from(body: &str) -> Self {
        Self::copy_from(body.as_bytes())
    }
}

impl From<Vec<u8>> for Frame {
    #[inline]
    fn from(body: Vec<u8>) -> Self {
        match Self::inline(&body) {
            Some(frame) => frame,
            None => Self(Repr::Shared(body.into())),
        }
    }
}

impl From<String> for Frame {
    #[inline]
    fn from(body: String) -> Self {
        body.into_bytes().into()
    }
}

impl From<Bytes> for Frame {
    #[inline]
    fn from(body: Bytes) -> Self {
        Self::from_bytes(body)
    }
}

/// Prints up to 32 octets, escaped, and the length.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_MAX: usize = 32;
        let body = self.as_slice();
        let shown = body.get(..SHOWN_MAX).unwrap_or(body);
        let dots = if shown.len() < body.len() { "…" } else { "" };
        write!(f, "b\"{}\"{dots} ({} octets)", shown.escape_ascii(), body.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn short_bodies_are_held_in_place_and_long_ones_by_reference() {
        for len in [0, 1, FRAME_INLINE_MAX - 1, FRAME_INLINE_MAX] {
            let body = vec![7; len];
            for frame in [
                Frame::copy_from(&body),
                Frame::from_bytes(Bytes::from(body.clone())),
                Frame::from(body.clone()),
            ] {
                assert!(frame.shared().is_none(), "{len}");
                assert_eq!(frame.as_slice(), body);
                assert_eq!(frame.len(), len);
                assert_eq!(frame.is_empty(), len == 0);
                assert_eq!(frame.into_bytes(), body);
            }
        }
        let long = Bytes::from(vec![7; FRAME_INLINE_MAX + 1]);
        let frame = Frame::from_bytes(long.clone());
        assert_eq!(frame.shared().map(|shared| shared.as_ptr()), Some(long.as_ptr()), "not copied");
        assert_eq!(frame.clone().into_bytes().as_ptr(), long.as_ptr());
        assert_ne!(Frame::copy_from(&long).shared().map(|shared| shared.as_ptr()), Some(long.as_ptr()));
        let vec = vec![9; 4096];
        let address = vec.as_ptr();
        assert_eq!(Frame::from(vec).shared().map(|shared| shared.as_ptr()), Some(address));
    }

    #[test]
    fn equality_and_hash_look_at_the_octets_only() {
        let body = vec![b'x'; 100];
        let copied = Frame::copy_from(&body);
        assert_eq!(copied, Frame::from_bytes(Bytes::from(body.clone())));
        assert_eq!(copied, *body.as_slice());
        assert_eq!(copied, body.as_slice());
        let hello = Frame::from("hello");
        assert_eq!(hello, "hello");
        assert_eq!(hello, *b"hello");
        assert_eq!(hello, b"hello");
        assert_ne!(hello, "hell");
        assert_eq!(Frame::from(String::from("hello")), hello);
        assert_eq!(Frame::default(), "");
        let set: HashSet<Frame> = [hello.clone(), Frame::copy_from(b"hello")].into_iter().collect();
        assert_eq!(set.len(), 1);
        assert!(hello.starts_with(b"he"), "derefs to a slice");
    }

    #[test]
    fn debug_escapes_and_shortens() {
        assert_eq!(format!("{:?}", Frame::from(b"a\x00\"\n")), r#"b"a\x00\"\n" (4 octets)"#);
        let long = format!("{:?}", Frame::from(vec![b'a'; 1000]));
        assert_eq!(long, format!("b\"{}\"… (1000 octets)", "a".repeat(32)));
    }
}
