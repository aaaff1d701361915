//! Chance with a seed, and the changes that it makes to samples.

/// A generator of numbers; the same seed gives the same ones.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

/// Numbers at which integers turn over or limits lie.
const EDGES: &[u64] = &[
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
];

/// Longest input, in bytes.
const BYTES_MAX: usize = 64 * 1024;

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`; 0 where that is 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % (limit.max(1) as u64)) as usize
    }

    fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    fn one_of<'a>(&mut self, of: &'a [Vec<u8>]) -> &'a [u8] {
        of.get(self.below(of.len())).map_or(&[], Vec::as_slice)
    }

    /// A sample with one to sixteen changes; now and then no sample at all. Half of them are among
    /// the `n_given` first, which are still valid.
    pub(crate) fn input(
        &mut self,
        samples: &[Vec<u8>],
        n_given: usize,
        words: &[Vec<u8>],
    ) -> Vec<u8> {
        if self.below(100) == 0 {
            return (0..self.below(300)).map(|_| self.byte()).collect();
        }
        let given = samples.get(..n_given).unwrap_or(samples);
        let mut input =
            if self.below(2) == 0 { self.one_of(given) } else { self.one_of(samples) }.to_vec();
        for _ in 0..1 << self.below(5) {
            self.change(&mut input, samples, words);
        }
        input.truncate(BYTES_MAX);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, samples: &[Vec<u8>], words: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        let n = 1 + self.below(16);
        let end = (at + n).min(input.len());
        match self.below(11) {
            0 => self.each(input, at, 1, |dice, byte| byte ^ (1 << dice.below(8))),
            1 => self.each(input, at, n, |dice, _| dice.byte()),
            2 => self.each(input, at, 1, |dice, byte| {
                byte.wrapping_add(dice.below(9) as u8).wrapping_sub(4)
            }),
            3 => drop(input.drain(at..end)),
            4 => input.truncate(at),
            5 => {
                let piece = input[at..end].to_vec();
                let times = 1 << self.below(8);
                drop(input.splice(at..at, piece.repeat(times)));
            }
            6 => {
                let other = self.one_of(samples).to_vec();
                let begin = self.below(other.len() + 1);
                let stop = begin + self.below(other.len() - begin + 1);
                drop(input.splice(at..end, other[begin..stop].iter().copied()));
            }
            7 => {
                let word = self.one_of(words).to_vec();
                drop(input.splice(at..at, word));
            }
            8 => {
                let bytes = EDGES[self.below(EDGES.len())].to_le_bytes();
                let width = 1 << self.below(4);
                for (to, from) in input.iter_mut().skip(at).zip(bytes.into_iter().take(width)) {
                    *to = from;
                }
            }
            9 => {
                let text = EDGES[self.below(EDGES.len())].to_string();
                drop(input.splice(at..at, text.into_bytes()));
            }
            _ => {
                let noise: Vec<u8> = (0..n).map(|_| self.byte()).collect();
                drop(input.splice(at..at, noise));
            }
        }
    }

    fn each(&mut self, input: &mut [u8], at: usize, n: usize, new: impl Fn(&mut Self, u8) -> u8) {
        for byte in input.iter_mut().skip(at).take(n) {
            *byte = new(self, *byte);
        }
    }
}
