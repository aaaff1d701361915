//! Everything that is printed goes through here: data to standard output, talk to standard error. A
//! reader that has gone away ends the command silently, and errors have one shape.

use std::io::{ErrorKind, Write};

use gofer_client::model::Page;
use serde::Serialize;

use crate::args::Format;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::look::{Look, Tone};
use crate::show::{Noun, table};

/// Where a command prints to.
pub(crate) struct Out {
    pub(crate) look: Look,
    pub(crate) format: Format,
    pub(crate) quiet: bool,
    /// Whether standard error is a terminal.
    pub(crate) stderr_is_terminal: bool,
    data: Box<dyn Write + Send>,
    talk: Box<dyn Write + Send>,
}

/// One JSON document: the schema first, then the thing itself.
#[derive(Serialize)]
pub(crate) struct Document<'a, T> {
    pub(crate) schema: &'a str,
    #[serde(flatten)]
    pub(crate) body: &'a T,
}

impl Out {
    pub(crate) fn new(environment: &Environment, look: Look, format: Format, quiet: bool) -> Self {
        Self {
            look,
            format,
            quiet,
            stderr_is_terminal: environment.stderr_is_terminal,
            data: Box::new(std::io::BufWriter::new(std::io::stdout())),
            talk: Box::new(std::io::stderr()),
        }
    }

    /// One line of data.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes(text.as_bytes())?;
        self.bytes(b"\n")
    }

    /// Text that brings its own line ends, or none.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.data.write_all(bytes).map_err(|error| writing(&error))
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.data.flush().map_err(|error| writing(&error))
    }

    /// One line of talk. Who closed standard error did not want to hear it.
    pub(crate) fn say(&mut self, text: &str) {
        if !self.quiet {
            self.warn(text);
        }
    }

    /// Like [`Self::say`], for what must be heard with `--quiet` too.
    pub(crate) fn warn(&mut self, text: &str) {
        writeln!(self.talk, "{text}").ok();
    }

    /// How far something is, for a person who waits: one line that the next one takes the place of.
    pub(crate) fn progress(&mut self, text: &str) {
        if self.shows_progress() {
            write!(self.talk, "\r\u{1b}[K{text}").ok();
            self.talk.flush().ok();
        }
    }

    /// Takes the line of [`Self::progress`] away.
    pub(crate) fn progress_ends(&mut self) {
        self.progress("");
    }

    fn shows_progress(&self) -> bool {
        self.stderr_is_terminal && !self.quiet && !self.format.is_machine()
    }

    /// A thing that was made or changed: a sentence and the next commands for people, the thing itself
    /// for programs.
    pub(crate) fn made<T: Noun>(
        &mut self,
        thing: &T,
        text: &str,
        hints: &[String],
    ) -> Result<(), Failure> {
        self.one(thing, |look| format!("{} {text}", look.paint(Tone::Good, "✓")))?;
        self.flush()?;
        if !self.quiet && matches!(self.format, Format::Table | Format::Wide) {
            hints.iter().for_each(|hint| self.say(&format!("  {hint}")));
        }
        Ok(())
    }

    /// A value as one JSON line.
    pub(crate) fn json_line<T: Serialize>(&mut self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::internal("write the output as JSON", &error))?;
        self.line(&text)
    }

    /// Any value as a document, for the formats that programs read. False: the format is for people.
    pub(crate) fn document<T: Serialize>(
        &mut self,
        schema: &str,
        value: &T,
    ) -> Result<bool, Failure> {
        let document = Document { schema, body: value };
        match self.format {
            Format::Json => {
                let text = serde_json::to_string_pretty(&document)
                    .map_err(|error| Failure::internal("write the output as JSON", &error))?;
                self.line(&text)?;
            }
            Format::Jsonl => self.json_line(&document)?,
            Format::Yaml => {
                let text = serde_saphyr::to_string(&document)
                    .map_err(|error| Failure::internal("write the output as YAML", &error))?;
                self.bytes(text.as_bytes())?;
            }
            Format::Raw => return Err(no_bytes()),
            Format::Table | Format::Wide | Format::Name => return Ok(false),
        }
        Ok(true)
    }

    /// One thing; `text` is what people see.
    pub(crate) fn one<T: Noun>(
        &mut self,
        thing: &T,
        text: impl FnOnce(&Look) -> String,
    ) -> Result<(), Failure> {
        if self.quiet || self.format == Format::Name {
            return self.line(&thing.name());
        }
        if self.document(&format!("gofer.{}/v1", T::SCHEMA), thing)? {
            return Ok(());
        }
        let text = text(&self.look);
        self.line(text.trim_end())
    }

    /// A part of a list.
    pub(crate) fn list<T: Noun>(&mut self, page: &Page<T>) -> Result<(), Failure> {
        if self.quiet || self.format == Format::Name {
            return page.items.iter().try_for_each(|item| self.line(&item.name()));
        }
        if self.format == Format::Jsonl {
            let schema = format!("gofer.{}/v1", T::SCHEMA);
            return page
                .items
                .iter()
                .try_for_each(|body| self.json_line(&Document { schema: &schema, body }));
        }
        if self.document(&format!("gofer.{}.list/v1", T::SCHEMA), page)? {
            return Ok(());
        }
        let text = table::of(&page.items, &self.look);
        self.bytes(text.as_bytes())?;
        let shown = page.items.len();
        if page.next.is_some() && self.stderr_is_terminal {
            self.flush()?;
            self.say(&format!("{shown} of {}, --all for the rest", page.total));
        }
        Ok(())
    }

    /// Tells of a failure, and how the process ends.
    pub(crate) fn fail(&mut self, failure: &Failure) -> Exit {
        // What was printed before stands before the error.
        let unwritten = self.flush().err();
        let closed = |failure: &Failure| failure.detail().exit == Exit::ClosedPipe;
        if closed(failure) || unwritten.as_ref().is_some_and(closed) {
            return Exit::ClosedPipe;
        }
        let detail = failure.detail();
        if self.format.is_machine() {
            let error = serde_json::json!({ "error": detail });
            self.warn(&error.to_string());
            return detail.exit;
        }
        // Most often the failure is that very one.
        if let Some(unwritten) = unwritten.filter(|one| one.detail().code != detail.code) {
            self.explain(&unwritten);
        }
        self.explain(failure);
        detail.exit
    }

    fn explain(&mut self, failure: &Failure) {
        if failure.detail().shown {
            return;
        }
        let mut look = self.look.clone();
        look.color = look.color && self.stderr_is_terminal;
        self.warn(&crate::show::failure::text(failure.detail(), &look));
    }
}

