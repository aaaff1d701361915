//! Turns `proto/gofer/**/*.proto` into the Rust code and the descriptor set that are checked in, so
//! that nobody who builds Gofer needs a proto compiler. People run it after a change of the proto;
//! its tests hold what is checked in, the comments, and the promise of [`baseline`] to old clients.
//! It must never write what differs between two runs or two machines.

mod baseline;
mod generate;
mod paths;

use anyhow::{Context, bail};
use std::{
    fs,
    io::{self, Write},
};

const USAGE: &str = "\
usage: cargo run -p gofer-proto-gen [-- --extend-baseline]

Writes proto/src/generated/ anew. With --extend-baseline it also adds what is new in the proto to
proto/baseline.txt; from then on it is promised and may not change.
";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let said = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => write_generated()?,
        ["--extend-baseline"] => {
            // The baseline first: what it refuses shall not be generated either.
            let extended = extend_baseline()?;
            format!("{extended}{}", write_generated()?)
        }
        _ => bail!("unknown arguments {arguments:?}\n\n{USAGE}"),
    };
    io::stdout().write_all(said.as_bytes()).context("write to stdout")
}

/// Replaces the content of `src/generated/`; files that no package makes any more go.
fn write_generated() -> anyhow::Result<String> {
    let folder = paths::generated();
    let files = generate::files(&generate::compile()?)?;
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    for name in generate::checked_in()?.keys().filter(|name| !files.contains_key(*name)) {
        let path = folder.join(name);
        fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
    }
    for (name, content) in &files {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(format!("wrote {} files to {}\n", files.len(), folder.display()))
}

/// Adds the new lines to the baseline; refuses when an old one does not hold.
fn extend_baseline() -> anyhow::Result<String> {
    let surface = baseline::Surface::of(&generate::compile()?);
    let path = paths::baseline();
    let old = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    let faults = surface.faults(&old);
    if !faults.is_empty() {
        bail!("the proto breaks its baseline:\n{}", faults.join("\n"));
    }
    let n_new = surface.unlisted(&old).len();
    fs::write(&path, surface.extend(&old)).with_context(|| format!("write {}", path.display()))?;
    Ok(format!("added {n_new} lines to {}\n", path.display()))
}
