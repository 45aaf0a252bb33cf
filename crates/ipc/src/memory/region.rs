//! Octets that others may change at any moment.
#![expect(unsafe_code, reason = "mapped memory is reached through pointers; each block proves its access")]

use std::ffi::c_void;
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Octets that others may change at any moment: a mapping of a [`Segment`](crate::memory::Segment), or memory of this process in its place.
///
/// Access is by atomic words and by copies. Both check that they stay inside; a place outside is an error of the program (places
/// are computed from what was checked, never from what the other side wrote) and panics. A clone is the same memory.
#[derive(Clone)]
pub struct Region {
    base: NonNull<u8>,
    len: usize,
    writable: bool,
    _owner: Arc<Owner>,
}

enum Owner {
    Mapping { base: NonNull<c_void>, len: usize },
    // A vector and not a box: a box that moves claims its memory for itself alone.
    Process { _words: Vec<AtomicU64> },
}

// SAFETY: a region hands out atomics and copies, never references to plain octets, so threads may share it as processes do.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}
// SAFETY: the owner only keeps the memory alive; the pointer in it is used for nothing but munmap at the end.
unsafe impl Send for Owner {}
// SAFETY: as above.
unsafe impl Sync for Owner {}

impl Region {
    /// Takes over a mapping.
    ///
    /// # Safety
    ///
    /// `base` is the beginning of a mapping of `len` octets that can be read (and written, if it is `writable`), that nobody else unmaps,
    /// and the file below which does not become shorter (or this process accepts to be killed by SIGBUS then).
    pub(super) unsafe fn from_mapping(base: NonNull<c_void>, len: usize, writable: bool) -> Self {
        Self { base: base.cast(), len, writable, _owner: Arc::new(Owner::Mapping { base, len }) }
    }

    /// Makes a region of this process's own memory, all zero: for threads, and for tests of what else runs between processes.
    #[must_use]
    pub fn in_process(len: usize) -> Self {
        let words: Vec<AtomicU64> = (0..len.div_ceil(8)).map(|_| AtomicU64::new(0)).collect();
        let base = NonNull::from(words.as_slice()).cast();
        Self { base, len, writable: true, _owner: Arc::new(Owner::Process { _words: words }) }
    }

    /// Returns how many octets there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no region is empty")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns the word at this place, which must be a multiple of four. The region must be writable.
    #[inline]
    #[must_use]
    pub fn word32(&self, at: usize) -> &AtomicU32 {
        assert!(self.writable && at.is_multiple_of(4) && self.holds(at, 4), "no word at {at}");
        // SAFETY: inside and aligned (the base is aligned to eight octets at least), alive as long as the owner, which `self` keeps; all
        // access to this memory is atomic or by copy through pointers.
        unsafe { AtomicU32::from_ptr(self.base.as_ptr().add(at).cast()) }
    }

