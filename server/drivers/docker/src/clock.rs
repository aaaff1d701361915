//! Reads the times that Docker writes: RFC 3339 with up to nine digits of a second, mostly UTC, but
//! networks carry the engine's local offset. By hand, because every log frame has one and a follow
//! reads above 100,000 frames a second. Docker's "never" is year 1.

/// Nanoseconds since the Unix epoch; none for Docker's zero time and for text that is no time.
pub(crate) fn parse_ns(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_at_checked(19)?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', rest_of_time @ ..] = date else {
        return None;
    };
    let [h1, h2, b':', n1, n2, b':', s1, s2] = rest_of_time else {
        return None;
    };
    let year = number(&[*y1, *y2, *y3, *y4])?;
    if year < 1970 {
        return None;
    }
    let days = days_from_civil(year, number(&[*m1, *m2])?, number(&[*d1, *d2])?);
    let seconds = days * 86_400
        + number(&[*h1, *h2])? * 3_600
        + number(&[*n1, *n2])? * 60
        + number(&[*s1, *s2])?;
    let (fraction_ns, zone) = fraction_and_zone(rest)?;
    let total = (seconds - offset_s(zone)?).checked_mul(1_000_000_000)?;
    total.checked_add(fraction_ns)
}

/// Milliseconds since the Unix epoch, of the same texts.
pub(crate) fn parse_ms(text: &str) -> Option<i64> {
    parse_ns(text.as_bytes()).map(|ns| ns.div_euclid(1_000_000))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |sum, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'))
    })
}

fn fraction_and_zone(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', digits_and_zone)) = rest.split_first() else {
        return Some((0, rest));
    };
    let n_digits = digits_and_zone.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, zone) = digits_and_zone.split_at_checked(n_digits)?;
    if n_digits == 0 || n_digits > 9 {
        return None;
    }
    let scale = (n_digits..9).fold(1_i64, |scale, _| scale * 10);
    Some((number(digits)? * scale, zone))
}

fn offset_s(zone: &[u8]) -> Option<i64> {
    match zone {
        [b'Z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let size = number(&[*h1, *h2])? * 3_600 + number(&[*m1, *m2])? * 60;
            Some(if *sign == b'-' { -size } else { size })
        }
        // Any other text is no zone that Docker writes.
        _ => None,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar, after Howard Hinnant's "chrono-compatible
/// low-level date algorithms": years begin in March, so the leap day is the last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Option<i64>) {
        assert_eq!(parse_ns(text.as_bytes()), want, "{text:?}");
    }

    #[test]
    fn docker_times_are_read_to_the_nanosecond() {
        check("1970-01-01T00:00:00Z", Some(0));
        check("2026-11-25T00:43:35.151396193Z", Some(1_795_567_415_151_396_193));
        check("2024-02-29T23:59:59.5Z", Some(1_709_251_199_500_000_000));
        check("2000-03-01T00:00:00Z", Some(951_868_800_000_000_000));
    }

    #[test]
    fn an_offset_is_taken_off() {
        check("1970-01-01T01:00:00+01:00", Some(0));
        check("1969-12-31T19:00:00-05:00", None);
        check("1970-01-01T00:00:00-05:30", Some(19_800_000_000_000));
    }

    #[test]
    fn zero_time_and_broken_text_are_no_time() {
        check("0001-01-01T00:00:00Z", None);
        check("", None);
        check("2026-11-25", None);
        check("2026-11-25T00:43:35", None);
        check("2026-11-25T00:43:35.Z", None);
        check("2026-11-25T00:43:3xZ", None);
        check("2026-11-25T00:43:35.1234567890Z", None);
    }
}