impl std::fmt::Debug for Out {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Out").field("format", &self.format).finish_non_exhaustive()
    }
}

fn writing(error: &std::io::Error) -> Failure {
    if error.kind() == ErrorKind::BrokenPipe {
        return Failure::closed_pipe();
    }
    let is_full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded].contains(&error.kind());
    let exit = if is_full { Exit::Full } else { Exit::Internal };
    Failure::new(exit, "OUTPUT", format!("cannot write to standard output: {error}"))
}

/// The exact bytes were asked for, of something that is not bytes.
pub(crate) fn no_bytes() -> Failure {
    Failure::invalid("`-o raw` is for logs only")
        .next("take table, wide, json, jsonl, yaml or name")
}

/// Tells of a failure before there is a context.
pub(crate) fn fail(failure: &Failure, format: Format) -> Exit {
    let environment = Environment::read();
    let look = Look::new(&environment, &crate::args::Global::default(), false);
    Out::new(&environment, look, format, false).fail(failure)
}

/// Prints what clap has to say: help and version are answers, everything else is wrong usage.
pub(crate) fn usage(environment: &Environment, error: &clap::Error) -> Exit {
    let cleaned = without_aliases(error);
    let error = cleaned.as_ref().unwrap_or(error);
    if error.use_stderr() && environment.wants_machine_errors() {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        return fail(&Failure::new(Exit::Invalid, "USAGE", message), Format::Json);
    }
    match error.print() {
        Ok(()) if error.use_stderr() => Exit::Invalid,
        Ok(()) => Exit::Ok,
        Err(error) => writing(&error).detail().exit,
    }
}

