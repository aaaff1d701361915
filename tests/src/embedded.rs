//! An embedded engine for a test: a data directory with the busybox image in it, and drivers on it,
//! one after the other or at once, as servers would be. All of it goes with the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use gofer_core::ids::InstanceId;
use gofer_core::ports::driver::Driver as _;
use gofer_core::ports::images::ImageArchive;
use gofer_driver_embedded::{EmbeddedDriver, EmbeddedSettings, Network};
use tempfile::TempDir;

use crate::{harness, images};

/// A data directory.
#[derive(Debug)]
pub struct Ground {
    dir: Option<TempDir>,
}

impl Ground {
    /// A data directory with [`images::BUSYBOX`] on its engine.
    ///
    /// # Errors
    /// Where the embedded engine cannot run here, or busybox or `gofer` are missing.
    pub async fn new() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("gofer-embedded-").tempdir()?;
        let ground = Self { dir: Some(dir) };
        let file = ground.data_dir().join("busybox.tar");
        fs::write(&file, images::busybox_archive().await?)?;
        let driver = ground.driver(crate::conformance::fresh_instance())?;
        driver.images().import(ImageArchive { file, name: None }).await?;
        Ok(ground)
    }

    /// The driver of a server that starts on this data directory now.
    ///
    /// # Errors
    /// Where the embedded engine cannot run here, or `gofer` is missing.
    pub fn driver(&self, instance: InstanceId) -> Result<EmbeddedDriver> {
        let settings = EmbeddedSettings {
            instance,
            data_dir: self.data_dir().to_path_buf(),
            program: harness::gofer_binary()?,
            config_file: None,
            network: Network::None,
        };
        EmbeddedDriver::open(settings).context("open the embedded engine (are we root?)")
    }

    /// Where it is.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.dir.as_ref().map_or(Path::new("/nowhere"), TempDir::path)
    }

    /// The folders of attempts, whatever became of them.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn attempts(&self) -> Result<Vec<PathBuf>> {
        entries(&self.data_dir().join("engine/attempts"))
    }

    /// What is on its way out.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn trash(&self) -> Result<Vec<PathBuf>> {
        entries(&self.data_dir().join("engine/trash"))
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let Some(dir) = self.dir.take() else { return };
        let path = dir.keep();
        end_containers(&path);
        // A driver may be deleting in it at the same time.
        for _ in 0..50 {
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Ok(()) | Err(_) => return,
            }
        }
        complain(&path);
    }
}

/// Kills what a test that failed has left running, by the shims' own records. The shim of a container
/// that is killed clears up and leaves.
fn end_containers(data_dir: &Path) {
    for folder in entries(&data_dir.join("engine/attempts")).unwrap_or_default() {
        let record = fs::read(folder.join("shim.json")).unwrap_or_default();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap_or_default();
        let pid = |of: &str| i32::try_from(record.get(of)?.get("pid")?.as_i64()?).ok();
        let (Some(shim), Some(container)) = (pid("shim"), pid("container")) else { continue };
        let command = PathBuf::from(format!("/proc/{shim}/cmdline"));
        let lives = || {
            let command = fs::read(&command).unwrap_or_default();
            String::from_utf8_lossy(&command).contains(&*folder.to_string_lossy())
        };
        if lives()
            && let Some(container) = rustix::process::Pid::from_raw(container)
        {
            // One that has ended meanwhile is what is wanted.
            rustix::process::kill_process(container, rustix::process::Signal::KILL)
                .unwrap_or_default();
        }
        for _ in 0..100 {
            if !lives() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[expect(clippy::print_stderr, reason = "a drop has nobody else to tell, and the test shows it")]
fn complain(path: &Path) {
    eprintln!("left {}", path.display());
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    Ok(entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<_>>()?)
}
