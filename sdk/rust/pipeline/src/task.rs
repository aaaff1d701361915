//! The builder of a task. It holds the message that it will become, and the slips that it noted on
//! the way; the pipeline checks the rest, since only there all tasks are known.

use std::fmt;

use gofer_proto::sdk::v1 as pb;

use crate::fault::{Slip, code};
use crate::parents::{Parents, Status};
use crate::place::here;
use crate::retries::Retries;
use crate::script;
use crate::text::quote;
use crate::units::{self, BadUnit};

/// When the image of a task is fetched from its registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PullPolicy {
    /// Only if the container engine does not hold it. This is the default.
    IfNotPresent,
    /// Before every attempt.
    Always,
    /// Never: if the engine does not hold it the task fails.
    Never,
}

/// One container of a pipeline, and when it is to start.
///
/// Where a call sets a single value, the last call counts; where it adds to a list, all calls do.
/// Values that cannot be used are noted and reported when the pipeline is finished.
#[must_use = "a task does nothing until it is added to a pipeline"]
#[derive(Clone)]
pub struct Task {
    pub(crate) message: pb::Task,
    pub(crate) slips: Vec<Slip>,
}

/// Shows id and image only: registry credentials may hold a password.
impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("id", &self.message.id)
            .field("image", &self.message.image)
            .finish_non_exhaustive()
    }
}

impl Task {
    /// A task that runs `image`, an image reference such as `ubuntu:24.04`. The id has 3 to 32
    /// letters, digits and underscores, and no other task of the pipeline has the same.
    #[track_caller]
    pub fn new(id: impl Into<String>, image: impl Into<String>) -> Self {
        let message = pb::Task {
            id: id.into(),
            image: image.into(),
            source: Some(here()),
            ..pb::Task::default()
        };
        Self { message, slips: Vec::new() }
    }

    /// The id, as it was given to [`new`](Self::new).
    #[must_use]
    pub fn id(&self) -> &str {
        &self.message.id
    }