/// The same error without the hidden aliases among the commands that it offers for a mistyped one: they
/// stand in no help, and beside the command that they mean they only ask which to take. `None`: it offers
/// no command.
fn without_aliases(error: &clap::Error) -> Option<clap::Error> {
    use clap::error::{ContextKind, ContextValue};
    let ContextValue::Strings(offered) = error.get(ContextKind::SuggestedSubcommand)? else {
        return None;
    };
    let root = <crate::args::Cli as clap::CommandFactory>::command();
    let mut kept: Vec<String> = Vec::new();
    for name in offered.iter().map(|name| main_name(&root, name).unwrap_or_else(|| name.clone())) {
        if !kept.contains(&name) {
            kept.push(name);
        }
    }
    let mut same = clap::Error::new(error.kind()).with_cmd(&root);
    for (kind, value) in error.context() {
        same.insert(kind, value.clone());
    }
    same.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(kept));
    Some(same)
}

/// The name of the command below `command` that has this hidden alias.
fn main_name(command: &clap::Command, alias: &str) -> Option<String> {
    command.get_subcommands().find_map(|sub| {
        let is_hidden = sub.get_all_aliases().any(|name| name == alias)
            && !sub.get_visible_aliases().any(|name| name == alias);
        if is_hidden { Some(sub.get_name().to_owned()) } else { main_name(sub, alias) }
    })
}

#[cfg(test)]
pub(crate) mod capture {
    //! An [`Out`] whose two streams can be read afterwards.

    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    pub(crate) fn out(look: Look, format: Format) -> (Out, Captured, Captured) {
        let (data, talk) = (Captured::default(), Captured::default());
        let out = Out {
            look,
            format,
            quiet: false,
            stderr_is_terminal: false,
            data: Box::new(data.clone()),
            talk: Box::new(talk.clone()),
        };
        (out, data, talk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_mistyped_command_is_offered_no_hidden_alias() {
        use clap::Parser;
        for words in [&["gofer", "pipelin"][..], &["gofer", "pipeline", "confgs"]] {
            let error = crate::args::Cli::try_parse_from(words).unwrap_err();
            let text = without_aliases(&error).unwrap().render().to_string();
            assert!(!text.contains("'pipelines'") && !text.contains("'configs'"), "{text}");
            assert!(text.contains("'pipeline'") || text.contains("'config'"), "{text}");
        }
    }

    #[test]
    fn a_closed_pipe_is_141_and_silent() {
        let (mut out, _, talk) = capture::out(Look::pipe(), Format::Table);
        out.data = Box::new(Closed);
        let failure = out.line("x").unwrap_err();
        assert_eq!(out.fail(&failure), Exit::ClosedPipe);
        assert_eq!(talk.text(), "");
    }

    struct Full;
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Err(ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn output_that_cannot_be_written_is_told_once_and_is_no_closed_pipe() {
        let (mut out, _, talk) = capture::out(Look::pipe(), Format::Table);
        out.data = Box::new(Full);
        let failure = out.flush().unwrap_err();
        assert_eq!(out.fail(&failure), Exit::Full);
        assert_eq!(talk.text().matches("cannot write to standard output").count(), 1);
        let (mut out, _, talk) = capture::out(Look::pipe(), Format::Table);
        out.data = Box::new(Full);
        assert_eq!(out.fail(&Failure::not_found("no such run")), Exit::NotFound);
        let text = talk.text();
        assert!(text.contains("standard output") && text.contains("no such run"), "{text}");
    }

    #[test]
    fn an_error_is_one_object_for_programs() {
        let (mut out, data, talk) = capture::out(Look::pipe(), Format::Json);
        let failure =
            Failure::not_found("pipeline `simpel` does not exist").nearest(vec!["simple".into()]);
        assert_eq!(out.fail(&failure), Exit::NotFound);
        assert_eq!(data.text(), "");
        let error: serde_json::Value = serde_json::from_str(&talk.text()).unwrap();
        let keys: Vec<&String> = error["error"].as_object().unwrap().keys().collect();
        let want = [
            "code",
            "error_id",
            "exit_code",
            "message",
            "nearest",
            "next",
            "retry_after_ms",
            "subject",
            "violations",
        ];
        assert_eq!(keys, want);
        assert_eq!(error["error"]["exit_code"], 3);
    }
}
