//! Reads tar archives, one member after the other, in bounded memory: ustar, GNU long names and
//! sparse files, PAX records. Blocks are parsed by the `tar` crate; the order of blocks is walked
//! here, because records of PAX hold any bytes (a capability may hold a line end) and because a
//! hostile archive must not decide how much memory a name takes.
//!
//! A member that says one thing in two ways is read as Docker reads it: PAX over the header, GNU
//! long names over both, no data for kinds that have none.

mod pax;
mod sparse;

use std::io::{self, Read};

use tar::{EntryType, Header};

use crate::error::ImageError;
use pax::Pax;
pub(crate) use sparse::Extent;

pub(crate) const BLOCK: usize = 512;
/// Most bytes of the names and records before one member.
const EXTRAS_BYTES_MAX: u64 = 1024 * 1024;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink,
    HardLink,
    Fifo,
    /// A block or a character device.
    Device,
    /// What nobody knows, by the byte that names it.
    Other(u8),
}

/// One member, without its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) kind: Kind,
    /// As it stands in the archive, unchecked.
    pub(crate) path: Vec<u8>,
    /// What a link leads to.
    pub(crate) link: Vec<u8>,
    /// Permissions, with setuid, setgid and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: Time,
    /// Bytes of the file; holes count.
    pub(crate) size: u64,
    /// Bytes of data in the archive.
    pub(crate) stored: u64,
    /// Where the data lies in the file, if it has holes.
    pub(crate) extents: Option<Vec<Extent>>,
    pub(crate) xattrs: Vec<Xattr>,
}

/// Name and value of an extended attribute.
pub(crate) type Xattr = (Vec<u8>, Vec<u8>);

/// Seconds since the epoch, and a part of one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Time {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

/// Passes over so many bytes of the input.
type Skip<R> = fn(&mut R, u64) -> io::Result<()>;

/// An archive that is being read. As a reader it gives the data of the member at hand.
pub(crate) struct Tarball<R> {
    input: R,
    skip: Skip<R>,
    /// Bytes from the start of the archive.
    position: u64,
    /// Data of this member that was not read yet.
    data_left: u64,
    /// What fills its last block.
    padding: u64,
}

impl<R: Read> Tarball<R> {
    pub(crate) fn new(input: R) -> Self {
        Self::with_skip(input, |input, n_bytes| {
            let n = io::copy(&mut input.take(n_bytes), &mut io::sink())?;
            if n < n_bytes { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
        })
    }

    /// For an input that can pass over data without reading it.
    pub(crate) fn with_skip(input: R, skip: Skip<R>) -> Self {
        Self { input, skip, position: 0, data_left: 0, padding: 0 }
    }

    /// Where the data of the member at hand begins.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next member; none at the end of the archive. Data of the last one that nobody read is
    /// passed over.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, ImageError> {
        let read = self.next_inner();
        read.map_err(|error| {
            ImageError::reading(
                format!("could not read the archive at byte {}", self.position),
                error,
            )
        })
    }

    fn next_inner(&mut self) -> io::Result<Option<Member>> {
        let mut extras = Extras::default();
        loop {
            self.pass_over_rest()?;
            let Some(header) = self.header()? else {
                return if extras.empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            };
            if !self.take_extra(&header, &mut extras)? {
                return self.member(&header, extras).map(Some);
            }
        }
    }

    fn pass_over_rest(&mut self) -> io::Result<()> {
        let rest =
            self.data_left.checked_add(self.padding).ok_or_else(|| bad("a size is too large"))?;
        if rest > 0 {
            (self.skip)(&mut self.input, rest)?;
            self.position = self.position.saturating_add(rest);
        }
        self.data_left = 0;
        self.padding = 0;
        Ok(())
    }

