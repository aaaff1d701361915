//! `gofer service init-config`.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};

/// Write a sample settings file of the server, with every key explained.
///
/// Every line of it is a comment, so it changes nothing until you use one. A file that is there is left
/// alone.
///
/// Example: gofer service init-config --file /etc/gofer/gofer.hcl
#[derive(Debug, Args)]
pub(crate) struct InitConfig {
    /// Where to write it; - for standard output
    #[arg(short, long, value_name = "FILE", default_value = "./gofer.hcl")]
    file: PathBuf,
}

impl InitConfig {
    pub(crate) fn run(self, context: &mut Context) -> Done {
        let sample = gofer_server::sample();
        if self.file.as_os_str() == "-" {
            context.out.line(sample.trim_end())?;
            return Ok(Exit::Ok);
        }
        let failed = |error: std::io::Error| {
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                let text = format!("{} is there already, and is left alone", self.file.display());
                return Failure::invalid(text).next("name another with --file, or use --file -");
            }
            Failure::file("write the sample settings file", &self.file, &error)
        };
        let mut file = std::fs::File::create_new(&self.file).map_err(failed)?;
        file.write_all(sample.as_bytes()).map_err(failed)?;
        context.out.say(&format!("wrote {}", self.file.display()));
        context.out.say("the server reads it with GOFER_CONFIG_PATH, or at /etc/gofer/gofer.hcl");
        Ok(Exit::Ok)
    }
}
