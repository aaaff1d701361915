//! What the SDK finds wrong with a program. A builder call notes a [`Slip`], which becomes a
//! diagnostic of the message once the pipeline is planned. A fault is a sentence of the author's
//! own words: the thing, the rule, the place, and what to write instead.

use gofer_proto::sdk::v1 as pb;

use crate::place;
use crate::text::printable;
use crate::units::BadUnit;

/// The codes of the faults. Those from G0101 on are the server's for the same fault, those from G0201
/// on are faults of a whole program, which only an SDK can see. A code keeps its meaning for ever.
pub(crate) mod code {
    /// An id is not 3 to 32 letters, digits and underscores.
    pub(crate) const ID: &str = "G0101";
    /// Two tasks have the same id.
    pub(crate) const TASK_TWICE: &str = "G0102";
    /// A task waits for a task that does not exist.
    pub(crate) const PARENT_UNKNOWN: &str = "G0103";
    /// A task waits for itself.
    pub(crate) const PARENT_SELF: &str = "G0104";
    /// A task names the same parent twice.
    pub(crate) const PARENT_TWICE: &str = "G0105";
    /// Tasks wait for each other in a cycle.
    pub(crate) const CYCLE: &str = "G0107";
    /// The pipeline has no tasks.
    pub(crate) const NO_TASKS: &str = "G0108";
    /// A task has no image.
    pub(crate) const IMAGE_EMPTY: &str = "G0110";
    /// A time limit cannot be read, or is 0.
    pub(crate) const TIMEOUT: &str = "G0121";
    /// Count, delay, factor or cap of retries cannot be used.
    pub(crate) const RETRIES: &str = "G0122";
    /// The CPU share cannot be read, or is 0.
    pub(crate) const CPU: &str = "G0125";
    /// The memory limit cannot be read, or is 0.
    pub(crate) const MEMORY: &str = "G0126";
    /// A label has no key that the message could hold.
    pub(crate) const LABEL: &str = "G0132";
    /// Two pipelines of the program have the same id.
    pub(crate) const PIPELINE_TWICE: &str = "G0201";
    /// The program declares no pipeline.
    pub(crate) const NO_PIPELINES: &str = "G0202";
}

/// A value that was given to a builder and cannot be used.
#[derive(Debug, Clone)]
pub(crate) struct Slip {
    /// The code of the rule that it breaks.
    pub(crate) code: &'static str,
    /// The rule, to be read after the thing that has the value.
    pub(crate) rule: String,
    /// What to write instead.
    pub(crate) help: &'static str,
    /// Where it was given.
    pub(crate) place: pb::Source,
}

impl Slip {
    /// The slip of a text that is no duration, size or share.
    pub(crate) fn of(code: &'static str, what: &str, bad: &BadUnit, place: pb::Source) -> Self {
        Self { code, rule: format!("the {what} {}", bad.rule), help: bad.help, place }
    }

    /// The fault of a slip in a value of `subject`.
    pub(crate) fn to_fault(&self, subject: &str) -> Fault {
        let message = format!("{subject}: {}", self.rule);
        Fault::new(self.code, subject, message, &self.place).help(self.help)
    }
}

/// Something that keeps the program from being registered.
#[derive(Debug, Clone)]
pub(crate) struct Fault(pb::Diagnostic);

impl Fault {
    /// A fault in `subject`, for example ``task `build` ``.
    pub(crate) fn new(
        code: &str,
        subject: &str,
        message: impl Into<String>,
        place: &pb::Source,
    ) -> Self {
        Self(pb::Diagnostic {
            code: code.to_owned(),
            severity: pb::Severity::Error.into(),
            message: message.into(),
            help: None,
            subject: Some(subject.to_owned()),
            source: Some(place.clone()),
            related: Vec::new(),
        })
    }

    /// A fault of the whole program, which has no place.
    pub(crate) fn of_program(code: &str, message: &str) -> Self {
        let mut fault = Self::new(code, "", message, &pb::Source::default());
        fault.0.subject = None;
        fault.0.source = None;
        fault
    }

    /// Says what to do about it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Adds a place that explains it.
    pub(crate) fn related(mut self, message: impl Into<String>, place: &pb::Source) -> Self {
        let source = Some(place.clone());
        self.0.related.push(pb::RelatedSource { message: message.into(), source });
        self
    }

    /// The fault as it stands in the message of a program.
    pub(crate) fn into_message(self) -> pb::Diagnostic {
        self.0
    }
}

/// The fault as people read it: one line for what is wrong, then indented where and what to do.
pub(crate) fn shown(fault: &pb::Diagnostic) -> String {
    let word = match fault.severity() {
        pb::Severity::Warning => "warning",
        pb::Severity::Error | pb::Severity::Unspecified => "error",
    };
    let mut text = format!("{word}[{}]: {}\n", fault.code, printable(&fault.message));
    if let Some(source) = &fault.source {
        text += &format!("  --> {}\n", place::shown(source));
    }
    if let Some(help) = &fault.help {
        text += &format!("  help: {}\n", printable(help));
    }
    for related in &fault.related {
        text += &format!("  note: {}", printable(&related.message));
        if let Some(source) = &related.source {
            text += &format!(": {}", place::shown(source));
        }
        text.push('\n');
    }
    text
}
