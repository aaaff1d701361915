//! `gofer image build`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use gofer_images::pack::{Binary, Folder, Settings, from_binary, from_folder};
use gofer_images::{ErrorKind, ImageError};

use super::{came_in, send};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::values;

/// Make an image of a program or of a folder and bring it to the server.
///
/// Needs no container engine here. The image holds nothing else, so a program must be linked statically.
/// The same input gives the same image: no time and no owner of a file goes into it.
///
/// Example: gofer image build --name app:1 --binary ./target/release/app
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("content").required(true))]
pub(crate) struct Build {
    /// Name of the image; `:latest` where it has no tag
    #[arg(long)]
    name: String,
    /// A program of Linux, the only file in the image; it is the entry point
    #[arg(long, value_name = "PROGRAM", group = "content")]
    binary: Option<PathBuf>,
    /// A folder that becomes the image's `/`
    #[arg(long, value_name = "DIR", group = "content")]
    rootfs: Option<PathBuf>,
    /// A word of the entry point; repeat it for more
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    entrypoint: Vec<String>,
    /// A variable of the image: NAME=VALUE, NAME=@FILE
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// User of its containers, by name or number, `user` or `user:group`
    #[arg(long)]
    user: Option<String>,
    /// Where its containers start
    #[arg(long, value_name = "PATH")]
    workdir: Option<String>,
}

impl Build {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let env = values::variables(context, None, &self.env)?;
        let settings = Settings {
            names: vec![self.name],
            entrypoint: self.entrypoint,
            cmd: Vec::new(),
            env,
            user: self.user,
            workdir: self.workdir,
        };
        let (binary, rootfs) = (self.binary, self.rootfs);
        let (images, _packed) = send::archive(context, None, move |out| {
            let packed = match (binary, rootfs) {
                (Some(program), _) => {
                    from_binary(&Binary { program, at: None, files: Vec::new(), settings }, out)
                }
                (None, root) => {
                    from_folder(&Folder { root: root.unwrap_or_default(), settings }, out)
                }
            };
            packed.map_err(|error| failure(&error))
        })
        .await?;
        came_in(context, images, "built")
    }
}

fn failure(error: &ImageError) -> Failure {
    let exit = match error.kind {
        ErrorKind::Missing => Exit::NotFound,
        ErrorKind::Damaged | ErrorKind::Refused | ErrorKind::Unsupported => Exit::Invalid,
        ErrorKind::NoSpace => Exit::Full,
        ErrorKind::Io => Exit::Internal,
    };
    Failure::new(exit, "PACK", error.to_string())
}
