//! A shim and nothing else, for the tests of this crate: `gofer __shim` without the rest of `gofer`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(1) else { return ExitCode::FAILURE };
    gofer_driver_embedded::shim_main(Path::new(&dir))
}
