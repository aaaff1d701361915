//! Durations, sizes and CPU shares as people write them: `1h30m`, `1.5GiB`, `500m`. Nothing here
//! overflows or panics, whatever the text; whoever calls adds the thing and the place.
//!
//! ```text
//!  duration = part { part }    part = number ("ms" | "s" | "m" | "h" | "d")
//!  size     = number ("B" | "kB" "MB" "GB" "TB" | "KiB" "MiB" "GiB" "TiB")
//!  cpu      = number | number "m"
//!  number   = digits [ "." digits ]
//! ```

use crate::text::quote;

/// A value that does not follow the grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadUnit {
    /// What is wrong, as the end of a sentence that began with the name of the value.
    pub(crate) rule: String,
    /// What to write instead.
    pub(crate) help: &'static str,
}

/// Most digits of a number, so that its product with any unit fits into 128 bits.
const DIGITS_MAX: usize = 18;

const DURATION_UNITS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const DURATION_HELP: &str =
    "write for example \"30m\", \"1h30m\" or \"300ms\"; units are ms, s, m, h, d";

const SIZE_UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];
const SIZE_HELP: &str =
    "write for example \"512MiB\" or \"2GiB\"; units are B, kB, MB, GB, TB, KiB, MiB, GiB, TiB";

const CPU_UNITS: &[(&str, u64)] = &[("", 1_000), ("m", 1)];
const CPU_HELP: &str = "write cores as \"1.5\", or thousandths of a core as \"500m\"";

/// Reads a duration into milliseconds.
pub(crate) fn duration_ms(text: &str) -> Result<u64, BadUnit> {
    let bad = |why: &str| bad(text, why, DURATION_HELP);
    let mut total: u128 = 0;
    let mut rest = text;
    while !rest.is_empty() || text.is_empty() {
        let (number, after) = Decimal::read(rest).map_err(bad)?;
        // Up to the next number, so that a fault names all of what stands in the unit's place.
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(end).unwrap_or((after, ""));
        let factor = factor(unit, DURATION_UNITS).map_err(|why| bad(&why))?;
        let (whole, is_exact) = number.times(factor);
        if !is_exact {
            return Err(bad("is finer than a millisecond"));
        }
        total = total.saturating_add(whole);
        rest = next;
    }
    u64::try_from(total).map_err(|_| bad("is too long"))
}

/// Reads a duration that must not be nothing.
pub(crate) fn timeout_ms(text: &str) -> Result<u64, BadUnit> {
    match duration_ms(text)? {
        0 => Err(bad(text, "is no time at all", "leave the call out for no limit")),
        ms => Ok(ms),
    }
}

/// Reads a size into bytes; a part of a byte is left out.
pub(crate) fn size_bytes(text: &str) -> Result<u64, BadUnit> {
    let (whole, _) = single(text, SIZE_UNITS, SIZE_HELP)?;
    match u64::try_from(whole) {
        Ok(0) => Err(bad(text, "is no memory at all", "leave the call out for no limit")),
        Ok(bytes) => Ok(bytes),
        Err(_) => Err(bad(text, "is too much", SIZE_HELP)),
    }
}

/// Reads a share of CPU into thousandths of a core.
pub(crate) fn cpu_milli(text: &str) -> Result<u64, BadUnit> {
    let (whole, is_exact) = single(text, CPU_UNITS, CPU_HELP)?;
    if !is_exact {
        return Err(bad(text, "is finer than a thousandth of a core", CPU_HELP));
    }
    match u64::try_from(whole) {
        Ok(0) => Err(bad(text, "is no CPU at all", "leave the call out for no limit")),
        Ok(milli) => Ok(milli),
        Err(_) => Err(bad(text, "is too much", CPU_HELP)),
    }
}

fn bad(text: &str, why: &str, help: &'static str) -> BadUnit {
    BadUnit { rule: format!("{} {why}", quote(text)), help }
}

/// One number with one unit: the whole part in the smallest unit, and whether that is all of it.
fn single(text: &str, units: &[(&str, u64)], help: &'static str) -> Result<(u128, bool), BadUnit> {
    let (number, unit) = Decimal::read(text).map_err(|why| bad(text, why, help))?;
    let factor = factor(unit, units).map_err(|why| bad(text, &why, help))?;
    Ok(number.times(factor))
}

fn factor(unit: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let find = |unit: &str| units.iter().find(|(name, _)| *name == unit);
    match (find(unit), unit.trim()) {
        (Some((_, factor)), _) => Ok(*factor),
        (None, "") => Err("has no unit".to_owned()),
        (None, bare) if find(bare).is_some() => Err("has a space beside its unit".to_owned()),
        (None, bare) => Err(format!("has the unknown unit {}", quote(bare))),
    }
}

