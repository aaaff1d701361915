//! Values as they are typed: `K=V`, `K=@file`, `K=@-`, files of variables, lengths and points of time.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gofer_client::model::Time;

use crate::context::Context;
use crate::failure::Failure;

/// Most bytes that are read from a file or from standard input for one value: a variable longer than
/// this cannot be given to a process anyway.
const VALUE_BYTES_MAX: u64 = 1024 * 1024;

/// The variables of a start: a file first, then `-v`, which is stronger.
pub(crate) fn variables(
    context: &Context,
    file: Option<&PathBuf>,
    pairs: &[String],
) -> Result<Vec<(String, String)>, Failure> {
    check_stdin(file, pairs)?;
    let mut all = match file {
        Some(path) => parse_file(path, &read(context, path)?)?,
        None => Vec::new(),
    };
    for pair in pairs {
        let (key, value) = split(pair)?;
        let value = match value.strip_prefix('@') {
            None => value.to_owned(),
            // `@@` stands for a literal `@`.
            Some(rest) if rest.starts_with('@') => rest.to_owned(),
            Some(path) => read(context, Path::new(path))?.trim_end_matches('\n').to_owned(),
        };
        put(&mut all, key, value);
    }
    Ok(all)
}

/// Refuses a second reader of standard input: it would find nothing there.
fn check_stdin(file: Option<&PathBuf>, pairs: &[String]) -> Result<(), Failure> {
    let of_file = file.filter(|path| is_stdin(path)).map(|_| ());
    let of_pairs = pairs.iter().filter(|pair| pair.split_once('=').is_some_and(|(_, v)| v == "@-"));
    if of_file.into_iter().chain(of_pairs.map(|_| ())).count() > 1 {
        let text = "standard input can be read only once, and it is named more than once";
        return Err(Failure::invalid(text).next("put all but one of the values into files"));
    }
    Ok(())
}

fn split(pair: &str) -> Result<(&str, &str), Failure> {
    match pair.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key, value)),
        Some(_) | None => Err(Failure::invalid(format!("`{pair}` is not a variable"))
            .next("write NAME=VALUE, NAME=@FILE or NAME=@- for standard input")),
    }
}

fn put(all: &mut Vec<(String, String)>, key: &str, value: String) {
    all.retain(|(known, _)| known != key);
    all.push((key.to_owned(), value));
}

/// Lines of `NAME=VALUE`; empty lines and those that begin with `#` say nothing.
fn parse_file(path: &Path, text: &str) -> Result<Vec<(String, String)>, Failure> {
    let mut all = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|(key, _)| !key.trim().is_empty())
        else {
            let place = format!("{}:{number}", path.display());
            // Without the line: it may be a piece of a secret.
            return Err(Failure::invalid(format!("{place}: the line is not NAME=VALUE")));
        };
        put(&mut all, key.trim(), unquoted(value.trim()).to_owned());
    }
    Ok(all)
}

fn unquoted(value: &str) -> &str {
    let inner = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// The text of a file; `-` is standard input.
fn read(context: &Context, path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    if is_stdin(path) {
        if context.settings.stdin_is_terminal {
            return Err(Failure::invalid(
                "standard input is a terminal, so `-` has nothing to read",
            )
            .next("pipe the value in, or name a file"));
        }
        std::io::stdin().take(VALUE_BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(VALUE_BYTES_MAX + 1).read_to_string(&mut text))
    }
    .map_err(|error| Failure::file("read", path, &error))?;
    if text.len() as u64 > VALUE_BYTES_MAX {
        let message = format!("{} holds more than {VALUE_BYTES_MAX} bytes", path.display());
        return Err(Failure::invalid(message));
    }
    Ok(text)
}

/// A length of time: `90s`, `1h30m`, `2d`, `500ms`.
pub(crate) fn length(text: &str) -> Result<Duration, String> {
    let fault = || format!("`{text}` is not a length of time; write 90s, 30m, 1h30m or 2d");
    let mut total_ms: u64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(fault());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(fault)?;
        let (number, after) = rest.split_at_checked(end).ok_or_else(fault)?;
        let number: u64 = number.parse().map_err(|_| fault())?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end).ok_or_else(fault)?;
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(fault()),
        };
        let part = number.checked_mul(unit_ms).ok_or_else(fault)?;
        total_ms = total_ms.checked_add(part).ok_or_else(fault)?;
        rest = after;
    }
    Ok(Duration::from_millis(total_ms))
}

