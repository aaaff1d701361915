//! `gofer image import`.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::{came_in, send};
use crate::context::Context;
use crate::failure::{Done, Failure};

/// Bring the images of an archive to the server.
///
/// Takes what `docker save` writes and OCI layouts, as a tar file, plain or gzipped, or as a folder.
/// A name that another image has moves to the new one.
///
/// Example: docker save app:1 | gofer image import -
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The archive, a file or a folder; `-` is standard input
    #[arg(value_name = "FILE|DIR")]
    archive: PathBuf,
    /// Name the image anew; only for an archive of one image
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

impl Import {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let source = Source::of(&self.archive, context.settings.stdin_is_terminal)?;
        let (images, ()) = send::archive(context, self.name, move |out| source.copy(out)).await?;
        came_in(context, images, "imported")
    }
}

/// Where an archive comes from.
enum Source {
    Stdin,
    File(PathBuf, File),
    Folder(PathBuf),
}

impl Source {
    fn of(path: &Path, stdin_is_terminal: bool) -> Result<Self, Failure> {
        if path == Path::new("-") {
            if stdin_is_terminal {
                let text = "standard input is a terminal, so `-` has nothing to read";
                return Err(Failure::invalid(text).next("pipe the archive in, or name a file"));
            }
            return Ok(Self::Stdin);
        }
        let failed = |error: io::Error| Failure::file("read", path, &error);
        if std::fs::metadata(path).map_err(failed)?.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        Ok(Self::File(path.to_owned(), File::open(path).map_err(failed)?))
    }

    fn copy(self, mut out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::Stdin => io::copy(&mut io::stdin().lock(), &mut out)
                .map(drop)
                .map_err(|error| Failure::internal("read the archive", &error)),
            Self::File(path, mut file) => io::copy(&mut file, &mut out)
                .map(drop)
                .map_err(|error| Failure::file("read", &path, &error)),
            Self::Folder(path) => {
                pack(&path, out).map_err(|error| Failure::file("read", &path, &error))
            }
        }
    }
}

/// A folder as a tar file; links in it stay links.
fn pack(folder: &Path, out: &mut dyn Write) -> io::Result<()> {
    let mut tar = tar::Builder::new(out);
    tar.follow_symlinks(false);
    tar.append_dir_all("", folder)?;
    tar.finish()
}