    /// Returns the double word at this place, which must be a multiple of eight. The region must be writable.
    #[inline]
    #[must_use]
    pub fn word64(&self, at: usize) -> &AtomicU64 {
        assert!(self.writable && at.is_multiple_of(8) && self.holds(at, 8), "no double word at {at}");
        // SAFETY: as in `word32`.
        unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(at).cast()) }
    }

    /// Reads the word at this place, which must be a multiple of four; the region may be read-only.
    #[inline]
    #[must_use]
    pub fn load32(&self, at: usize, order: Ordering) -> u32 {
        self.readable32(at).load(order)
    }

    /// Reads the double word at this place, which must be a multiple of eight; the region may be read-only.
    #[inline]
    #[must_use]
    pub fn load64(&self, at: usize, order: Ordering) -> u64 {
        assert!(at.is_multiple_of(8) && self.holds(at, 8), "no double word at {at}");
        // SAFETY: as in `word32`. Loads of one word's size do not write, so they are fine on read-only pages.
        unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(at).cast()) }.load(order)
    }

    /// A word that is read only: for loads, and for the kernel to watch.
    #[inline]
    pub(super) fn readable32(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(4) && self.holds(at, 4), "no word at {at}");
        // SAFETY: as in `word32`. Loads of one word's size do not write, so they are fine on read-only pages.
        unsafe { AtomicU32::from_ptr(self.base.as_ptr().add(at).cast()) }
    }

    /// Copies octets to this place.
    #[inline]
    pub fn write(&self, at: usize, octets: &[u8]) {
        assert!(self.writable && self.holds(at, octets.len()), "{} octets at {at}", octets.len());
        // SAFETY: inside and writable; `octets` is ordinary memory, which does not overlap with memory that has no references to it.
        unsafe { ptr::copy_nonoverlapping(octets.as_ptr(), self.base.as_ptr().add(at), octets.len()) }
    }

    /// Copies octets from this place.
    #[inline]
    pub fn read(&self, at: usize, into: &mut [u8]) {
        assert!(self.holds(at, into.len()), "{} octets at {at}", into.len());
        // SAFETY: inside; `into` is ordinary memory, which does not overlap with memory that has no references to it.
        unsafe { ptr::copy_nonoverlapping(self.base.as_ptr().add(at), into.as_mut_ptr(), into.len()) }
    }

    /// Copies `len` octets from this place to the end of `into`.
    #[inline]
    pub fn append_to(&self, at: usize, len: usize, into: &mut Vec<u8>) {
        assert!(self.holds(at, len), "{len} octets at {at}");
        into.reserve(len);
        // SAFETY: inside; room for `len` octets behind the vector's end was reserved, and they are written before the length says so.
        unsafe {
            ptr::copy_nonoverlapping(self.base.as_ptr().add(at), into.as_mut_ptr().add(into.len()), len);
            into.set_len(into.len() + len);
        }
    }

    /// Copies octets to this place, a multiple of eight, by whole words: up to seven octets behind them become zero. Unlike
    /// [`write`](Self::write), this may meet a [`load_octets`](Self::load_octets) of the same place; that one then gets some of each.
    pub fn store_octets(&self, at: usize, octets: &[u8]) {
        for (octets, at) in octets.chunks(8).zip((at..).step_by(8)) {
            let mut word = [0; 8];
            word[..octets.len()].copy_from_slice(octets);
            self.word64(at).store(u64::from_ne_bytes(word), Ordering::Relaxed);
        }
    }

    /// Copies octets from this place, a multiple of eight, by whole words; see [`store_octets`](Self::store_octets).
    pub fn load_octets(&self, at: usize, into: &mut [u8]) {
        for (octets, at) in into.chunks_mut(8).zip((at..).step_by(8)) {
            let word = self.load64(at, Ordering::Relaxed).to_ne_bytes();
            octets.copy_from_slice(&word[..octets.len()]);
        }
    }

    /// Returns a pointer to `len` octets at this place.
    pub(super) fn pointer(&self, at: usize, len: usize) -> NonNull<u8> {
        assert!(self.holds(at, len), "{len} octets at {at}");
        // SAFETY: inside the one allocation or mapping that `base` begins.
        unsafe { self.base.add(at) }
    }

    #[inline]
    fn holds(&self, at: usize, len: usize) -> bool {
        at <= self.len && len <= self.len - at
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Self::Mapping { base, len } = *self {
            // SAFETY: the mapping was handed over to this owner, and no region, so no reference into it, is left. The call can fail for
            // arguments only that never were a mapping.
            let _ = unsafe { rustix::mm::munmap(base.as_ptr(), len) };
        }
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region")
            .field("len", &self.len)
            .field("writable", &self.writable)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_copies_are_the_same_memory() {
        let region = Region::in_process(20);
        let same = region.clone();
        region.write(8, &[1, 0, 0, 0, 2]);
        assert_eq!(same.word32(8).load(Ordering::Relaxed), u32::from_ne_bytes([1, 0, 0, 0]));
        same.word64(0).store(u64::MAX, Ordering::Relaxed);
        let mut octets = vec![9];
        region.append_to(7, 6, &mut octets);
        assert_eq!(octets, [9, 255, 1, 0, 0, 0, 2]);
        region.read(12, &mut octets[..2]);
        assert_eq!(octets[..2], [2, 0]);
        assert_eq!(region.load32(16, Ordering::Relaxed), 0);
        assert_eq!(region.load64(0, Ordering::Relaxed), u64::MAX);
        region.write(20, &[]);
    }

    #[test]
    fn octets_go_word_by_word() {
        let region = Region::in_process(32);
        for len in 0..=24_u8 {
            let octets: Vec<u8> = (1..=len).collect();
            region.store_octets(8, &octets);
            let mut same = vec![0xee; octets.len()];
            region.load_octets(8, &mut same);
            assert_eq!(same, octets);
            region.read(8, &mut same);
            assert_eq!(same, octets);
        }
        assert_eq!(region.load64(0, Ordering::Relaxed), 0);
    }

    #[test]
    fn nothing_outside_is_reached() {
        type Access = fn(&Region);
        let accesses: [(&str, Access); 9] = [
            ("a word behind the end", |region| _ = region.word32(20)),
            ("a word across the end", |region| _ = region.word64(16)),
            ("a crooked word", |region| _ = region.word32(2)),
            ("a crooked double word", |region| _ = region.load64(4, Ordering::Relaxed)),
            ("a load far away", |region| _ = region.load32(usize::MAX - 3, Ordering::Relaxed)),
            ("a write across the end", |region| region.write(19, b"ab")),
            ("a read across the end", |region| region.read(1, &mut [0; 20])),
            ("a length that wraps around", |region| region.append_to(8, usize::MAX - 4, &mut Vec::new())),
            ("a pointer", |region| _ = region.pointer(21, 0)),
        ];
        for (what, access) in accesses {
            let region = Region::in_process(20);
            std::panic::catch_unwind(move || access(&region)).expect_err(what);
        }
    }
}
