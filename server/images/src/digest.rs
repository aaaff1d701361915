//! Digests: the names of content. Only SHA-256, which is what registries and archives use.

use std::fmt;
use std::io::{self, Read, Write};

use sha2::Digest as _;
use sha2::Sha256;

use crate::error::ImageError;

const ALGORITHM: &str = "sha256";
const HEX_CHARS: usize = 64;

/// A SHA-256 digest, shown as `sha256:` and 64 digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    hex: String,
}

impl Digest {
    /// Reads `sha256:…`.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for another algorithm,
    /// [`Damaged`](crate::ErrorKind::Damaged) for what is no digest.
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        match text.split_once(':') {
            Some((ALGORITHM, hex)) => Self::from_hex(hex)
                .ok_or_else(|| ImageError::damaged(format!("`{}` is no digest", shown(text)))),
            Some((other, _)) if matches!(other, "sha512" | "sha384" | "blake3") => {
                Err(ImageError::unsupported(format!(
                    "digests of {other} are not read, only {ALGORITHM}"
                )))
            }
            Some(_) | None => Err(ImageError::damaged(format!("`{}` is no digest", shown(text)))),
        }
    }

    /// The 64 digits alone; none where they are not that.
    pub(crate) fn from_hex(hex: &str) -> Option<Self> {
        let digits = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        (hex.len() == HEX_CHARS && hex.bytes().all(digits)).then(|| Self { hex: hex.to_owned() })
    }

    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// The 64 digits.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The id of a layer on top of others: the digest of theirs and its own.
    pub(crate) fn chained(&self, below: Option<&Self>) -> Self {
        match below {
            None => self.clone(),
            Some(below) => Self::of(format!("{below} {self}").as_bytes()),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}:{}", self.hex)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn shown(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}

/// Takes bytes one piece after the other.
#[derive(Default, Clone)]
pub(crate) struct Hasher {
    inner: Sha256,
    n_bytes: u64,
}

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.inner.update(bytes);
        self.n_bytes += bytes.len() as u64;
    }

    pub(crate) fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    pub(crate) fn finish(self) -> Digest {
        let hex = self.inner.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Digest { hex }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("n_bytes", &self.n_bytes).finish_non_exhaustive()
    }
}

/// Hashes what is read through it, and reads no more than `n_bytes_max`.
pub(crate) struct HashingReader<R> {
    inner: R,
    /// None where only the bytes are counted.
    hasher: Option<Hasher>,
    n_bytes: u64,
    n_bytes_max: u64,
}

impl<R: Read> HashingReader<R> {
    pub(crate) fn new(inner: R, n_bytes_max: u64) -> Self {
        Self { inner, hasher: Some(Hasher::default()), n_bytes: 0, n_bytes_max }
    }

    /// Only counts: for a stream whose digest is known to be taken elsewhere.
    pub(crate) fn counting(inner: R, n_bytes_max: u64) -> Self {
        Self { inner, hasher: None, n_bytes: 0, n_bytes_max }
    }

    /// Reads what is left and gives the digest and the size of everything.
    pub(crate) fn finish(mut self) -> io::Result<(Option<Digest>, u64)> {
        let mut buffer = vec![0; 64 * 1024];
        while self.read(&mut buffer)? > 0 {}
        Ok((self.hasher.map(Hasher::finish), self.n_bytes))
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(buffer.get(..n).unwrap_or_default());
        }
        self.n_bytes = self.n_bytes.saturating_add(n as u64);
        if self.n_bytes > self.n_bytes_max {
            let message = format!("it has more than {} bytes", self.n_bytes_max);
            return Err(ImageError::refused(message).into());
        }
        Ok(n)
    }
}

/// Hashes what is written through it.
pub(crate) struct HashingWriter<W> {
    inner: W,
    hasher: Hasher,
}

impl<W: Write> HashingWriter<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, hasher: Hasher::default() }
    }

    pub(crate) fn finish(self) -> (Digest, u64) {
        let n_bytes = self.hasher.n_bytes();
        (self.hasher.finish(), n_bytes)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.hasher.update(bytes.get(..n).unwrap_or_default());
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn only_a_whole_sha256_is_a_digest() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(Digest::parse(EMPTY).unwrap(), Digest::of(b""));
        let upper = format!("sha256:{}", "AB".repeat(32));
        for wrong in ["", "sha256:", "sha256:ab", &upper, "../../etc/passwd", &EMPTY[7..]] {
            assert_eq!(Digest::parse(wrong).unwrap_err().kind, ErrorKind::Damaged, "{wrong}");
        }
        let error = Digest::parse(&format!("sha512:{}", "ab".repeat(64))).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported);
    }

    #[test]
    fn the_id_of_a_chain_is_that_of_the_image_specification() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        assert_eq!(a.chained(None), a);
        assert_eq!(b.chained(Some(&a)), Digest::of(format!("{a} {b}").as_bytes()));
    }

    #[test]
    fn a_reader_stops_at_its_limit() {
        let mut reader = HashingReader::new(&b"12345"[..], 4);
        let error = io::copy(&mut reader, &mut io::sink()).unwrap_err();
        assert_eq!(ImageError::reading("x", error).kind, ErrorKind::Refused);
        let reader = HashingReader::new(&b""[..], 0);
        assert_eq!(reader.finish().unwrap().0.unwrap().to_string(), EMPTY);
    }
}
