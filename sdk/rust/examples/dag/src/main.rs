//! Two graphs of tasks: one in which everything goes well in the end, and one with a branch that
//! fails. Each task prints a line a second, so that there is something to watch.

use std::process::ExitCode;

use gofer_sdk::{Pipeline, PullPolicy, Retries, Task, finish_all};

fn main() -> ExitCode {
    finish_all([release(), failing_release()])
}

/// Takes about ten seconds and succeeds, although the first attempt of `test` fails.
fn release() -> Pipeline {
    let mut dag = Pipeline::new("dag", "A graph of tasks")
        .description("Fetches, builds, tests and publishes something imaginary.")
        .timeout("10m");

    // These two wait for nobody: they start with the run, side by side.
    let code = dag.task(busy("fetch_code", &["cloning", "checking out"]));
    let data = dag.task(busy("fetch_data", &["connecting", "downloading", "unpacking"]));
    let compile =
        dag.task(busy("compile", &["compiling the library", "linking"]).on_success(&code));

    // A join: it waits for both branches. Its first attempt fails, the second one succeeds.
    let test = dag.task(
        shell("test")
            .description("Fails at its first attempt only.")
            .script(
                "
                echo \"attempt $GOFER_ATTEMPT: running 12 tests\"
                sleep 1
                if [ \"$GOFER_ATTEMPT\" = 1 ]; then
                  echo 'test server did not answer' >&2
                  exit 1
                fi
                echo '12 passed'
                ",
            )
            .retries(Retries::new(2).delay("1s"))
            .timeout("1m")
            .memory("64MiB")
            .on_success([&compile, &data]),
    );
    let publish = dag.task(busy("publish", &["uploading", "published"]).on_success(&test));

    // Nothing fails, so nobody is called; the summary comes in any case.
    let alarm = dag.task(busy("call_someone", &["ringing"]).on_failure(&test));
    dag.task(busy("summary", &["all done"]).after([&publish, &alarm]));
    dag
}

/// Its check fails, and with it the run, but not everything after it.
fn failing_release() -> Pipeline {
    let mut dag = Pipeline::new("dag_failing", "A graph of tasks, one of which fails")
        .description("Shows what runs and what is skipped after a failure.");
    let build = dag.task(busy("build", &["compiling", "linking"]));
    let check = dag.task(
        shell("check")
            .description("Always fails.")
            .script("echo 'checking signatures'; sleep 1; echo 'one is missing' >&2; exit 3")
            .on_success(&build),
    );
    dag.task(busy("deploy", &["never printed"]).on_success(&check));
    let clean_up = dag.task(busy("clean_up", &["removing the build"]).on_failure(&check));
    dag.task(
        busy("report", &["the check failed, the build is removed"]).after([&check, &clean_up]),
    );
    dag
}

/// A task that prints each line and then takes a second over it.
#[track_caller]
fn busy(id: &str, lines: &[&str]) -> Task {
    let steps: Vec<String> = lines.iter().map(|line| format!("echo '{line}'; sleep 1\n")).collect();
    shell(id).script(steps.concat())
}

/// A task in the image of the examples, which has a shell.
#[track_caller]
fn shell(id: &str) -> Task {
    Task::new(id, "gofer-example/busybox:1").pull(PullPolicy::Never)
}
