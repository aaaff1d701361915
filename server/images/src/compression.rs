//! Finds out how a stream is compressed by its first bytes, since media types lie, and opens it.

use std::io::{BufRead, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use crate::error::ImageError;

const BUFFER_BYTES: usize = 64 * 1024;
const MAGIC_BYTES: u64 = 6;

/// Opens `input`: gzip and zstd are taken off, what is not compressed is given as it is. A check
/// sum that is wrong and an end that is missing are faults of a later read.
pub(crate) fn open<'a>(input: impl Read + 'a) -> Result<Box<dyn Read + 'a>, ImageError> {
    let (known, whole) = begin(input)?;
    let whole = BufReader::with_capacity(BUFFER_BYTES, whole);
    match known {
        Compression::None => Ok(Box::new(whole)),
        Compression::Gzip => Ok(Box::new(buffered(MultiGzDecoder::new(whole)))),
        Compression::Zstd => Ok(Box::new(zstd(whole)?)),
        Compression::Other(name) => Err(ImageError::unsupported(format!(
            "it is compressed with {name}; gzip, zstd and uncompressed are read"
        ))),
    }
}

/// Whether `input` is compressed, and all of it.
pub(crate) fn look<R: Read>(input: R) -> Result<(bool, impl Read + use<R>), ImageError> {
    let (known, whole) = begin(input)?;
    Ok((known != Compression::None, whole))
}

fn begin<R: Read>(mut input: R) -> Result<(Compression, impl Read + use<R>), ImageError> {
    let mut magic = Vec::new();
    let read = input.by_ref().take(MAGIC_BYTES).read_to_end(&mut magic);
    read.map_err(|error| ImageError::reading("could not read the first bytes", error))?;
    Ok((Compression::of(&magic), Cursor::new(magic).chain(input)))
}

fn zstd<'a>(input: impl BufRead + 'a) -> Result<impl Read + 'a, ImageError> {
    let decoder = zstd::stream::read::Decoder::with_buffer(input);
    Ok(buffered(decoder.map_err(|error| ImageError::io("could not set up zstd", error))?))
}

/// Headers are read 512 bytes at a time, which a decoder is slow at.
fn buffered(decoder: impl Read) -> impl Read {
    BufReader::with_capacity(BUFFER_BYTES, decoder)
}

/// Whether a file that begins with `magic` has to be opened before it can be read at any place.
pub(crate) fn is_compressed(magic: &[u8]) -> bool {
    Compression::of(magic) != Compression::None
}

#[derive(Debug, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
    Other(&'static str),
}

impl Compression {
    fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or one that is to be skipped, which some tools write first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [b'B', b'Z', b'h', ..] => Self::Other("bzip2"),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => Self::Other("xz"),
            _ => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write as _};

    use super::*;
    use crate::error::ErrorKind;

    const TEXT: &[u8] = b"some text, some text, some text";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        open(bytes)?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn all_that_is_known_is_opened() {
        let zstd = zstd::encode_all(TEXT, 1).unwrap();
        let twice = [gzip(TEXT), gzip(b"!")].concat();
        assert_eq!(read(TEXT).unwrap(), TEXT);
        assert_eq!(read(&gzip(TEXT)).unwrap(), TEXT);
        assert_eq!(read(&zstd).unwrap(), TEXT);
        assert_eq!(read(&twice).unwrap(), [TEXT, b"!"].concat());
        assert_eq!(read(b"").unwrap(), b"");
        for (bytes, name) in [(&b"BZh91AY"[..], "bzip2"), (b"\xfd7zXZ\0..", "xz")] {
            let error = open(bytes).err().unwrap();
            assert_eq!(error.kind, ErrorKind::Unsupported);
            assert!(error.message.contains(name));
        }
    }

    #[test]
    fn a_cut_anywhere_and_a_changed_byte_are_faults() {
        let mut zstd = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        zstd.include_checksum(true).unwrap();
        zstd.write_all(TEXT).unwrap();
        for whole in [gzip(TEXT), zstd.finish().unwrap()] {
            for n in 6..whole.len() {
                assert!(read(&whole[..n]).is_err(), "cut at {n} of {}", whole.len());
            }
            let mut changed = whole.clone();
            let check = changed.len() - if whole[0] == 0x1f { 8 } else { 4 };
            changed[check] ^= 1;
            assert!(read(&changed).is_err());
            let error = ImageError::reading("x", read(&changed).unwrap_err());
            assert_eq!(error.kind, ErrorKind::Damaged);
        }
    }
}
