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

/// What the SDK found and what the validator finds, errors first, each once.
fn diagnostics(program: &Program) -> Vec<Diagnostic> {
    let mut all: Vec<Diagnostic> = program.diagnostics.iter().map(Into::into).collect();
    for declared in &program.pipelines {
        let faults = validate(&draft(&declared.spec)).err().unwrap_or_default();
        for fault in &faults {
            let fault = Diagnostic::from(fault);
            if !all.iter().any(|known| known.is_same(&fault)) {
                all.push(fault);
            }
        }
    }
    all.sort_by_key(|found| !found.is_error);
    all
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
