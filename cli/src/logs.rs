//! Log lines as they are printed: `build  │ line` for people, exact bytes for `-o raw`, one object each
//! for `-o jsonl`.

use base64::Engine as _;
use gofer_client::model::{LogFrame, LogGap, LogStream, RunLogFrame, RunRef, TaskRun, Time};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::args::Format;
use crate::failure::Failure;
use crate::look::{Look, Tone};
use crate::out::Out;

/// Colours of prefixes, by the place of the task in the run.
const COLORS: [anstyle::AnsiColor; 6] = [
    anstyle::AnsiColor::Cyan,
    anstyle::AnsiColor::Magenta,
    anstyle::AnsiColor::Green,
    anstyle::AnsiColor::Blue,
    anstyle::AnsiColor::Yellow,
    anstyle::AnsiColor::BrightCyan,
];

/// What is printed of the frames, and how.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    pub(crate) format: Format,
    pub(crate) prefix: bool,
    pub(crate) timestamps: bool,
    /// Only this stream. `None`: both.
    pub(crate) stream: Option<LogStream>,
    /// Only this attempt. `None`: all.
    pub(crate) attempt: Option<u32>,
}

/// What the marks in a prefix mean, told once to whoever looks on.
const MARKS: &str = "(before │: ! is standard error, + is a later attempt)";

/// Prints frames, and remembers whether the last line is still open.
#[derive(Debug)]
pub(crate) struct Printer {
    run: RunRef,
    style: Style,
    tasks: Vec<String>,
    width: usize,
    /// Whose line was printed last, if its end has not come yet.
    open: Option<(String, u32)>,
    /// Whether the marks were explained.
    explained: bool,
}

/// One frame as a JSON line.
#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(rename = "ref")]
    path: String,
    attempt: u32,
    stream: LogStream,
    line: u64,
    continues: bool,
    time: Time,
    time_ns: i64,
    /// The text without its newline. `null`: the bytes are not text.
    text: Option<&'a str>,
    /// The exact bytes as base64. `null`: they are text.
    b64: Option<String>,
}

impl Printer {
    pub(crate) fn new(run: RunRef, task_runs: &[TaskRun], style: Style) -> Self {
        let tasks: Vec<String> = task_runs.iter().map(|task| task.task_id.clone()).collect();
        let width = tasks.iter().map(|task| task.width()).max().unwrap_or(0);
        Self { run, style, tasks, width, open: None, explained: false }
    }

    pub(crate) fn print(&mut self, out: &mut Out, frames: &[RunLogFrame]) -> Result<(), Failure> {
        for frame in frames {
            let wanted = self.style.stream.is_none_or(|stream| stream == frame.frame.stream)
                && self.style.attempt.is_none_or(|attempt| attempt == frame.attempt);
            if wanted {
                self.one(out, frame)?;
            }
        }
        out.flush()
    }

    fn one(&mut self, out: &mut Out, frame: &RunLogFrame) -> Result<(), Failure> {
        match self.style.format {
            Format::Raw => return out.bytes(&frame.frame.data),
            Format::Jsonl => return out.json_line(&self.json(frame)),
            Format::Table | Format::Wide | Format::Name | Format::Json | Format::Yaml => {}
        }
        let key = (frame.task_id.clone(), frame.attempt);
        let goes_on = self.open.as_ref() == Some(&key) && frame.frame.continues;
        if !goes_on {
            self.close(out)?;
            self.explain(out, frame)?;
            let head = self.head(frame, &out.look);
            out.bytes(head.as_bytes())?;
        }
        let (line, ended) = match frame.frame.data.strip_suffix(b"\n") {
            Some(line) => (line, true),
            None => (&*frame.frame.data, false),
        };
        if out.look.tty {
            out.bytes(visible(line).as_bytes())?;
        } else {
            out.bytes(line)?;
        }
        if ended {
            out.bytes(b"\n")?;
        }
        self.open = (!ended).then_some(key);
        Ok(())
    }