    fn block(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut n_read = 0;
        while let Some(room) = block.get_mut(n_read..).filter(|room| !room.is_empty()) {
            match self.input.read(room) {
                Ok(0) if n_read == 0 => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => n_read += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.position = self.position.saturating_add(BLOCK as u64);
        Ok(Some(block))
    }

    fn header(&mut self) -> io::Result<Option<Header>> {
        let Some(block) = self.block()?.filter(|block| block.iter().any(|byte| *byte != 0)) else {
            return Ok(None);
        };
        let mut header = Header::new_old();
        header.as_mut_bytes().copy_from_slice(&block);
        if !sum_is_right(&header) {
            return Err(bad("a header's check sum is wrong"));
        }
        Ok(Some(header))
    }

    /// Takes in what describes a member to come; false where this is the member.
    fn take_extra(&mut self, header: &Header, extras: &mut Extras) -> io::Result<bool> {
        let kind = header.entry_type();
        let ours = kind == EntryType::XHeader
            || kind == EntryType::GNULongName
            || kind == EntryType::GNULongLink;
        if !ours && kind != EntryType::XGlobalHeader {
            return Ok(false);
        }
        self.begin_data(number(header.entry_size())?);
        if !ours {
            return Ok(true); // what holds for all members is not read: Docker does not either
        }
        extras.n_bytes = extras.n_bytes.saturating_add(self.data_left);
        if extras.n_bytes > EXTRAS_BYTES_MAX {
            return Err(
                ImageError::refused("a member has more than 1 MiB of names and records").into()
            );
        }
        let mut bytes = Vec::new();
        let n_bytes = self.data_left;
        self.by_ref().take(n_bytes).read_to_end(&mut bytes)?;
        if kind == EntryType::XHeader {
            extras.pax = Some(Pax::parse(&bytes)?);
        } else {
            let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
            let place =
                if kind == EntryType::GNULongName { &mut extras.name } else { &mut extras.link };
            *place = Some(name);
        }
        Ok(true)
    }

    fn begin_data(&mut self, size: u64) {
        self.data_left = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    fn member(&mut self, header: &Header, extras: Extras) -> io::Result<Member> {
        let pax = extras.pax.unwrap_or_default();
        let path = extras.name.or(pax.path).unwrap_or_else(|| header.path_bytes().into_owned());
        let kind = kind_of(header, &path);
        let stored = match pax.size {
            Some(size) => size,
            None => number(header.entry_size())?,
        };
        let has_data = matches!(kind, Kind::File | Kind::Other(_));
        self.begin_data(if has_data { stored } else { 0 });
        let mut member = Member {
            kind,
            path,
            link: extras.link.or(pax.link).unwrap_or_else(|| {
                header.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default()
            }),
            mode: header.mode().map_err(|error| bad(&error.to_string()))? & 0o7777,
            uid: id(pax.uid.map_or_else(|| number(header.uid()), Ok)?)?,
            gid: id(pax.gid.map_or_else(|| number(header.gid()), Ok)?)?,
            mtime: match pax.mtime {
                Some(mtime) => mtime,
                None => Time {
                    seconds: i64::try_from(number(header.mtime())?).unwrap_or(i64::MAX),
                    nanoseconds: 0,
                },
            },
            size: self.data_left,
            stored: self.data_left,
            extents: None,
            xattrs: pax.xattrs,
        };
        if kind == Kind::File {
            self.find_holes(header, &mut member, pax.sparse)?;
        }
        Ok(member)
    }
}

impl<R: Read> Read for Tarball<R> {
    /// Fails where the archive ends before the data does.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.data_left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(room) = buffer.get_mut(..room).filter(|room| !room.is_empty()) else {
            return Ok(0);
        };
        let n = self.input.read(room)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.data_left -= n as u64;
        self.position = self.position.saturating_add(n as u64);
        Ok(n)
    }
}

/// What came before a member.
#[derive(Default)]
struct Extras {
    pax: Option<Pax>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    n_bytes: u64,
}

impl Extras {
    fn empty(&self) -> bool {
        self.pax.is_none() && self.name.is_none() && self.link.is_none()
    }
}

fn kind_of(header: &Header, path: &[u8]) -> Kind {
    match header.entry_type().as_byte() {
        0 if path.ends_with(b"/") => Kind::Directory, // from before there were kinds
        b'0' | 0 | b'7' | b'S' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' | b'4' => Kind::Device,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        other => Kind::Other(other),
    }
}

/// A number of a header. An empty field is 0, as with Docker.
fn number(read: io::Result<u64>) -> io::Result<u64> {
    read.map_err(|error| bad(&error.to_string()))
}

/// The last number means "leave the owner as it is" to the kernel, so nobody has it.
fn id(number: u64) -> io::Result<u32> {
    match u32::try_from(number) {
        Ok(id) if id != u32::MAX => Ok(id),
        Ok(_) | Err(_) => Err(bad("the number of an owner is too large")),
    }
}

/// The sum of all bytes, its own taken as spaces; some old programs added signed ones.
fn sum_is_right(header: &Header) -> bool {
    let Ok(said) = header.cksum() else { return false };
    let bytes = header.as_bytes();
    let counted = |at: usize, byte: u8| if (148..156).contains(&at) { b' ' } else { byte };
    let all = || bytes.iter().enumerate().map(|(at, byte)| counted(at, *byte));
    let unsigned: u32 = all().map(u32::from).sum();
    let signed: i32 = all().map(|byte| i32::from(byte.cast_signed())).sum();
    unsigned == said || i64::from(signed) == i64::from(said)
}

fn bad(what: &str) -> io::Error {
    ImageError::damaged(what).into()
}

#[cfg(test)]
mod tests;
