//! Files with holes: GNU's old header, and its PAX formats 0.0, 0.1 and 1.0. The data of such a
//! file is stored without the holes, and a map says where each piece belongs.

use std::io::{self, Read};

use tar::{EntryType, GnuExtSparseHeader, GnuSparseHeader, Header};

use super::pax::{self, Sparse};
use super::{BLOCK, Member, Tarball, bad};

/// Most pieces of one file: 16 MiB of map.
const EXTENTS_MAX: usize = 1024 * 1024;

/// A piece of data in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl<R: Read> Tarball<R> {
    /// Gives `member` its map, where it has one.
    pub(super) fn find_holes(
        &mut self,
        header: &Header,
        member: &mut Member,
        sparse: Sparse,
    ) -> io::Result<()> {
        let (extents, size) = if header.entry_type() == EntryType::GNUSparse {
            self.old_map(header)?
        } else if let Some(size) = sparse.size {
            let numbers = match sparse.numbers {
                _ if sparse.map_in_data => self.map_in_data()?,
                Some(numbers) => numbers,
                None => return Err(bad("a sparse file has no map")),
            };
            (pairs(&numbers)?, size)
        } else {
            return Ok(());
        };
        check(&extents, size, self.data_left)?;
        member.size = size;
        member.stored = self.data_left;
        member.extents = Some(extents);
        Ok(())
    }

    fn old_map(&mut self, header: &Header) -> io::Result<(Vec<Extent>, u64)> {
        let gnu = header.as_gnu().ok_or_else(|| bad("a sparse file has no header of GNU"))?;
        let mut extents = Vec::new();
        take(&gnu.sparse, &mut extents)?;
        let mut more = gnu.is_extended();
        while more {
            let block = self.block()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let mut extended = GnuExtSparseHeader::new();
            extended.as_mut_bytes().copy_from_slice(&block);
            take(&extended.sparse, &mut extents)?;
            more = extended.is_extended();
        }
        Ok((extents, super::number(gnu.real_size())?))
    }

    /// Lines of decimals before the data: how many pieces, then offset and length of each.
    fn map_in_data(&mut self) -> io::Result<Vec<u64>> {
        let mut text = Lines { source: self, block: [0; BLOCK], at: BLOCK };
        let n_extents = usize::try_from(text.number()?).unwrap_or(usize::MAX);
        if n_extents > EXTENTS_MAX {
            return Err(bad("a sparse file has too many pieces"));
        }
        (0..n_extents * 2).map(|_| text.number()).collect()
    }
}

/// Reads decimals, a line each, from whole blocks.
struct Lines<'a, R> {
    source: &'a mut Tarball<R>,
    block: [u8; BLOCK],
    at: usize,
}

impl<R: Read> Lines<'_, R> {
    fn number(&mut self) -> io::Result<u64> {
        let mut digits = Vec::new();
        loop {
            if self.at == BLOCK {
                self.source.read_exact(&mut self.block)?;
                self.at = 0;
            }
            let byte = self.block.get(self.at).copied().unwrap_or(b'\n');
            self.at += 1;
            match byte {
                b'\n' => return pax::decimal(&digits),
                _ if digits.len() < 20 => digits.push(byte),
                _ => return Err(bad("the map of a sparse file is none")),
            }
        }
    }
}

fn take(headers: &[GnuSparseHeader], extents: &mut Vec<Extent>) -> io::Result<()> {
    for header in headers.iter().filter(|header| !header.is_empty()) {
        let (offset, length) = (super::number(header.offset())?, super::number(header.length())?);
        extents.push(Extent { offset, length });
    }
    if extents.len() > EXTENTS_MAX { Err(bad("a sparse file has too many pieces")) } else { Ok(()) }
}

fn pairs(numbers: &[u64]) -> io::Result<Vec<Extent>> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(bad("the map of a sparse file has half a pair"));
    }
    Ok(pairs.iter().map(|[offset, length]| Extent { offset: *offset, length: *length }).collect())
}

/// Pieces are in order, do not meet, lie in the file, and are all of the data.
fn check(extents: &[Extent], size: u64, stored: u64) -> io::Result<()> {
    let (mut end, mut total) = (0_u64, 0_u64);
    for extent in extents {
        let next = extent.offset.checked_add(extent.length);
        match next {
            Some(next) if extent.offset >= end && next <= size => end = next,
            Some(_) | None => return Err(bad("the map of a sparse file is out of order")),
        }
        total += extent.length; // at most `size`, since the pieces do not meet
    }
    if total == stored {
        Ok(())
    } else {
        Err(bad("the map of a sparse file is not that of its data"))
    }
}
