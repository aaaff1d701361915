//! How the output looks: whether somebody sees it, in colour, how wide, and how times are written.
//! Whatever renders takes a [`Look`], so that tests see what a terminal would.

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use gofer_client::model::Time;
use jiff::tz::TimeZone;

use crate::args::{Format, Global, When};
use crate::environment::Environment;

/// Columns of a terminal that does not say how wide it is.
const WIDTH_DEFAULT: usize = 80;

/// How the output looks.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) color: bool,
    /// Whether standard output is a terminal.
    pub(crate) tty: bool,
    pub(crate) width: usize,
    pub(crate) time: TimeStyle,
    /// Whether more is shown: more columns, full times.
    pub(crate) wide: bool,
    pub(crate) zone: TimeZone,
    /// The time that relative times are counted from. `None`: the clock's.
    pub(crate) fixed_now: Option<Time>,
}

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimeStyle {
    /// As in `3m ago`
    Relative,
    /// In the time zone of this machine
    Local,
    /// RFC 3339 in UTC
    Utc,
    /// Seconds since 1970
    Unix,
}

/// What a word means, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Id,
    Good,
    Busy,
    Bad,
    Head,
    Dim,
}

impl Look {
    pub(crate) fn new(environment: &Environment, global: &Global, no_color_set: bool) -> Self {
        let tty = environment.stdout_is_terminal;
        let width = rustix::termios::tcgetwinsize(std::io::stdout())
            .ok()
            .map(|size| usize::from(size.ws_col))
            .filter(|width| *width > 0)
            .unwrap_or(WIDTH_DEFAULT);
        let style = if tty { TimeStyle::Relative } else { TimeStyle::Utc };
        Self {
            color: color(environment, global, no_color_set),
            tty,
            width,
            time: global.time.unwrap_or(style),
            wide: global.output == Format::Wide,
            zone: TimeZone::system(),
            fixed_now: None,
        }
    }

    pub(crate) fn now(&self) -> Time {
        self.fixed_now.unwrap_or_else(|| Time::from_ms(jiff::Timestamp::now().as_millisecond()))
    }

    /// The text in the colour of its tone.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let style = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Id | Tone::Busy => AnsiColor::Yellow.on_default(),
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Bad => AnsiColor::Red.on_default(),
            Tone::Head => AnsiColor::Blue.on_default(),
            Tone::Dim => Style::new().dimmed(),
        };
        format!("{style}{text}{style:#}")
    }

    /// A time in the chosen style.
    pub(crate) fn time(&self, time: Time) -> String {
        let exact = self.exact(time);
        match self.time {
            TimeStyle::Relative if self.wide => format!("{exact} ({})", self.ago(time)),
            TimeStyle::Relative => self.ago(time),
            TimeStyle::Local | TimeStyle::Utc | TimeStyle::Unix => exact,
        }
    }

    fn exact(&self, time: Time) -> String {
        match self.time {
            TimeStyle::Unix => time.as_ms().div_euclid(1000).to_string(),
            TimeStyle::Utc => time.to_string(),
            TimeStyle::Relative | TimeStyle::Local => {
                match jiff::Timestamp::from_millisecond(time.as_ms()) {
                    Ok(point) => point
                        .to_zoned(self.zone.clone())
                        .strftime("%Y-%m-%d %H:%M:%S %:z")
                        .to_string(),
                    Err(_) => time.to_string(), // beyond the calendar
                }
            }
        }
    }

    fn ago(&self, time: Time) -> String {
        let now = self.now();
        if now.as_ms() < time.as_ms() {
            return format!("in {}", coarse(time.ms_since(now)));
        }
        match now.ms_since(time) {
            0..2_000 => "just now".to_owned(),
            ms => format!("{} ago", coarse(ms)),
        }
    }

    /// A time, or a word where there is none.
    pub(crate) fn time_or(&self, time: Option<Time>, none: &str) -> String {
        match time {
            Some(time) => self.time(time),
            None => self.absent(none),
        }
    }

    /// What stands for something absent: a word for people, nothing for programs.
    pub(crate) fn absent(&self, word: &str) -> String {
        if self.tty { word.to_owned() } else { String::new() }
    }
}

