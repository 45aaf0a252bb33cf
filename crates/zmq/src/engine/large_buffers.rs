//! Memory for large messages that is used again.
//!
//! An allocator gives large pieces of memory back to the kernel when they are freed, as glibc's does, and pages that are fetched anew fault one by
//! one: for a message of 1 MiB that takes longer than to copy it. So a socket holds on to the last few large buffers that it
//! has read into, and takes one of them again once nothing refers to it any more.

use std::time::Duration;

use bytes::BytesMut;

/// Buffers that were not used for so long go back to the allocator.
pub(crate) const REST: Duration = Duration::from_millis(500);

/// A handle keeps memory alive, so it says how much.
#[derive(Debug)]
struct Kept {
    /// Empty, at the end of the allocation.
    handle: BytesMut,
    capacity: usize,
}

/// The last large buffers of a socket, most of them lent out.
#[derive(Debug, Default)]
pub(crate) struct LargeBuffers {
    kept: Vec<Kept>,
    /// Whether one was taken since [`rest`](Self::rest) was last called.
    used: bool,
    /// Whether somebody will call it.
    is_watched: bool,
}

impl LargeBuffers {
    /// As many as one end of a conversation has in its hands: one that is read into, one that the application looks at, one
    /// that is on its way back.
    const KEPT: usize = 3;
    /// Larger buffers are left to the allocator.
    const LARGEST: usize = 4 * 1024 * 1024;

    /// Returns an empty buffer with room for `room` bytes: one that was used before, if nothing of it is in use.
    pub(crate) fn take(&mut self, room: usize) -> BytesMut {
        if room > Self::LARGEST {
            return BytesMut::with_capacity(room);
        }
        self.used = true;
        for kept in &mut self.kept {
            // What a short message keeps alive is in proportion to it.
            if (room..=room.saturating_mul(2)).contains(&kept.capacity) && kept.handle.try_reclaim(room) {
                return kept.lend();
            }
        }
        let mut fresh = Kept { capacity: 0, handle: BytesMut::with_capacity(room) };
        let buffer = fresh.lend();
        if self.kept.len() >= Self::KEPT {
            self.kept.remove(0);
        }
        self.kept.push(fresh);
        buffer
    }

    /// Returns whether the caller is to see to it that [`rest`](Self::rest) is called after [`REST`]; says so once.
    #[inline]
    pub(crate) fn begins(&mut self) -> bool {
        self.used && !std::mem::replace(&mut self.is_watched, true)
    }

    /// Gives everything up if nothing was taken since the last time. Returns whether to call again after [`REST`].
    pub(crate) fn rest(&mut self) -> bool {
        self.is_watched = std::mem::take(&mut self.used);
        if !self.is_watched {
            self.clear();
        }
        self.is_watched
    }

    /// Gives everything up.
    pub(crate) fn clear(&mut self) {
        self.kept = Vec::new();
    }
}

impl Kept {
    /// Parts with the memory, and stays at its end.
    fn lend(&mut self) -> BytesMut {
        self.capacity = self.handle.capacity();
        let end = self.handle.split_off(self.capacity);
        std::mem::replace(&mut self.handle, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(buffers: &mut LargeBuffers, room: usize) -> bytes::Bytes {
        let mut buffer = buffers.take(room);
        assert!(buffer.is_empty() && buffer.capacity() >= room);
        buffer.resize(room, 7);
        buffer.freeze()
    }

    #[test]
    fn memory_is_used_again_once_nothing_refers_to_it() {
        let mut buffers = LargeBuffers::default();
        let first = filled(&mut buffers, 100_000);
        let place = first.as_ptr();
        let part = first.slice(99_000..);
        drop(first);
        let second = filled(&mut buffers, 100_000);
        assert_ne!(second.as_ptr(), place, "a part of it is in use");
        drop(part);
        assert_eq!(filled(&mut buffers, 90_000).as_ptr(), place);
        let small = filled(&mut buffers, 40_000);
        assert_ne!(small.as_ptr(), place, "a small message is not to keep much memory");
        drop((second, small));
        assert!(buffers.begins() && !buffers.begins());
        assert!(buffers.rest(), "used since");
        assert!(!buffers.rest());
        assert!(buffers.kept.is_empty());
        assert!(!buffers.begins(), "nobody has used it since");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut buffers = LargeBuffers::default();
        let all: Vec<_> = (1..20).map(|i| filled(&mut buffers, i * 200_000)).collect();
        drop(all);
        let _huge = filled(&mut buffers, LargeBuffers::LARGEST + 1);
        assert!(buffers.kept.len() <= LargeBuffers::KEPT);
        assert!(buffers.kept.iter().all(|kept| kept.capacity <= LargeBuffers::LARGEST * 2));
    }
}
