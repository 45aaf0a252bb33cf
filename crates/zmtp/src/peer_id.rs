//! The number by which a socket knows one of its peers.

/// Names one peer of one socket.
///
/// It is a dense slot number: the engine counts from zero and gives a number out again once its peer has been
/// removed everywhere. Tables indexed by it stay as short as the largest number of simultaneous peers, and
/// finding an entry takes no hashing. It never appears on the wire; the address an application sees is the peer's
/// *identity*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u32);

impl PeerId {
    /// Returns the number as an index into a table of peers.
    #[inline]
    #[must_use]
    pub const fn index(self) -> usize {
        // Widens: Tamtam supports no platform whose pointers are narrower than 32 bits.
        self.0 as usize
    }
}

const _: () = assert!(size_of::<usize>() >= size_of::<u32>());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_ordered_and_indexes_by_its_number() {
        assert_eq!(PeerId(0).index(), 0);
        assert_eq!(PeerId(u32::MAX).index(), u32::MAX as usize);
        assert!(PeerId(1) < PeerId(2));
    }
}
