//! What a pipeline program prints: one encoded message, and nothing else. Programmers print to standard
//! output all the same, so whatever stands before the message is named instead of failing somewhere in
//! the middle of a decoder.

use gofer_proto::PROGRAM_KIND;
use gofer_proto::sdk::v1 as pb;
use prost::Message;

use crate::model::{PipelineSpec, Place};

/// The first bytes of every message: field 1, a text of 17 bytes, and that text.
const OPENING: &[u8] = b"\x0a\x11gofer.pipeline.v1";

/// Most characters of stray output that an error repeats.
const STRAY_CHARS_MAX: usize = 200;

/// What a program declared.
#[derive(Debug, Clone)]
pub struct Program {
    /// Language of its SDK, for example `rust`; empty where it does not say.
    pub sdk_language: String,
    /// Version of its SDK; empty where it does not say.
    pub sdk_version: String,
    /// The pipelines, in the order of declaration.
    pub pipelines: Vec<Declared>,
    /// The faults that its SDK found.
    pub diagnostics: Vec<Diagnostic>,
}

/// A pipeline that a program declared.
#[derive(Debug, Clone)]
pub struct Declared {
    /// What it says.
    pub spec: PipelineSpec,
    wire: pb::Pipeline,
}

impl Declared {
    pub(crate) fn wire(&self) -> &pb::Pipeline {
        &self.wire
    }
}

/// A fault that an SDK found in a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code, for example `G0103`.
    pub code: String,
    /// Whether the pipeline cannot be registered; otherwise it is a warning.
    pub is_error: bool,
    /// What is wrong.
    pub message: String,
    /// What to do about it. `None`: nothing useful to say.
    pub help: Option<String>,
    /// The thing that it is about. `None`: the whole program.
    pub subject: Option<String>,
    /// Where it is. `None`: unknown.
    pub source: Option<Place>,
    /// Other places that explain it.
    pub related: Vec<(String, Option<Place>)>,
}

/// Why the output of a program is not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// It printed nothing.
    #[error(
        "the program printed nothing to stdout; does its `main` end with the pipeline's `finish`?"
    )]
    Empty,
    /// It printed something else.
    #[error(
        "the program printed {text:?} to stdout, which belongs to the pipeline message; print to stderr instead"
    )]
    Stray {
        /// The start of what it printed.
        text: String,
    },
    /// The message is cut off, or something was printed into it or after it.
    #[error(
        "the pipeline message on the program's stdout is broken; stdout belongs to it, so print to stderr instead"
    )]
    Broken,
    /// The message is of another kind.
    #[error("the program speaks `{kind}`, and this gofer understands `{PROGRAM_KIND}`")]
    OtherKind {
        /// What it says it is.
        kind: String,
    },
}

/// Whether these bytes begin as a message does.
#[must_use]
pub fn is_program(bytes: &[u8]) -> bool {
    bytes.starts_with(OPENING)
}

/// Reads what a program printed.
pub fn decode(bytes: &[u8]) -> Result<Program, ProgramError> {
    if bytes.is_empty() {
        return Err(ProgramError::Empty);
    }
    if !is_program(bytes) {
        return Err(foreign(bytes));
    }
    let program = pb::Program::decode(bytes).map_err(|_| ProgramError::Broken)?;
    if program.kind != PROGRAM_KIND {
        return Err(ProgramError::OtherKind { kind: program.kind });
    }
    let sdk = program.sdk.unwrap_or_default();
    Ok(Program {
        sdk_language: sdk.language,
        sdk_version: sdk.version,
        pipelines: program
            .pipelines
            .into_iter()
            .map(|wire| Declared { spec: wire.clone().into(), wire })
            .collect(),
        diagnostics: program.diagnostics.into_iter().map(Into::into).collect(),
    })
}

/// What stands where the message should begin.
fn foreign(bytes: &[u8]) -> ProgramError {
    let before = match bytes.windows(OPENING.len()).position(|window| window == OPENING) {
        Some(at) => bytes.get(..at).unwrap_or_default(),
        None => bytes,
    };
    let text = String::from_utf8_lossy(before);
    ProgramError::Stray { text: text.trim_end().chars().take(STRAY_CHARS_MAX).collect() }
}

impl From<pb::Diagnostic> for Diagnostic {
    fn from(wire: pb::Diagnostic) -> Self {
        Self {
            is_error: wire.severity() != pb::Severity::Warning,
            code: wire.code,
            message: wire.message,
            help: wire.help,
            subject: wire.subject,
            source: wire.source.map(Into::into),
            related: wire
                .related
                .into_iter()
                .map(|related| (related.message, related.source.map(Into::into)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Vec<u8> {
        let pipeline = pb::Pipeline { id: "simple".into(), ..Default::default() };
        let program = pb::Program {
            kind: PROGRAM_KIND.into(),
            pipelines: vec![pipeline],
            ..Default::default()
        };
        program.encode_to_vec()
    }

    #[test]
    fn a_message_is_read() {
        let program = decode(&message()).unwrap();
        assert_eq!(program.pipelines[0].spec.id, "simple");
    }

    #[test]
    fn stray_output_is_named() {
        let mut bytes = b"hello\n".to_vec();
        bytes.extend(message());
        let error = decode(&bytes).unwrap_err();
        assert_eq!(error, ProgramError::Stray { text: "hello".into() });
        assert!(error.to_string().contains("\"hello\"") && error.to_string().contains("stderr"));
        assert_eq!(decode(b"hi").unwrap_err(), ProgramError::Stray { text: "hi".into() });
    }

    #[test]
    fn a_message_with_something_behind_it_is_broken() {
        let mut bytes = message();
        bytes.extend(b"bye\n");
        assert_eq!(decode(&bytes).unwrap_err(), ProgramError::Broken);
        assert_eq!(decode(b"").unwrap_err(), ProgramError::Empty);
    }
}
