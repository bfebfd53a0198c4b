//! A set of inodes that answers "is this one wanted?" a hundred thousand times.

use facts::Inode;

/// An open-addressing hash set. Inode 0 is never in it: the kernel uses it for "none".
///
/// Of `/proc/PID/fd` walks nearly all questions are answered "no"; with at most half of the slots
/// taken, one multiplication and on average one and a half comparisons answer them.
#[derive(Clone, Debug)]
pub(super) struct InodeSet {
    /// A power of two of slots, 0 for a free one.
    slots: Vec<u64>,
    /// How far to shift a 64-bit hash so that a slot number remains.
    shift: u32,
}

impl InodeSet {
    /// The set of these inodes.
    pub(super) fn new(inodes: &[Inode]) -> Self {
        let size = (inodes.len().saturating_mul(2)).next_power_of_two().max(8);
        let mut set = Self { slots: vec![0; size], shift: 64 - size.trailing_zeros() };
        for inode in inodes.iter().filter(|inode| inode.0 != 0) {
            if let Err(free) = set.find(inode.0)
                && let Some(slot) = set.slots.get_mut(free)
            {
                *slot = inode.0;
            }
        }
        set
    }

    /// Whether the set has this inode.
    pub(super) fn contains(&self, inode: Inode) -> bool {
        inode.0 != 0 && self.find(inode.0).is_ok()
    }

    /// The slot of an inode, or the free slot where it would be.
    fn find(&self, inode: u64) -> Result<usize, usize> {
        // Fibonacci hashing (Knuth, TAOCP 6.4): socket inodes are consecutive numbers.
        let hash = inode.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift;
        let mut at = usize::try_from(hash).unwrap_or_default();
        loop {
            match self.slots.get(at) {
                Some(0) => return Err(at),
                Some(slot) if *slot == inode => return Ok(at),
                Some(_) => at += 1,
                // Half of the slots are free, so this goes round at most once.
                None => at = 0,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn edges() {
        assert!(!InodeSet::new(&[]).contains(Inode(1)));
        assert!(!InodeSet::new(&[Inode(0)]).contains(Inode(0)));
        assert!(InodeSet::new(&[Inode(u64::MAX)]).contains(Inode(u64::MAX)));
    }

    proptest! {
        #[test]
        fn agrees_with_a_list(inodes in proptest::collection::vec(1_u64..500, 0..200)) {
            let list: Vec<Inode> = inodes.iter().copied().map(Inode).collect();
            let set = InodeSet::new(&list);
            for inode in (0..500).map(Inode) {
                prop_assert_eq!(set.contains(inode), list.contains(&inode));
            }
        }
    }
}
