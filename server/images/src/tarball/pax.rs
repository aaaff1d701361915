//! PAX records: `length key=value` and a line end, where the value may hold anything. Records of
//! the GNU sparse formats and of extended attributes are among them.

use std::io;

use super::{Time, Xattr, bad};

const XATTR: &[u8] = b"SCHILY.xattr.";
const NANOSECOND_DIGITS: usize = 9;

/// The records that mean something to us.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<Time>,
    pub(super) xattrs: Vec<Xattr>,
    pub(super) sparse: Sparse,
}

/// The records of a sparse file, in whichever of its three versions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sparse {
    /// Version 1: the map stands before the data.
    pub(super) map_in_data: bool,
    /// Bytes of the file.
    pub(super) size: Option<u64>,
    /// Offsets and lengths by turns, where the records hold them.
    pub(super) numbers: Option<Vec<u64>>,
    name: Option<Vec<u8>>,
}

impl Pax {
    pub(super) fn parse(mut bytes: &[u8]) -> io::Result<Self> {
        let mut pax = Self::default();
        while !bytes.is_empty() {
            let (key, value, rest) = record(bytes).ok_or_else(|| bad("a PAX record is torn"))?;
            pax.take(key, value)?;
            bytes = rest;
        }
        if pax.sparse.name.is_some() {
            pax.path = pax.sparse.name.take();
        }
        Ok(pax)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let text = || (!value.is_empty()).then(|| value.to_vec());
        match key {
            b"path" => self.path = text(),
            b"linkpath" => self.link = text(),
            b"size" => self.size = optional(value)?,
            b"uid" => self.uid = optional(value)?,
            b"gid" => self.gid = optional(value)?,
            b"mtime" => {
                self.mtime = if value.is_empty() { None } else { Some(time(value)?) };
            }
            b"GNU.sparse.major" => self.sparse.map_in_data = decimal(value)? > 0,
            b"GNU.sparse.name" => self.sparse.name = text(),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse.size = Some(decimal(value)?),
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                self.sparse.numbers.get_or_insert_default().push(decimal(value)?);
            }
            b"GNU.sparse.map" => {
                let numbers: io::Result<Vec<u64>> = value
                    .split(|byte| *byte == b',')
                    .filter(|word| !word.is_empty())
                    .map(decimal)
                    .collect();
                self.sparse.numbers = Some(numbers?);
            }
            _ => {
                if let Some(name) = key.strip_prefix(XATTR) {
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                }
            }
        }
        Ok(())
    }
}

/// The first record and what follows it.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(bytes.get(..space)?).ok()?).ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let line = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = line.iter().position(|byte| *byte == b'=')?;
    Some((line.get(..equals)?, line.get(equals + 1..)?, rest))
}

fn optional(value: &[u8]) -> io::Result<Option<u64>> {
    if value.is_empty() { Ok(None) } else { decimal(value).map(Some) }
}

/// Digits and nothing else.
pub(super) fn decimal(text: &[u8]) -> io::Result<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok()).ok_or_else(|| bad("a number of a PAX record is none"))
}

/// Seconds with or without a sign and a fraction.
fn time(text: &[u8]) -> io::Result<Time> {
    let (sign, text) = match text.strip_prefix(b"-") {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let (whole, fraction) = text.split_at_checked(point).unwrap_or((text, b""));
    let mut digits: Vec<u8> = fraction.iter().skip(1).copied().take(NANOSECOND_DIGITS).collect();
    digits.resize(NANOSECOND_DIGITS, b'0');
    let seconds = i64::try_from(decimal(whole)?).map_err(|_| bad("a time is too large"))?;
    let nanoseconds = u32::try_from(decimal(&digits)?).unwrap_or(0);
    if sign < 0 && nanoseconds > 0 {
        return Ok(Time { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds });
    }
    Ok(Time { seconds: sign * seconds, nanoseconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(key: &str, value: &[u8]) -> Vec<u8> {
        let rest = key.len() + value.len() + 3;
        let length = (rest..).find(|n| n.to_string().len() + rest == *n).unwrap();
        [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
    }

    #[test]
    fn values_hold_any_bytes() {
        let value = b"\x01\0\0\x02\n=\n \xff";
        let bytes =
            [line("SCHILY.xattr.security.capability", value), line("path", b"a\nb")].concat();
        let pax = Pax::parse(&bytes).unwrap();
        assert_eq!(pax.xattrs, [(b"security.capability".to_vec(), value.to_vec())]);
        assert_eq!(pax.path.unwrap(), b"a\nb");
    }

    #[test]
    fn times_have_signs_and_fractions() {
        let at = |seconds, nanoseconds| Time { seconds, nanoseconds };
        for (text, want) in [
            ("1", at(1, 0)),
            ("1.5", at(1, 500_000_000)),
            ("1.0000000019", at(1, 1)),
            ("-1", at(-1, 0)),
            ("-1.25", at(-2, 750_000_000)),
            ("0.", at(0, 0)),
        ] {
            assert_eq!(time(text.as_bytes()).unwrap(), want, "{text}");
        }
        for text in ["", ".", "x", "1.x", "--1", "99999999999999999999"] {
            assert!(time(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn torn_records_are_faults() {
        for text in
            ["5 a=b", "6 a=b", "99 a=b\n", "a=b\n", "4 ab\n", "-6 a=b\n", "0 ", " ", "6 a=bc"]
        {
            assert!(Pax::parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert_eq!(Pax::parse(b"6 a=b\n").unwrap(), Pax::default());
    }
}
