//! The demo's pipeline, written with the SDK as any user's is. Its tasks run this very binary
//! (`gofer demo step`), so that no other image is needed.

use gofer_sdk::{Pipeline, PullPolicy, Retries, Task};

/// The pipeline's id.
pub(super) const ID: &str = "demo";
/// The image that every server makes from its own binary.
const IMAGE: &str = concat!("gofer:", env!("CARGO_PKG_VERSION"));

/// Two branches that meet, one of them with a test that needs a second attempt, and a third that fails
/// and is handled.
pub(super) fn demo() -> Pipeline {
    let mut demo = Pipeline::new(ID, "Demo")
        .description("Parallel tasks, a retry, a branch that fails and its handler.")
        .timeout("5m");
    let code = demo.task(step("fetch_code", &["cloning", "checking out main"], &[]));
    let data = demo.task(step("fetch_data", &["connecting", "downloading", "unpacking"], &[]));
    let compile =
        demo.task(step("compile", &["compiling the library", "linking"], &[]).on_success(&code));
    let test = demo.task(
        step("flaky_test", &["starting 12 tests", "12 passed"], &["--fail-first"])
            .retries(Retries::new(1).delay("200ms"))
            .on_success([&compile, &data]),
    );
    let licence = demo.task(
        step("licence_check", &["reading licences", "one is missing"], &["--fail"])
            .on_success(&code),
    );
    demo.task(step("publish_docs", &["never printed"], &[]).on_success(&licence));
    demo.task(step("notify", &["telling the team about the licence"], &[]).on_failure(&licence));
    demo.task(step("release", &["uploading", "released"], &[]).on_success(&test));
    demo
}

/// A task that writes these lines, one after the other.
#[track_caller]
fn step(id: &str, lines: &[&str], flags: &[&str]) -> Task {
    let words = ["demo", "step"].iter().chain(flags).chain(lines).copied();
    Task::new(id, IMAGE).pull(PullPolicy::Never).command(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demos_pipeline_has_no_fault() {
        let plan = demo().plan();
        assert!(plan.is_valid(), "{}", plan.fault_text());
    }
}
