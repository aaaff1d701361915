//! Shell scripts in a pipeline program, and the variables that they read.

use std::process::ExitCode;

use gofer_sdk::{Pipeline, PullPolicy, Task};

const IMAGE: &str = "gofer-example/busybox:1";

fn main() -> ExitCode {
    let mut pipeline = Pipeline::new("script", "Scripts")
        .description("Runs shell scripts that are written inside the program.");

    // Without a first line such as `#!/bin/sh` a script runs in `/bin/sh -e`: the first command that
    // fails ends it, and the task fails.
    let count = pipeline.task(
        Task::new("count", IMAGE)
            .description("Counts down, with variables for what and how far.")
            .pull(PullPolicy::Never)
            .variable("WHAT", "rocket launch")
            .variables([("FROM", "3"), ("UNIT", "seconds")])
            .script(
                r#"
                n=$FROM
                while [ "$n" -gt 0 ]; do
                  echo "$WHAT in $n $UNIT"
                  sleep 1
                  n=$((n - 1))
                done
                echo "lift-off"
                "#,
            ),
    );

    // Every task is told where it runs. The names stay unset outside of Gofer.
    pipeline.task(
        Task::new("where_am_i", IMAGE)
            .description("Prints what Gofer tells each task about itself.")
            .pull(PullPolicy::Never)
            .script(
                r#"
                echo "task $GOFER_TASK_ID of run $GOFER_RUN_ID, attempt $GOFER_ATTEMPT"
                echo "pipeline $GOFER_PIPELINE_ID in namespace $GOFER_NAMESPACE_ID"
                echo "all of them:"
                env | grep '^GOFER_' | sort
                "#,
            )
            .on_success(&count),
    );
    pipeline.finish()
}
