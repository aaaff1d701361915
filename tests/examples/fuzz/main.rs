//! A fuzzer for everything that takes bytes from outside: seeded, without coverage, made of valid
//! samples and random changes to them. An input that gives an answer not seen before joins the
//! samples. A panic anywhere in the process, an answer that breaks a promise, or two seconds
//! without an answer is a failure, printed with the seed and the input as hex.
//!
//! `cargo run --release -p gofer-tests --example fuzz -- [--seconds N] [--seed N] [TARGET…]`, and
//! `-- --input HEX TARGET` for one input again. `docs/fuzzing.md` says what the targets are.
#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a program of the tests: it prints, ends with a code, and its own panic is a failure too"
)]

mod cursors;
mod dice;
mod hunt;
mod images;
mod logs;
mod marks;
mod plain;
mod processes;
mod samples;
mod server;
mod sockets;

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// What a target says of an input: a number that is the same for the same kind of answer, or the
/// promise that was broken.
pub(crate) type Verdict = Result<u64, String>;

/// Takes an input.
type Feed = Box<dyn FnMut(&[u8]) -> Verdict>;

/// A parser, ready to be fed.
pub(crate) struct Target {
    pub(crate) samples: Vec<Vec<u8>>,
    /// Pieces that mean something to it.
    pub(crate) words: Vec<Vec<u8>>,
    pub(crate) feed: Feed,
}

/// A target's name and how it is made. Each is made in the thread that feeds it.
type Entry = (&'static str, fn() -> Result<Target>);

const TARGETS: &[Entry] = &[
    ("program", plain::program),
    ("draft", plain::draft),
    ("placeholder", plain::placeholder),
    ("variables", plain::variables),
    ("ids", plain::ids),
    ("log-files", logs::files),
    ("log-token", logs::tokens),
    ("page-cursor", cursors::pages),
    ("image-layer", images::layers),
    ("image-archive", images::archives),
    ("cli-reference", processes::references),
    ("cli-settings", processes::settings),
    ("rpc", server::calls),
    ("register", server::register),
    ("socket", sockets::plain),
    ("http2", sockets::inside_tls),
];

struct Args {
    time: Duration,
    seed: u64,
    input: Option<Vec<u8>>,
    names: Vec<String>,
}

fn main() -> Result<()> {
    let args = args()?;
    hunt::listen_to_panics();
    let known = |name: &String| TARGETS.iter().any(|(known, _)| known == name);
    if let Some(unknown) = args.names.iter().find(|name| !known(name)) {
        let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        bail!("`{unknown}` is no target; there are {}", names.join(", "));
    }
    println!("seed {}, {} s for each target", args.seed, args.time.as_secs());
    println!(
        "{:<14} {:>10} {:>9} {:>8} {:>8}",
        "target", "execs", "execs/s", "samples", "failures"
    );
    let mut n_failures = 0;
    for (name, make) in TARGETS {
        if args.names.is_empty() || args.names.iter().any(|wanted| wanted == name) {
            let order = hunt::Order { name, make: *make, seed: args.seed, time: args.time };
            n_failures += hunt::hunt(order, args.input.clone())?;
        }
    }
    if n_failures > 0 {
        std::process::exit(1);
    }
    Ok(())
}

fn args() -> Result<Args> {
    let mut args = Args { time: Duration::from_secs(60), seed: 1, input: None, names: Vec::new() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value"));
        match word.as_str() {
            "--seconds" => args.time = Duration::from_secs(value()?.parse()?),
            "--seed" => args.seed = value()?.parse()?,
            "--input" => args.input = Some(hunt::from_hex(&value()?)?),
            flag if flag.starts_with('-') => bail!("`{flag}` is no flag of this program"),
            name => args.names.push(name.to_owned()),
        }
    }
    Ok(args)
}