/// A point in time: RFC 3339, a date with or without a time of day in the zone of this machine, or a
/// length of time before now.
pub(crate) fn since(text: &str, now: Time) -> Result<Time, Failure> {
    if let Ok(length) = length(text) {
        let ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        return Ok(Time::from_ms(now.as_ms().saturating_sub(ms)));
    }
    // A date alone is midnight, which is what the parser makes of it.
    let local = || {
        let names_no_zone = !text.contains(['[', '+']);
        let civil: jiff::civil::DateTime = text.parse().ok().filter(|_| names_no_zone)?;
        civil.to_zoned(jiff::tz::TimeZone::system()).ok()
    };
    let zoned = || text.parse::<jiff::Zoned>().ok().or_else(local).map(|zoned| zoned.timestamp());
    let point = text.parse::<jiff::Timestamp>().ok().or_else(zoned);
    point.map(|point| Time::from_ms(point.as_millisecond())).ok_or_else(|| {
        Failure::invalid(format!("`{text}` is neither a time nor a length of time"))
            .next("write 2h, 3d, 2026-01-31 or 2026-01-31T12:00:00Z")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read() {
        assert_eq!(length("1h30m").unwrap(), Duration::from_secs(5_400));
        assert_eq!(length("500ms").unwrap(), Duration::from_millis(500));
        for wrong in ["", "5", "m", "5x", "-1s", "99999999999999999999s"] {
            assert!(length(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn points_in_time_are_read() {
        let now = Time::from_ms(10_000_000);
        assert_eq!(since("1h", now).unwrap().as_ms(), 6_400_000);
        assert_eq!(since("1970-01-01T00:00:01Z", now).unwrap().as_ms(), 1_000);
        assert_eq!(since("1970-01-01T02:00:00[Etc/GMT-1]", now).unwrap().as_ms(), 3_600_000);
        for wrong in ["yesterday", "2026-01-31T25:00:00", "2026-01-31T12:00:00[Not/Here]"] {
            assert!(since(wrong, now).is_err(), "{wrong}");
        }
        let ms = |text| since(text, now).unwrap().as_ms();
        let midnight = ms("2026-01-31");
        let (hour, noon) = (3_600_000, ms("2026-01-31T12:00:00"));
        // Half a day, give or take a change of the clocks in whatever zone this machine is in.
        assert!((11 * hour..=13 * hour).contains(&(noon - midnight)), "{noon} {midnight}");
        assert_eq!(ms("2026-01-31 12:00"), noon);
    }

    #[test]
    fn standard_input_is_read_once_or_not_at_all() {
        let pairs = |all: &[&str]| all.iter().map(|pair| (*pair).to_owned()).collect::<Vec<_>>();
        let (stdin, other) = (PathBuf::from("-"), PathBuf::from("vars"));
        for (file, values, is_fine) in [
            (None, pairs(&["A=@-"]), true),
            (Some(&other), pairs(&["A=@-", "B=@@-", "C=-"]), true),
            (Some(&stdin), pairs(&["A=1"]), true),
            (None, pairs(&["A=@-", "B=@-"]), false),
            (Some(&stdin), pairs(&["A=@-"]), false),
        ] {
            assert_eq!(check_stdin(file, &values).is_ok(), is_fine, "{file:?} {values:?}");
        }
    }

    #[test]
    fn a_file_of_variables_is_read_and_its_faults_have_a_place() {
        let path = Path::new("vars");
        let all = parse_file(path, "# c\n\nA=1\nB = \"two words\"\nA=3\n").unwrap();
        assert_eq!(all, [("B".into(), "two words".into()), ("A".into(), "3".into())]);
        let failure = parse_file(path, "A=1\nhunter2\n").unwrap_err();
        let message = &failure.detail().message;
        assert!(message.starts_with("vars:2:") && !message.contains("hunter2"), "{message}");
    }
}
