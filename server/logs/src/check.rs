//! Tells what was written from what was not: torn writes, pages of zeros, flipped bits. It is no
//! defence against somebody who can write our files, and no standard hash, because it must cost little
//! beside the copying of a line and a standard one of this speed takes a page of code.

/// An odd number with half of its bits set, without a pattern: 2^64 divided by the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hash of all `parts`, each in words of 8 bytes with zeros after its end; whoever hashes a part
/// of changing length hashes the length too. `seed` keeps the same bytes in two logs apart.
///
/// A step can be undone, both from its word and from the hash before, so that a change in a single
/// word always shows in the 64 bits.
pub(crate) fn hash(seed: u64, parts: &[&[u8]]) -> u64 {
    let mut hash = step(FACTOR, seed);
    for part in parts {
        let (words, rest) = part.as_chunks::<8>();
        for word in words {
            hash = step(hash, u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            hash = step(hash, u64::from_le_bytes(word));
        }
    }
    hash
}

fn step(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word).wrapping_mul(FACTOR);
    product ^ (product >> 32)
}

/// The check of all `parts` in sequence.
pub(crate) fn check(seed: u64, parts: &[&[u8]]) -> u32 {
    let [a, b, c, d, ..] = hash(seed, parts).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_and_every_length_of_zeros_shows() {
        let bytes: Vec<u8> = (0..100_u8).map(|n| n.wrapping_mul(7)).collect();
        let good = check(1, &[&bytes]);
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert_ne!(check(1, &[&flipped]), good, "bit {at}");
            for also in 0..at {
                let mut twice = flipped.clone();
                twice[also / 8] ^= 1 << (also % 8);
                assert_ne!(check(1, &[&twice]), good, "bits {at} and {also}");
            }
        }
        assert_ne!(check(2, &[&bytes]), good);
        for n in 0..100 {
            assert_ne!(check(0, &[&vec![0; n]]), 0);
        }
    }

    #[test]
    fn a_check_in_a_file_of_today_is_the_same_tomorrow() {
        // The number comes from a second program, written after the comments above.
        assert_eq!(check(0, &[]), check(0, &[b""]));
        assert_eq!(hash(7, &[b"gofer", b"123456789"]), 0x2746_a535_915a_0dc6);
    }
}
