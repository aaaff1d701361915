//! The edges of the graph: whom a task waits for, and how that one must have ended.

use gofer_proto::sdk::v1 as pb;

use crate::task::Task;

/// How a parent must have ended for its child to start. If it ended otherwise the child is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Successful, failed or skipped.
    Any,
    /// Successful.
    Success,
    /// Failed.
    Failure,
}

impl Status {
    pub(crate) fn to_message(self) -> pb::RequiredStatus {
        match self {
            Self::Any => pb::RequiredStatus::Any,
            Self::Success => pb::RequiredStatus::Success,
            Self::Failure => pb::RequiredStatus::Failure,
        }
    }
}

/// A task that was added to a pipeline, as [`Pipeline::task`](crate::Pipeline::task) gives it. With
/// handles instead of ids neither an unknown parent nor a cycle can be written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TaskHandle {
    id: String,
}

impl TaskHandle {
    pub(crate) fn new(id: &str) -> Self {
        Self { id: id.to_owned() }
    }

    /// The id of the task, as it was given to [`Task::new`].
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Anything that names one or more tasks: a [`TaskHandle`], a [`Task`], an id, or a list of one of
/// these.
///
/// ```
/// use gofer_sdk::{Pipeline, Task};
///
/// let mut pipeline = Pipeline::new("release", "Release");
/// let linux = pipeline.task(Task::new("linux", "alpine:3"));
/// let arm = pipeline.task(Task::new("linux_arm", "alpine:3"));
/// pipeline.task(Task::new("publish", "alpine:3").on_success([&linux, &arm]).after("linux"));
/// ```
pub trait Parents {
    /// The ids of the tasks, in their order. An id that no task has is a fault of the pipeline.
    fn parent_ids(&self) -> Vec<String>;
}

impl Parents for TaskHandle {
    fn parent_ids(&self) -> Vec<String> {
        vec![self.id.clone()]
    }
}

impl Parents for Task {
    fn parent_ids(&self) -> Vec<String> {
        vec![self.id().to_owned()]
    }
}

impl Parents for str {
    fn parent_ids(&self) -> Vec<String> {
        vec![self.to_owned()]
    }
}

impl Parents for String {
    fn parent_ids(&self) -> Vec<String> {
        vec![self.clone()]
    }
}

impl<P: Parents + ?Sized> Parents for &P {
    fn parent_ids(&self) -> Vec<String> {
        (**self).parent_ids()
    }
}

impl<P: Parents> Parents for [P] {
    fn parent_ids(&self) -> Vec<String> {
        self.iter().flat_map(Parents::parent_ids).collect()
    }
}

impl<P: Parents, const N: usize> Parents for [P; N] {
    fn parent_ids(&self) -> Vec<String> {
        self.as_slice().parent_ids()
    }
}

impl<P: Parents> Parents for Vec<P> {
    fn parent_ids(&self) -> Vec<String> {
        self.as_slice().parent_ids()
    }
}