    /// Before the first line with a mark, says what the marks mean. A program needs no words for it.
    fn explain(&mut self, out: &mut Out, frame: &RunLogFrame) -> Result<(), Failure> {
        let marked = frame.attempt > 1 || frame.frame.stream == LogStream::Stderr;
        if self.style.prefix && marked && !self.explained && out.look.tty {
            self.explained = true;
            out.flush()?;
            let text = out.look.paint(Tone::Dim, MARKS);
            out.say(&text);
        }
        Ok(())
    }

    /// Ends a line whose own end has not come, so that the next one does not run into it.
    pub(crate) fn close(&mut self, out: &mut Out) -> Result<(), Failure> {
        if self.open.take().is_some() {
            out.bytes(b"\n")?;
        }
        Ok(())
    }

    pub(crate) fn gap(&mut self, out: &mut Out, gap: &LogGap) -> Result<(), Failure> {
        self.close(out)?;
        out.flush()?;
        out.say(&format!(
            "{} lines of {} were left out here; the stored log has them",
            gap.n_lines, gap.task_id
        ));
        Ok(())
    }

    fn head(&self, frame: &RunLogFrame, look: &Look) -> String {
        let mut head = String::new();
        if self.style.timestamps {
            let time = Time::from_ms(frame.frame.time_ns.div_euclid(1_000_000));
            head.push_str(&look.paint(Tone::Dim, &time.to_string()));
            head.push(' ');
        }
        if self.style.prefix {
            let retry = if frame.attempt > 1 { '+' } else { ' ' };
            let stream = if frame.frame.stream == LogStream::Stderr { '!' } else { ' ' };
            let pad = " ".repeat(self.width.saturating_sub(frame.task_id.width()));
            let text = format!("{}{pad}{retry}{stream}│ ", frame.task_id);
            head.push_str(&self.colored(&frame.task_id, &text, look));
        }
        head
    }

    fn colored(&self, task: &str, text: &str, look: &Look) -> String {
        let index = self.tasks.iter().position(|known| known == task).unwrap_or(0);
        match COLORS.get(index % COLORS.len()) {
            Some(color) if look.color => {
                let style = color.on_default();
                format!("{style}{text}{style:#}")
            }
            Some(_) | None => text.to_owned(),
        }
    }

    fn json<'a>(&self, frame: &'a RunLogFrame) -> Line<'a> {
        let LogFrame { stream, time_ns, line, continues, .. } = frame.frame;
        let data = &frame.frame.data;
        let text = std::str::from_utf8(data).ok();
        let b64 = text.is_none().then(|| base64::engine::general_purpose::STANDARD.encode(data));
        Line {
            path: self.run.task(&frame.task_id).to_string(),
            attempt: frame.attempt,
            stream,
            line,
            continues,
            time: Time::from_ms(time_ns.div_euclid(1_000_000)),
            time_ns,
            text: text.map(|text| text.strip_suffix('\n').unwrap_or(text)),
            b64,
        }
    }
}

