//! Builds a program and checks what it declares with the server's own rules. Every fault is shown, and
//! with one among them nothing goes on.

use std::path::Path;

use gofer_client::program::{Program, decode};
use gofer_core::pipeline::validate;

use super::Source;
use super::diagnostic::{self, Diagnostic};
use super::draft::draft;
use super::source::Group;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::show::words::count;

/// A program that was built and has no fault, or why not. Faults are printed here.
pub(crate) async fn build(
    context: &mut Context,
    source: &Source,
    group: Group,
) -> Result<Program, Failure> {
    let bytes = source.produce(group).await?;
    let program = decode(&bytes)
        .map_err(|error| Failure::new(Exit::Invalid, "NO_PROGRAM", error.to_string()))?;
    let found = diagnostics(&program);
    let folder = source.folder();
    let errors: Vec<&Diagnostic> = found.iter().filter(|found| found.is_error).collect();
    if !context.out.format.is_machine() {
        print(context, &found, &folder);
    }
    if !errors.is_empty() {
        let message = format!("the program has {}", count(errors.len() as u64, "fault"));
        let violations = errors.iter().map(|found| found.violation()).collect();
        return Err(Failure::new(Exit::Invalid, "PROGRAM_FAULTS", message)
            .violations(violations)
            .already_shown());
    }
    if program.pipelines.is_empty() {
        return Err(Failure::new(Exit::Invalid, "NO_PIPELINE", "the program declares no pipeline"));
    }
    Ok(program)
}

/// What the SDK found and what the validator finds, errors first.
fn diagnostics(program: &Program) -> Vec<Diagnostic> {
    let faults = |spec| validate(&draft(spec)).err().unwrap_or_default();
    let found = program.pipelines.iter().flat_map(|declared| faults(&declared.spec));
    let by_validator: Vec<Diagnostic> = found.map(|fault| Diagnostic::from(&fault)).collect();
    let mut all = together(program.diagnostics.iter().map(Into::into).collect(), by_validator);
    all.sort_by_key(|found| !found.is_error);
    all
}

/// What both found is shown once. Two faults of the validator are two, however alike: one line may
/// declare many tasks.
fn together(by_sdk: Vec<Diagnostic>, by_validator: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let is_known = |fault: &Diagnostic| by_sdk.iter().any(|known| known.is_same(fault));
    let fresh: Vec<Diagnostic> =
        by_validator.into_iter().filter(|fault| !is_known(fault)).collect();
    by_sdk.into_iter().chain(fresh).collect()
}

fn print(context: &mut Context, found: &[Diagnostic], folder: &Path) {
    let mut look = context.out.look.clone();
    look.color = look.color && context.out.stderr_is_terminal;
    for diagnostic in found {
        context.out.warn(&diagnostic::text(diagnostic, folder, &look));
    }
    let n_errors = found.iter().filter(|found| found.is_error).count();
    if n_errors > 0 {
        let n = count(n_errors as u64, "fault");
        context.out.warn(&format!("✗ {n}; nothing was registered"));
    }
}

#[cfg(test)]
mod tests {
    use gofer_core::pipeline::{Draft, DraftTask, Place};

    use super::*;

    #[test]
    fn two_faults_of_one_line_are_two_unless_the_sdk_found_them_too() {
        let place = Some(Place { file: "src/main.rs".into(), line: 7, column: 9 });
        let task = |id: &str| DraftTask {
            id: id.into(),
            image: String::new(),
            place: place.clone(),
            ..DraftTask::default()
        };
        let tasks = vec![task("build"), task("test")];
        let (id, name) = ("simple".to_owned(), "Simple".to_owned());
        let draft = Draft { id, name, tasks, ..Draft::default() };
        let faults = validate(&draft).unwrap_err();
        let found: Vec<Diagnostic> = faults.iter().map(Into::into).collect();
        let same = found.iter().filter(|one| one.code == found[0].code).count();
        assert_eq!(same, 2, "{found:#?}");
        assert_eq!(together(vec![], found.clone()), found);
        assert_eq!(together(found.clone(), found.clone()), found);
    }
}