    /// What the task does, for people.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.message.description = description.into();
        self
    }

    /// How to sign in to the registry of the image; without this call, anonymously. The password
    /// should be a [`secret`](crate::secret).
    pub fn registry_auth(
        mut self,
        username: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        let auth = pb::RegistryAuth { username: username.into(), password: password.into() };
        self.message.registry_auth = Some(auth);
        self
    }

    /// When the image is fetched; without this call, [`PullPolicy::IfNotPresent`].
    pub fn pull(mut self, policy: PullPolicy) -> Self {
        let policy = match policy {
            PullPolicy::IfNotPresent => pb::PullPolicy::IfNotPresent,
            PullPolicy::Always => pb::PullPolicy::Always,
            PullPolicy::Never => pb::PullPolicy::Never,
        };
        self.message.pull_policy = policy.into();
        self
    }

    /// Replaces the entrypoint of the image: a program and its first arguments, one per item. Empty
    /// keeps the image's own.
    pub fn entrypoint<T: Into<String>>(mut self, entrypoint: impl IntoIterator<Item = T>) -> Self {
        self.message.entrypoint = entrypoint.into_iter().map(Into::into).collect();
        self
    }

    /// Replaces the command of the image: one argument per item, with no shell in between. Empty
    /// keeps the image's own.
    pub fn command<T: Into<String>>(mut self, command: impl IntoIterator<Item = T>) -> Self {
        self.message.command = command.into_iter().map(Into::into).collect();
        self
    }

    /// A shell script to run in place of entrypoint and command; the image must hold `/bin/sh`.
    ///
    /// A text that opens with a line break is taken to be indented with the program around it: the
    /// line break, the indentation that all lines share, and blank text after the last line are
    /// removed. Any other text is left exactly as it is.
    ///
    /// ```
    /// # use gofer_sdk::Task;
    /// Task::new("build", "alpine:3").script(
    ///     "
    ///     set -eu
    ///     make all
    ///     ",
    /// );
    /// ```
    pub fn script(mut self, script: impl AsRef<str>) -> Self {
        self.message.script = Some(script::unindent(script.as_ref()));
        self
    }

    /// The user that the container runs as: a name or number, or `user:group`. Empty is the image's
    /// own.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.message.user = Some(user.into()).filter(|user| !user.is_empty());
        self
    }

    /// The working directory inside the container, an absolute path. Empty is the image's own.
    pub fn workdir(mut self, workdir: impl Into<String>) -> Self {
        self.message.workdir = Some(workdir.into()).filter(|workdir| !workdir.is_empty());
        self
    }

    /// The most CPU that the container gets: cores as `"1.5"`, or thousandths of a core as `"500m"`.
    /// Without this call there is no limit.
    #[track_caller]
    pub fn cpu(mut self, cpu: impl AsRef<str>) -> Self {
        let read = units::cpu_milli(cpu.as_ref());
        self.message.cpu_milli = self.noted(code::CPU, "cpu", read, here());
        self
    }

    /// The most memory that the container gets: a size such as `"512MiB"` or `"2GiB"`, with the
    /// units B, kB, MB, GB, TB (powers of 1,000) and KiB, MiB, GiB, TiB (powers of 1,024). Without
    /// this call there is no limit.
    #[track_caller]
    pub fn memory(mut self, memory: impl AsRef<str>) -> Self {
        let read = units::size_bytes(memory.as_ref());
        self.message.memory_bytes = self.noted(code::MEMORY, "memory", read, here());
        self
    }

    /// How long one attempt may run, from the start of its container: a duration such as `"30m"` or
    /// `"1h30m"`, with the units ms, s, m, h, d. Without this call there is no limit but the
    /// server's own.
    #[track_caller]
    pub fn timeout(mut self, timeout: impl AsRef<str>) -> Self {
        let read = units::timeout_ms(timeout.as_ref());
        self.message.timeout_ms = self.noted(code::TIMEOUT, "timeout", read, here());
        self
    }

    /// How often a failed attempt is made again: a number, or [`Retries`] with their waits. Without
    /// this call, never.
    #[track_caller]
    pub fn retries(mut self, retries: impl Into<Retries>) -> Self {
        let retries = retries.into();
        if let Some(count) = retries.negative {
            self.slips.push(Slip {
                code: code::RETRIES,
                rule: format!("the number of retries is {count}"),
                help: "write 0 or leave the call out for no retries",
                place: here(),
            });
        }
        self.slips.extend(retries.slips);
        self.message.retries = Some(retries.message);
        self
    }

    /// A label for grouping and filtering. A second value for the same key replaces the first.
    #[track_caller]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, value) = (key.into(), value.into());
        if key.is_empty() || key.contains('=') {
            self.slips.push(Slip {
                code: code::LABEL,
                rule: format!("the key of the label {} is empty or holds `=`", quote(&key)),
                help: "write key and value as two arguments",
                place: here(),
            });
            return self;
        }
        // The message has one text for each label.
        let start = format!("{key}=");
        let text = format!("{start}{value}");
        match self.message.labels.iter_mut().find(|label| label.starts_with(&start)) {
            Some(label) => *label = text,
            None => self.message.labels.push(text),
        }
        self
    }

    /// An environment variable of the container. The key begins with a letter or underscore, goes on
    /// with letters, digits and underscores, and is used exactly as written. A second value for the
    /// same key replaces the first. The value may hold placeholders such as
    /// [`secret`](crate::secret).
    pub fn variable(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, value) = (key.into(), value.into());
        match self.message.variables.iter_mut().find(|variable| variable.key == key) {
            Some(variable) => variable.value = value,
            None => self.message.variables.push(pb::Variable { key, value }),
        }
        self
    }

    /// Several environment variables, each as with [`variable`](Self::variable). Variables from
    /// earlier calls stay.
    pub fn variables<K: Into<String>, V: Into<String>>(
        self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        variables.into_iter().fold(self, |task, (key, value)| task.variable(key, value))
    }

    /// Waits for the parents to end in the given way; one that ends otherwise makes this task be
    /// skipped. Parents are named by id, [`Task`] or [`TaskHandle`](crate::TaskHandle).
    #[track_caller]
    pub fn depends_on(mut self, parents: impl Parents, status: Status) -> Self {
        self.add_parents(&parents, status, &here());
        self
    }

    /// Waits for several parents, each with the way in which it must end.
    ///
    /// ```
    /// # use gofer_sdk::{Status, Task};
    /// Task::new("report", "alpine:3")
    ///     .depends_on_many([("build", Status::Any), ("test", Status::Success)]);
    /// ```
    #[track_caller]
    pub fn depends_on_many<P: Parents>(
        mut self,
        parents: impl IntoIterator<Item = (P, Status)>,
    ) -> Self {
        let place = here();
        for (parents, status) in parents {
            self.add_parents(&parents, status, &place);
        }
        self
    }

    /// Waits for the parents to end, however they do: [`depends_on`](Self::depends_on) with
    /// [`Status::Any`].
    #[track_caller]
    pub fn after(self, parents: impl Parents) -> Self {
        self.depends_on(parents, Status::Any)
    }

    /// Waits for the parents to succeed: [`depends_on`](Self::depends_on) with [`Status::Success`].
    #[track_caller]
    pub fn on_success(self, parents: impl Parents) -> Self {
        self.depends_on(parents, Status::Success)
    }

    /// Waits for the parents to fail: [`depends_on`](Self::depends_on) with [`Status::Failure`].
    #[track_caller]
    pub fn on_failure(self, parents: impl Parents) -> Self {
        self.depends_on(parents, Status::Failure)
    }

    fn add_parents(&mut self, parents: &impl Parents, status: Status, place: &pb::Source) {
        let status = status.to_message().into();
        let edge = |parent| pb::DependsOn { parent, status, source: Some(place.clone()) };
        self.message.depends_on.extend(parents.parent_ids().into_iter().map(edge));
    }

    /// The value that was read, or a note of why there is none.
    fn noted(
        &mut self,
        code: &'static str,
        what: &str,
        read: Result<u64, BadUnit>,
        place: pb::Source,
    ) -> Option<u64> {
        read.map_err(|bad| self.slips.push(Slip::of(code, what, &bad, place))).ok()
    }
}
