//! The `gofer` command. This file starts the runtime, runs one command and turns what came of it into
//! an exit code; everything else has a file of its own. A panic must never leave with a code that means
//! something else, so it is caught here.
//!
//! The same program is also the shim of each container of the embedded engine, which must have one
//! thread: that is told apart before anything else.
#![expect(
    rustdoc::broken_intra_doc_links,
    reason = "the doc comment of a command is its help, where brackets mean optional"
)]

mod args;
mod commands;
mod config_file;
mod context;
mod environment;
mod exit;
mod failure;
mod follow;
mod jsonl;
mod logs;
mod look;
mod out;
mod prompt;
mod refs;
mod settings;
mod show;
mod up;
mod values;
mod wait;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::context::Context;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if let (Some(word), Some(dir), None) = (words.next(), words.next(), words.next())
        && word == gofer_server::SHIM_ARGUMENT
    {
        return gofer_server::shim_main(dir.as_ref());
    }
    let exit = catch_unwind(AssertUnwindSafe(start)).unwrap_or(Exit::Internal);
    ExitCode::from(exit.code())
}

fn start() -> Exit {
    let environment = Environment::read();
    let cli = match Cli::try_parse_from(&environment.arguments) {
        Ok(cli) => cli,
        Err(error) => return out::usage(&environment, &error),
    };
    let command = cli.command;
    let mut context = match Context::new(&environment, &cli.global) {
        Ok(context) => context,
        Err((failure, format)) => return out::fail(&failure, format),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return context.out.fail(&Failure::internal("start the runtime", &error)),
    };
    let done = runtime.block_on(Box::pin(command.run(&mut context)));
    // A prompt or a file that is still being read must not hold up the end.
    runtime.shutdown_background();
    match done.and_then(|exit| context.out.flush().map(|()| exit)) {
        Ok(exit) => exit,
        Err(failure) => context.out.fail(&failure),
    }
}