/// A number in decimal notation: `digits / 10^scale`.
struct Decimal {
    digits: u128,
    scale: u32,
}

impl Decimal {
    /// Reads the number at the start of a text; gives what follows it, too.
    fn read(text: &str) -> Result<(Self, &str), &'static str> {
        if text.is_empty() {
            return Err("is empty");
        }
        let (whole, after) = split_digits(text);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("0", after),
        };
        if whole.is_empty() || fraction.is_empty() {
            return Err("is not a number with a unit");
        }
        if whole.len() + fraction.len() > DIGITS_MAX {
            return Err("has too many digits");
        }
        let digits = whole.chars().chain(fraction.chars()).filter_map(|c| c.to_digit(10));
        let digits = digits.fold(0, |sum, digit| sum * 10 + u128::from(digit));
        let scale = u32::try_from(fraction.len()).map_err(|_| "has too many digits")?;
        Ok((Self { digits, scale }, after))
    }

    /// The product, rounded down, and whether nothing was lost.
    fn times(&self, unit: u64) -> (u128, bool) {
        let product = self.digits * u128::from(unit);
        let divisor = 10_u128.pow(self.scale);
        (product / divisor, product.is_multiple_of(divisor))
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(read: fn(&str) -> Result<u64, BadUnit>, text: &str, want: Result<u64, &str>) {
        let got = read(text).map_err(|bad| bad.rule);
        match (&got, want) {
            (Ok(got), Ok(want)) => assert_eq!(*got, want, "{text:?}"),
            (Err(got), Err(want)) => assert!(got.contains(want), "{text:?}: {got:?}"),
            (got, want) => panic!("{text:?}: got {got:?}, want {want:?}"),
        }
    }

    #[test]
    fn durations_are_sums_of_numbers_with_units() {
        check(duration_ms, "300ms", Ok(300));
        check(duration_ms, "30s", Ok(30_000));
        check(duration_ms, "1h30m", Ok(5_400_000));
        check(duration_ms, "1.5h", Ok(5_400_000));
        check(duration_ms, "0.001s", Ok(1));
        check(duration_ms, "2d", Ok(172_800_000));
        check(duration_ms, "0s", Ok(0));
        check(timeout_ms, "0s", Err("`0s` is no time at all"));
        check(duration_ms, "", Err("`` is empty"));
        check(duration_ms, "30", Err("`30` has no unit"));
        check(duration_ms, "1h30", Err("has no unit"));
        check(duration_ms, "30M", Err("the unknown unit"));
        check(duration_ms, "3 min", Err("`3 min` has the unknown unit `min`"));
        check(duration_ms, "5 parsecs", Err("`5 parsecs` has the unknown unit `parsecs`"));
        check(duration_ms, "5 s", Err("has a space beside its unit"));
        check(duration_ms, "1h, 30m", Err("has the unknown unit `h,`"));
        check(duration_ms, "-1s", Err("is not a number"));
        check(duration_ms, "1.s", Err("is not a number"));
        check(duration_ms, ".5s", Err("is not a number"));
        check(duration_ms, "1.5ms", Err("finer than a millisecond"));
        check(duration_ms, "999999999999d", Err("too long"));
        check(duration_ms, &"9".repeat(19), Err("too many digits"));
        check(duration_ms, "１s", Err("is not a number"));
    }

    #[test]
    fn sizes_tell_powers_of_two_from_powers_of_ten() {
        check(size_bytes, "2GiB", Ok(2_147_483_648));
        check(size_bytes, "512MiB", Ok(536_870_912));
        check(size_bytes, "1.5KiB", Ok(1_536));
        check(size_bytes, "0.1KiB", Ok(102));
        check(size_bytes, "1MB", Ok(1_000_000));
        check(size_bytes, "64B", Ok(64));
        check(size_bytes, "512", Err("has no unit"));
        check(size_bytes, "512M", Err("the unknown unit"));
        check(size_bytes, "512mib", Err("the unknown unit"));
        check(size_bytes, "0GiB", Err("no memory at all"));
        check(size_bytes, "99999999999999999TiB", Err("too much"));
    }

    #[test]
    fn cpu_is_cores_or_thousandths() {
        check(cpu_milli, "500m", Ok(500));
        check(cpu_milli, "1.5", Ok(1_500));
        check(cpu_milli, "2", Ok(2_000));
        check(cpu_milli, "0.0005", Err("finer than a thousandth"));
        check(cpu_milli, "0", Err("no CPU at all"));
        check(cpu_milli, "1 core", Err("the unknown unit"));
    }
}