/// The text of a line for a terminal: colours stay, every other control character is shown as text, so
/// that a log can neither move the cursor nor clear the screen.
pub(crate) fn visible(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    let mut colored = false;
    while let Some(c) = rest.chars().next() {
        if let Some(color) = color_code(rest) {
            shown.push_str(color);
            colored = true;
            rest = rest.get(color.len()..).unwrap_or_default();
            continue;
        }
        match c {
            '\t' => shown.push('\t'),
            '\r' if rest.len() == 1 => {} // a line end of Windows
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    if colored {
        shown.push_str("\u{1b}[0m");
    }
    shown
}

/// The colour sequence that a text begins with, if it does: `ESC [ digits ; … m`.
fn color_code(text: &str) -> Option<&str> {
    let after = text.strip_prefix("\u{1b}[")?;
    let end = after.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    let closes = after.get(end..)?.starts_with('m');
    closes.then(|| text.get(..end + 3)).flatten()
}

#[cfg(test)]
mod tests {
    use gofer_client::model::{PipelineRef, TaskRunStatus};

    use super::*;
    use crate::out::capture;
    use crate::show::samples;

    fn frame(task: &str, data: &str, continues: bool) -> RunLogFrame {
        let frame = LogFrame {
            stream: LogStream::Stdout,
            time_ns: 1_764_031_830_000_000_000,
            line: 0,
            continues,
            data: data.to_owned().into(),
            offset: 0,
        };
        RunLogFrame { task_id: task.into(), attempt: 1, frame }
    }

    fn style(format: Format) -> Style {
        Style { format, prefix: true, timestamps: false, stream: None, attempt: None }
    }

    fn printed(look: Look, style: Style, frames: &[RunLogFrame]) -> String {
        let format = style.format;
        let (mut out, data, _) = capture::out(look, format);
        let tasks = ["build", "it"].map(|id| samples::task(id, TaskRunStatus::Successful));
        let run = PipelineRef::new("ns1", "simple").run(3);
        let mut printer = Printer::new(run, &tasks, style);
        printer.print(&mut out, frames).unwrap();
        printer.close(&mut out).unwrap();
        data.text()
    }

    #[test]
    fn each_line_has_the_name_of_its_task() {
        let frames = [frame("build", "one\n", false), frame("it", "two\n", false)];
        let text = printed(Look::pipe(), style(Format::Table), &frames);
        assert_eq!(text, "build  │ one\nit     │ two\n");
    }

    #[test]
    fn a_long_line_that_is_cut_into_by_another_task_is_begun_again() {
        let frames = [
            frame("build", "on", false),
            frame("build", "e", true),
            frame("it", "two\n", false),
            frame("build", "!\n", true),
        ];
        let text = printed(Look::pipe(), style(Format::Table), &frames);
        assert_eq!(text, "build  │ one\nit     │ two\nbuild  │ !\n");
    }

    #[test]
    fn standard_error_and_later_attempts_are_marked() {
        let mut second = frame("it", "x\n", false);
        second.attempt = 2;
        second.frame.stream = LogStream::Stderr;
        let text = printed(Look::pipe(), style(Format::Table), std::slice::from_ref(&second));
        assert_eq!(text, "it   +!│ x\n");
        let only = Style { stream: Some(LogStream::Stdout), ..style(Format::Table) };
        assert_eq!(printed(Look::pipe(), only, &[second]), "");
    }

    #[test]
    fn the_marks_are_explained_once_to_people_only() {
        let mut noisy = frame("it", "x\n", false);
        noisy.frame.stream = LogStream::Stderr;
        let frames = [frame("it", "a\n", false), noisy.clone(), noisy];
        let told = |look: Look| {
            let (mut out, _, talk) = capture::out(look, Format::Table);
            let run = PipelineRef::new("ns1", "simple").run(3);
            let mut printer = Printer::new(run, &[], style(Format::Table));
            printer.print(&mut out, &frames).unwrap();
            talk.text()
        };
        assert_eq!(told(Look::terminal()), format!("{MARKS}\n"));
        assert_eq!(told(Look::pipe()), "");
    }

    #[test]
    fn raw_is_every_byte_and_nothing_else() {
        let frames = [frame("build", "a\u{1b}[2J", false), frame("build", "b", true)];
        assert_eq!(printed(Look::pipe(), style(Format::Raw), &frames), "a\u{1b}[2Jb");
    }

    #[test]
    fn a_json_line_has_all_its_keys() {
        insta::assert_snapshot!(printed(
            Look::pipe(),
            style(Format::Jsonl),
            &[frame("build", "one\n", false)]
        ));
    }

    #[test]
    fn a_log_cannot_act_on_the_terminal() {
        assert_eq!(visible(b"a\x1b[31mred\x1b[0m"), "a\u{1b}[31mred\u{1b}[0m\u{1b}[0m");
        assert_eq!(visible(b"\x1b[2Jx\x07\r"), "\\u{1b}[2Jx\\u{7}");
        assert_eq!(visible(b"\xff\x1b["), "\u{fffd}\\u{1b}[");
    }
}
