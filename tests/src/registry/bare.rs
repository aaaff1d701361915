//! An embedded engine with no image on it, for pulls. Its drivers start no container, so any program
//! will do for shims.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use gofer_driver_embedded::{EmbeddedDriver, EmbeddedSettings, Network};
use tempfile::TempDir;

use crate::conformance::fresh_instance;

/// A data directory; it goes with this value.
#[derive(Debug)]
pub struct BareEngine {
    dir: TempDir,
}

impl BareEngine {
    /// Makes one.
    ///
    /// # Errors
    /// Where there is no room.
    pub fn new() -> Result<Self> {
        Ok(Self { dir: tempfile::Builder::new().prefix("gofer-pull-").tempdir()? })
    }

    /// The driver of a server that starts here now, whose user has this `config.json`.
    ///
    /// # Errors
    /// Where the embedded engine cannot run here.
    pub fn driver(&self, config_file: Option<PathBuf>) -> Result<EmbeddedDriver> {
        let settings = EmbeddedSettings {
            instance: fresh_instance(),
            data_dir: self.dir.path().to_path_buf(),
            program: PathBuf::from("/bin/busybox"),
            config_file,
            network: Network::None,
        };
        EmbeddedDriver::open(settings).context("open the embedded engine (are we root?)")
    }

    /// Where it is.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    /// The download of a blob that is not whole.
    #[must_use]
    pub fn part(&self, digest: &str) -> PathBuf {
        self.images().join("tmp").join(format!("{}.part", hex(digest)))
    }

    /// Whether any byte of a blob is kept.
    #[must_use]
    pub fn has(&self, digest: &str) -> bool {
        let part = fs::metadata(self.part(digest)).is_ok_and(|part| part.len() > 0);
        part || self.images().join("blobs/sha256").join(hex(digest)).exists()
    }

    /// How many layers are unpacked.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn n_layers(&self) -> Result<usize> {
        Ok(fs::read_dir(self.images().join("layers"))?.count())
    }

    /// What a file of some unpacked layer holds.
    ///
    /// # Errors
    /// Where no layer has it.
    pub fn file(&self, path: &str) -> Result<Vec<u8>> {
        for layer in fs::read_dir(self.images().join("layers"))? {
            let file = layer?.path().join("fs").join(path);
            if file.exists() {
                return Ok(fs::read(file)?);
            }
        }
        bail!("no layer has {path}")
    }

    fn images(&self) -> PathBuf {
        self.dir.path().join("engine/images")
    }
}

fn hex(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap_or(digest)
}