fn color(environment: &Environment, global: &Global, no_color_set: bool) -> bool {
    if global.no_color {
        return false;
    }
    match global.color {
        When::Always => return true,
        When::Never => return false,
        When::Auto => {}
    }
    let is_on = |key| environment.variable(key).is_some_and(|value| value != "0");
    if environment.variable("NO_COLOR").is_some() {
        return false;
    }
    if is_on("CLICOLOR_FORCE") {
        return true;
    }
    let off = environment.variable("CLICOLOR") == Some("0") || no_color_set;
    let dumb = environment.variable("TERM") == Some("dumb");
    environment.stdout_is_terminal && !off && !dumb
}

/// One number and one unit: `3m`.
fn coarse(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..60 => format!("{s}s"),
        60..3_600 => format!("{}m", s / 60),
        3_600..86_400 => format!("{}h", s / 3_600),
        _ => format!("{}d", s / 86_400),
    }
}

/// A length of time as people write it: `250 ms`, `14.7 s`, `2 m 3 s`.
pub(crate) fn duration(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0 => format!("{ms} ms"),
        1..60 => format!("{s}.{} s", ms % 1000 / 100),
        60..3_600 => format!("{} m {} s", s / 60, s % 60),
        3_600..86_400 => format!("{} h {} m", s / 3_600, s % 3_600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3_600),
    }
}

/// A length of time that still grows: whole seconds, so that a screen changes once a second.
pub(crate) fn growing(ms: u64) -> String {
    match ms / 1000 {
        s @ 0..60 => format!("{s} s"),
        _ => duration(ms),
    }
}

/// Bytes in the nearest binary unit.
pub(crate) fn bytes(n: u64) -> String {
    let (unit, word) = match n {
        0..1_024 => return format!("{n} B"),
        1_024..1_048_576 => (1_024, "KiB"),
        1_048_576..1_073_741_824 => (1_048_576, "MiB"),
        _ => (1_073_741_824, "GiB"),
    };
    format!("{}.{} {word}", n / unit, n % unit * 10 / unit)
}

#[cfg(test)]
impl Look {
    /// A terminal of 80 columns without colours, at a fixed time.
    pub(crate) fn terminal() -> Self {
        Self {
            color: false,
            tty: true,
            width: 80,
            time: TimeStyle::Relative,
            wide: false,
            zone: TimeZone::UTC,
            fixed_now: Some(Time::from_ms(1_764_031_834_007)),
        }
    }

    /// A pipe.
    pub(crate) fn pipe() -> Self {
        Self { tty: false, time: TimeStyle::Utc, ..Self::terminal() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_word_about_colour_wins() {
        let tty = |variables: &[(&str, &str)]| Environment {
            stdout_is_terminal: true,
            ..Environment::with(variables)
        };
        let with = |color| Global { color, ..Global::default() };
        let auto = with(When::Auto);
        assert!(color(&tty(&[]), &auto, false));
        assert!(!color(&Environment::with(&[]), &auto, false));
        assert!(!color(&tty(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]), &auto, false));
        assert!(color(&Environment::with(&[("CLICOLOR_FORCE", "1")]), &auto, true));
        assert!(!color(&tty(&[("CLICOLOR", "0")]), &auto, false));
        assert!(!color(&tty(&[]), &auto, true));
        assert!(!color(&tty(&[("TERM", "dumb")]), &auto, false));
        assert!(color(&tty(&[("NO_COLOR", "1")]), &with(When::Always), false));
        assert!(!color(&tty(&[("CLICOLOR_FORCE", "1")]), &with(When::Never), false));
    }

    #[test]
    fn times_and_lengths_are_written_for_their_reader() {
        let look = Look::terminal();
        let ago = |ms: i64| look.time(Time::from_ms(1_764_031_834_007 - ms));
        assert_eq!(ago(500), "just now");
        assert_eq!(ago(200_000), "3m ago");
        assert_eq!(ago(-5_000), "in 5s");
        let pipe = Look::pipe();
        assert_eq!(pipe.time(Time::from_ms(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(pipe.time_or(None, "Never"), "");
        assert_eq!(look.time_or(None, "Never"), "Never");
        assert_eq!(duration(999), "999 ms");
        assert_eq!(duration(1_250), "1.2 s");
        assert_eq!(duration(14_723), "14.7 s");
        assert_eq!(duration(123_000), "2 m 3 s");
        assert_eq!(growing(14_723), "14 s");
        assert_eq!(bytes(1536), "1.5 KiB");
    }
}
