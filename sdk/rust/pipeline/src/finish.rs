//! The end of a pipeline program: the message goes to standard output, or the text of the plan if
//! that is a terminal; the faults go to standard error. Nothing else of the SDK writes anywhere.

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use crate::pipeline::Pipeline;
use crate::plan::Plan;

/// Faults in the program; its message was written all the same.
const EXIT_FAULTS: u8 = 2;
/// The message could not be written.
const EXIT_NOT_WRITTEN: u8 = 70;
/// Set by a reader of the message that shows the faults in it: told here too, they would be seen
/// twice.
const READER_SHOWS_FAULTS: &str = "GOFER_READER_SHOWS_FAULTS";

/// Hands all pipelines of a program over, as the last thing that `main` does.
///
/// Writes the message for `gofer` to standard output; if that is a terminal, shows the plan as text
/// instead. Faults are shown on standard error, unless the variable `GOFER_READER_SHOWS_FAULTS` is
/// set, as `gofer up` does, which shows them itself. The exit code to return from `main` is
///
/// - 0: all is well.
/// - 2: there are faults. The message was written and holds them.
/// - 70: the message could not be written. Standard error says why.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use gofer_sdk::{Pipeline, Task, finish_all};
///
/// fn main() -> ExitCode {
///     let hourly = Pipeline::new("hourly", "").tasks([Task::new("poll", "alpine:3")]);
///     let nightly = Pipeline::new("nightly", "").tasks([Task::new("build", "alpine:3")]);
///     finish_all([hourly, nightly])
/// }
/// ```
#[must_use = "return it from main, it tells whether there are faults"]
pub fn finish_all(pipelines: impl IntoIterator<Item = Pipeline>) -> ExitCode {
    let plan = Plan::of(pipelines.into_iter().collect());
    let stdout = io::stdout();
    let form = if stdout.is_terminal() { Form::Text } else { Form::Message };
    let told = std::env::var_os(READER_SHOWS_FAULTS).is_some_and(|value| !value.is_empty());
    let faults = if told { Faults::LeftToReader } else { Faults::Told };
    let mut stderr = io::stderr();
    match write(&plan, (form, faults), &mut stdout.lock(), &mut stderr) {
        Ok(()) if plan.is_valid() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(EXIT_FAULTS),
        Err(error) => {
            // Where standard error is closed too, the exit code alone has to say it.
            writeln!(
                stderr,
                "the pipeline message could not be written to standard output: {error}"
            )
            .unwrap_or_default();
            ExitCode::from(EXIT_NOT_WRITTEN)
        }
    }
}

/// What a reader of standard output can use.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// A program: the bytes of the message.
    Message,
    /// A person.
    Text,
}

/// Who shows the faults.
#[derive(Debug, Clone, Copy)]
enum Faults {
    /// This program, on standard error.
    Told,
    /// Whoever reads the message.
    LeftToReader,
}

fn write(
    plan: &Plan,
    (form, faults): (Form, Faults),
    out: &mut dyn Write,
    talk: &mut dyn Write,
) -> io::Result<()> {
    match form {
        Form::Message => out.write_all(&plan.to_bytes())?,
        Form::Text => out.write_all(plan.text().as_bytes())?,
    }
    out.flush()?;
    match faults {
        // The message is out; one who closed standard error did not want to hear more.
        Faults::Told => talk.write_all(plan.fault_text().as_bytes()).unwrap_or_default(),
        Faults::LeftToReader => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Task;

    /// What goes to standard output and to standard error.
    fn written(pipeline: &Pipeline, form: Form, faults: Faults) -> (Vec<u8>, String) {
        let (mut out, mut talk) = (Vec::new(), Vec::new());
        write(&pipeline.plan(), (form, faults), &mut out, &mut talk).unwrap();
        (out, String::from_utf8(talk).unwrap())
    }

    #[test]
    fn a_terminal_gets_text_and_a_pipe_gets_the_message() {
        let pipeline = Pipeline::new("demo", "Demo").tasks([Task::new("build", "")]);
        let (out, talk) = written(&pipeline, Form::Text, Faults::Told);
        assert!(out.starts_with(b"demo  Demo\n"), "{out:?}");
        assert!(talk.starts_with("error[G01"), "{talk}");
        let (out, talk) = written(&pipeline, Form::Message, Faults::Told);
        assert!(out.starts_with(b"\x0a\x11gofer.pipeline.v1"), "{out:?}");
        assert!(talk.starts_with("error[G01"), "{talk}");
        let (_, talk) = written(&pipeline, Form::Message, Faults::LeftToReader);
        assert_eq!(talk, "");
    }
}
