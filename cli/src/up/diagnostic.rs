//! Faults of a program, drawn as rustc draws them: the code, the sentence, the place and its line.

use std::path::Path;

use gofer_client::program::Diagnostic as SdkDiagnostic;
use gofer_core::pipeline::Fault;

use crate::failure::Violation;
use crate::look::{Look, Tone};

/// One fault, whoever found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Diagnostic {
    pub(crate) code: String,
    pub(crate) is_error: bool,
    pub(crate) subject: String,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    pub(crate) place: Option<Place>,
    pub(crate) related: Vec<(String, Option<Place>)>,
}

/// `file:line:column`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    file: String,
    line: u32,
    column: Option<u32>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        self.column.map_or(Ok(()), |column| write!(f, ":{column}"))
    }
}

impl From<&gofer_client::model::Place> for Place {
    fn from(place: &gofer_client::model::Place) -> Self {
        Self { file: place.file.clone(), line: place.line, column: place.column }
    }
}

impl From<&gofer_core::pipeline::Place> for Place {
    fn from(place: &gofer_core::pipeline::Place) -> Self {
        let column = Some(place.column).filter(|column| *column > 0);
        Self { file: place.file.clone(), line: place.line, column }
    }
}

impl From<&SdkDiagnostic> for Diagnostic {
    fn from(found: &SdkDiagnostic) -> Self {
        Self {
            code: found.code.clone(),
            is_error: found.is_error,
            subject: found.subject.clone().unwrap_or_default(),
            message: found.message.clone(),
            help: found.help.clone(),
            place: found.source.as_ref().map(Into::into),
            related: found
                .related
                .iter()
                .map(|(message, place)| (message.clone(), place.as_ref().map(Into::into)))
                .collect(),
        }
    }
}

impl From<&Fault> for Diagnostic {
    fn from(found: &Fault) -> Self {
        Self {
            code: found.code.to_owned(),
            is_error: true,
            subject: found.field.clone(),
            message: found.message.clone(),
            help: found.help.clone(),
            place: found.place.as_ref().map(Into::into),
            related: found
                .related
                .iter()
                .map(|related| (related.message.clone(), related.place.as_ref().map(Into::into)))
                .collect(),
        }
    }
}

impl Diagnostic {
    pub(crate) fn violation(&self) -> Violation {
        Violation {
            field: self.subject.clone(),
            rule: self.message.clone(),
            help: self.help.clone(),
            code: Some(self.code.clone()).filter(|code| !code.is_empty()),
            source: self.place.as_ref().map(ToString::to_string),
        }
    }

    /// Whether another one tells of the same fault: SDK and validator find some twice.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.code == other.code
            && match (&self.place, &other.place) {
                (Some(one), Some(two)) => one.file == two.file && one.line == two.line,
                (None, None) => self.message == other.message,
                (Some(_), None) | (None, Some(_)) => false,
            }
    }
}

/// One fault as text; `folder` is where the files of its places lie.
pub(crate) fn text(found: &Diagnostic, folder: &Path, look: &Look) -> String {
    let (word, tone) = if found.is_error { ("error", Tone::Bad) } else { ("warning", Tone::Busy) };
    let code = if found.code.is_empty() { String::new() } else { format!("[{}]", found.code) };
    let mut text = format!("{}: {}\n", look.paint(tone, &format!("{word}{code}")), found.message);
    match &found.place {
        Some(place) => text.push_str(&drawn(place, folder, look)),
        None if !found.subject.is_empty() => {
            text.push_str(&format!("  {} {}\n", look.paint(Tone::Head, "-->"), found.subject));
        }
        None => {} // about the whole program
    }
    for (message, place) in &found.related {
        text.push_str(&format!("  {}: {message}\n", look.paint(Tone::Head, "note")));
        if let Some(place) = place {
            text.push_str(&drawn(place, folder, look));
        }
    }
    if let Some(help) = &found.help {
        text.push_str(&format!("  {}: {help}\n", look.paint(Tone::Head, "help")));
    }
    text
}

/// The place, and the line of the source that is there, if the file can be read.
fn drawn(place: &Place, folder: &Path, look: &Look) -> String {
    let mut text = format!("  {} {place}\n", look.paint(Tone::Head, "-->"));
    let index = usize::try_from(place.line).unwrap_or(0).checked_sub(1);
    let source = std::fs::read_to_string(folder.join(&place.file)).ok();
    let line = source.as_deref().zip(index).and_then(|(source, at)| source.lines().nth(at));
    let Some(line) = line else { return text };
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    let bar = look.paint(Tone::Head, "|");
    text.push_str(&format!(" {margin} {bar}\n"));
    text.push_str(&format!(" {} {bar} {}\n", look.paint(Tone::Head, &number), line.trim_end()));
    if let Some(column) = place.column.and_then(|column| usize::try_from(column).ok()) {
        // Tabs stay tabs, so that the mark stands below its place.
        let before = line.chars().take(column.saturating_sub(1));
        let space: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        text.push_str(&format!(" {margin} {bar} {space}{}\n", look.paint(Tone::Bad, "^")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault() -> Diagnostic {
        Diagnostic {
            code: "G0103".into(),
            is_error: true,
            subject: "tasks[deploy]".into(),
            message: "task `deploy` waits for `biuld`, which does not exist".into(),
            help: Some("did you mean `build`?".into()),
            place: Some(Place { file: "src/main.rs".into(), line: 2, column: Some(5) }),
            related: vec![],
        }
    }

    #[test]
    fn a_fault_is_drawn_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("src")).unwrap();
        let source = "fn main() {\n    .depends_on(\"biuld\", Success)\n}\n";
        std::fs::write(folder.path().join("src/main.rs"), source).unwrap();
        insta::assert_snapshot!(text(&fault(), folder.path(), &Look::terminal()), @r#"
        error[G0103]: task `deploy` waits for `biuld`, which does not exist
          --> src/main.rs:2:5
           |
         2 |     .depends_on("biuld", Success)
           |     ^
          help: did you mean `build`?
        "#);
    }

    #[test]
    fn a_program_that_reads_a_fault_gets_the_help_too() {
        let violation = serde_json::to_value(fault().violation()).unwrap();
        assert_eq!(violation["help"], "did you mean `build`?");
    }

    #[test]
    fn a_place_that_cannot_be_read_is_still_named() {
        let text = text(&fault(), Path::new("/nowhere"), &Look::terminal());
        assert!(text.contains("--> src/main.rs:2:5\n  help:"), "{text}");
    }
}
