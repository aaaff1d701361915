//! The smallest pipeline: one task that prints one line.

use std::process::ExitCode;

use gofer_sdk::{Pipeline, PullPolicy, Task};

fn main() -> ExitCode {
    Pipeline::new("simple", "Simple Pipeline")
        .description("One container that greets the world and exits.")
        .tasks([Task::new("simple_task", "gofer-example/busybox:1")
            .description("Prints our hello-world message and exits.")
            .pull(PullPolicy::Never)
            .command(["echo", "Hello from Gofer!"])])
        .finish()
}
