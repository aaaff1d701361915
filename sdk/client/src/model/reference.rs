//! The names of things, as one path: `namespace:pipeline/run/task`.

use std::fmt;

/// A pipeline of a namespace. Prints as `namespace:pipeline`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PipelineRef {
    /// Id of the namespace.
    pub namespace: String,
    /// Id of the pipeline.
    pub pipeline: String,
}

/// A run of a pipeline. Prints as `namespace:pipeline/run`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunRef {
    /// The pipeline.
    pub pipeline: PipelineRef,
    /// Id of the run within the pipeline.
    pub run: u64,
}

/// A task of a run. Prints as `namespace:pipeline/run/task`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskRunRef {
    /// The run.
    pub run: RunRef,
    /// Id of the task.
    pub task: String,
}

impl PipelineRef {
    /// The pipeline of that id in that namespace.
    pub fn new(namespace: impl Into<String>, pipeline: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), pipeline: pipeline.into() }
    }

    /// A run of this pipeline.
    #[must_use]
    pub fn run(&self, run: u64) -> RunRef {
        RunRef { pipeline: self.clone(), run }
    }
}

impl RunRef {
    /// A task of this run.
    #[must_use]
    pub fn task(&self, task: impl Into<String>) -> TaskRunRef {
        TaskRunRef { run: self.clone(), task: task.into() }
    }
}

impl fmt::Display for PipelineRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.namespace, self.pipeline)
    }
}

impl fmt::Display for RunRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pipeline, self.run)
    }
}

impl fmt::Display for TaskRunRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.run, self.task)
    }
}
