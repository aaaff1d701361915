//! Which addresses of a range are given out. It is a bitmap in memory and nothing else: whoever
//! owns it fills it anew at start from the files of the containers that are there, by [`Pool::hold`].
//!
//! An address that came back is the last to be given out again. The kernel takes a dead
//! container's link away a moment after the container is gone, and until then a successor with the
//! same address would be in its way.

use std::net::Ipv4Addr;

use crate::range::Range;

/// The addresses of one bridge.
#[derive(Debug, Clone)]
pub struct Pool {
    range: Range,
    /// One bit for each address, by its offset in the range; set means given out.
    held: Vec<u64>,
    /// Where the search for a free one begins.
    next: u32,
    n_free: u32,
}

impl Pool {
    /// All addresses of the range are free, but for those that are not for containers: the
    /// network's own, the gateway's, those of the trial and the broadcast's.
    #[must_use]
    pub fn new(range: Range) -> Self {
        let n = range.n_addresses();
        let words = usize::try_from(n.div_ceil(u64::BITS)).unwrap_or(0);
        let mut pool = Self { range, held: vec![0; words], next: 2, n_free: n };
        for address in [range.network(), range.gateway(), range.broadcast()] {
            pool.mark(address);
        }
        for address in range.reserved_for_trial() {
            pool.mark(address);
        }
        pool.next = 2;
        pool
    }

    /// Gives out an address, or none when all are given out.
    #[must_use]
    pub fn take(&mut self) -> Option<Ipv4Addr> {
        if self.n_free == 0 {
            return None;
        }
        let n = self.range.n_addresses();
        let mut offset = self.next;
        for _ in 0..n {
            if offset >= n {
                offset = 0;
            }
            if !self.is_held_at(offset) {
                let address = self.range.at(offset)?;
                self.mark(address);
                return Some(address);
            }
            offset += 1;
        }
        None
    }

    /// Marks an address that a container has from before. False if it was given out already or is
    /// none of the range's: then the container has no claim to it.
    pub fn hold(&mut self, address: Ipv4Addr) -> bool {
        self.mark(address)
    }

    /// Takes an address back; one that was not given out, or is never given out, changes nothing.
    pub fn give_back(&mut self, address: Ipv4Addr) {
        let Some(offset) = self.range.offset_of(address) else { return };
        let reserved = self.range.n_addresses().saturating_sub(4);
        if offset < 2 || offset >= reserved || !self.is_held_at(offset) {
            return;
        }
        if let Some((word, bit)) = self.bit(offset) {
            *word &= !bit;
            self.n_free += 1;
        }
    }

    /// How many are left.
    #[must_use]
    pub fn n_free(&self) -> u32 {
        self.n_free
    }

    /// The range they are of.
    #[must_use]
    pub fn range(&self) -> Range {
        self.range
    }

    fn mark(&mut self, address: Ipv4Addr) -> bool {
        let Some(offset) = self.range.offset_of(address) else { return false };
        if self.is_held_at(offset) {
            return false;
        }
        let Some((word, bit)) = self.bit(offset) else { return false };
        *word |= bit;
        self.n_free -= 1;
        self.next = offset + 1;
        true
    }

    fn is_held_at(&self, offset: u32) -> bool {
        let word = usize::try_from(offset / u64::BITS).ok().and_then(|at| self.held.get(at));
        word.is_none_or(|word| word & (1 << (offset % u64::BITS)) != 0)
    }

    fn bit(&mut self, offset: u32) -> Option<(&mut u64, u64)> {
        let at = usize::try_from(offset / u64::BITS).ok()?;
        self.held.get_mut(at).map(|word| (word, 1 << (offset % u64::BITS)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn pool(text: &str) -> Pool {
        Pool::new(text.parse().unwrap())
    }

    #[test]
    fn the_first_is_the_one_after_the_gateway() {
        let mut pool = pool("10.213.16.0/20");
        assert_eq!(pool.take(), Some(Ipv4Addr::new(10, 213, 16, 2)));
        assert_eq!(pool.n_free(), 4096 - 7);
    }

    #[test]
    fn an_address_that_came_back_is_the_last_to_be_given_again() {
        let mut pool = pool("10.213.0.0/28");
        let first = pool.take().unwrap();
        pool.give_back(first);
        let mut others = Vec::new();
        while let Some(address) = pool.take() {
            others.push(address);
        }
        assert_eq!(others.len(), 10);
        assert_eq!(others.last(), Some(&first));
    }

    #[derive(Debug, Clone)]
    enum Deed {
        Take,
        Hold(u32),
        GiveBack(u32),
    }

    fn deeds() -> impl Strategy<Value = Vec<Deed>> {
        let deed = prop_oneof![
            3 => Just(Deed::Take),
            1 => (0_u32..40).prop_map(Deed::Hold),
            2 => (0_u32..40).prop_map(Deed::GiveBack),
        ];
        proptest::collection::vec(deed, 0..200)
    }

    proptest! {
        /// A plain set is the model: nobody gets an address that another has, none is lost, and
        /// those that are not for containers are never given out, whatever is held or returned.
        #[test]
        fn no_address_is_given_twice_and_none_is_lost(deeds in deeds(), prefix in 27_u8..=29) {
            let base = Ipv4Addr::new(10, 213, 0, 0);
            let range = Range::around(base, prefix);
            let n = range.n_addresses();
            let usable: BTreeSet<_> = (2..n - 4).filter_map(|offset| range.at(offset)).collect();
            let nth = |offset: u32| Ipv4Addr::from(u32::from(base) + offset);
            let mut pool = Pool::new(range);
            let mut held = BTreeSet::new();
            for deed in deeds {
                match deed {
                    Deed::Take => match pool.take() {
                        Some(address) => {
                            prop_assert!(usable.contains(&address), "{address}");
                            prop_assert!(held.insert(address), "{address} is given twice");
                        }
                        None => prop_assert_eq!(&held, &usable),
                    },
                    Deed::Hold(offset) => {
                        let is_new = usable.contains(&nth(offset)) && !held.contains(&nth(offset));
                        prop_assert_eq!(pool.hold(nth(offset)), is_new);
                        if is_new {
                            held.insert(nth(offset));
                        }
                    }
                    Deed::GiveBack(offset) => {
                        pool.give_back(nth(offset));
                        held.remove(&nth(offset));
                    }
                }
                prop_assert_eq!(usize::try_from(pool.n_free()).unwrap(), usable.len() - held.len());
            }
        }

        /// What a restarted server does: the same addresses held in any order give the same pool.
        #[test]
        fn a_pool_is_rebuilt_from_what_is_held(taken in proptest::collection::btree_set(2_u32..28, 0..=26)) {
            let range: Range = "10.213.0.0/27".parse().unwrap();
            let mut pool = Pool::new(range);
            for offset in taken.iter().rev() {
                prop_assert!(pool.hold(range.at(*offset).unwrap()));
            }
            let mut rest = BTreeSet::new();
            while let Some(address) = pool.take() {
                rest.insert(range.offset_of(address).unwrap());
            }
            prop_assert!(rest.is_disjoint(&taken));
            prop_assert_eq!(rest.len() + taken.len(), 26);
        }
    }
}
