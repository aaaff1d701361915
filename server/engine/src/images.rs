//! What people do with the container engine's images by hand. The engine's owner is asked and
//! answers; there is nothing to commit, since the images are its and not ours. A call that changes
//! something goes on to its end though its caller may go away; a pull ends with its caller.

use std::sync::Arc;

use gofer_core::pipeline::PullPolicy;
use gofer_core::ports::driver::{DriverError, FaultKind, ProgressSink, PullRequest, PulledImage};
use gofer_core::ports::images::{Image, ImageArchive, Pruned};
use gofer_core::problem::{Kind, Problem};
use tempfile::TempPath;

use crate::engine::{Engine, Shared};
use crate::limits::{FULL_RETRY_MS, RETRY_MS, UPLOAD_RESERVE_BYTES};

impl Engine {
    /// Takes in the images of an archive, under `name` where that is given; the file is removed
    /// when they are in, or are not to come. Gives what came in, in the archive's order.
    ///
    /// # Errors
    /// Invalid where the archive is none, or damaged; Full; Unavailable.
    pub async fn import_images(
        &self,
        file: TempPath,
        name: Option<String>,
    ) -> Result<Vec<Image>, Problem> {
        let shared = Arc::clone(&self.shared);
        self.detached("import images", async move {
            let archive = ImageArchive { file: file.to_path_buf(), name };
            let imported = shared.driver.images().import(archive).await;
            drop(file);
            shared.told(imported).map_err(|error| problem(error, Doing::Import))
        })
        .await
    }

    /// All images of the engine, by name; those without one last.
    ///
    /// # Errors
    /// Unavailable.
    pub async fn images(&self) -> Result<Vec<Image>, Problem> {
        let listed = self.shared.driver.images().list().await;
        self.shared.told(listed).map_err(|error| problem(error, Doing::Other))
    }

    /// Takes a name from an image, or by id all its names.
    ///
    /// # Errors
    /// `NotFound`, with names that are near; Rejected where a container needs it.
    pub async fn remove_image(&self, name: String) -> Result<(), Problem> {
        let shared = Arc::clone(&self.shared);
        self.detached("remove image", async move {
            let images = shared.driver.images();
            let removed = shared.told(images.remove(&name).await);
            if removed.map_err(|error| problem(error, Doing::Remove))? {
                return Ok(());
            }
            // Only for the help that they are: an engine that cannot list them has none to give.
            let there = images.list().await.unwrap_or_default();
            let names = there.iter().flat_map(|image| &image.names).map(String::as_str);
            let nearest = gofer_core::problem::nearest(&name, names);
            Err(Problem::not_found(format!("image `{name}`"), nearest))
        })
        .await
    }

    /// Removes images that nobody needs; with `dry_run` only says which.
    ///
    /// # Errors
    /// Unavailable.
    pub async fn prune_images(&self, dry_run: bool) -> Result<Pruned, Problem> {
        let shared = Arc::clone(&self.shared);
        self.detached("prune images", async move {
            let pruned = shared.driver.images().prune(dry_run).await;
            shared.told(pruned).map_err(|error| problem(error, Doing::Other))
        })
        .await
    }

    /// Asks the registry for an image. Dropping the future cancels the pull.
    ///
    /// # Errors
    /// Rejected where there is no such image or the registry refuses; Unavailable where it does not
    /// answer; Full.
    pub async fn pull_image(
        &self,
        name: &str,
        progress: ProgressSink,
    ) -> Result<(PulledImage, Option<Image>), Problem> {
        let request =
            PullRequest { image: name.to_owned(), policy: PullPolicy::Always, auth: None };
        let pulled = self.shared.told(self.shared.driver.pull(request, progress).await);
        let pulled = pulled.map_err(|error| problem(error, Doing::Pull))?;
        let there = self.images().await?;
        let image = there.into_iter().find(|image| image.id == pulled.image_id);
        Ok((pulled, image))
    }

    /// Refuses an upload while the disk has little room: the rest of it belongs to the runs.
    ///
    /// # Errors
    /// Full.
    pub fn check_upload_room(&self) -> Result<(), Problem> {
        let free = self.shared.logs.free_bytes();
        if free.is_none_or(|free| free >= UPLOAD_RESERVE_BYTES) {
            return Ok(());
        }
        let text = format!(
            "the server's disk would have less than {} MiB left; the archive was thrown away",
            UPLOAD_RESERVE_BYTES / (1024 * 1024)
        );
        let mut full = Problem::new(Kind::Full, "DISK_FULL", text)
            .with_next("make room on the server's disk, then import the archive again");
        full.retry_after_ms = Some(FULL_RETRY_MS);
        Err(full)
    }
}

impl Shared {
    /// Takes note of whether the engine answered.
    fn told<T>(self: &Arc<Self>, answer: Result<T, DriverError>) -> Result<T, DriverError> {
        match &answer {
            Err(error) if error.kind == FaultKind::Unreachable => self.engine_is_unknown(error),
            Ok(_) | Err(_) => self.engine_is_up(),
        }
        answer
    }
}

/// What was being done, which decides whose fault a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Import,
    Remove,
    Pull,
    Other,
}

/// The problem of a fault that the driver met.
fn problem(error: DriverError, doing: Doing) -> Problem {
    let text = error.message;
    match (error.kind, doing) {
        (FaultKind::Unreachable | FaultKind::Engine, _) => Problem::unavailable(text, RETRY_MS),
        (FaultKind::Capacity, _) => {
            let mut full = Problem::new(Kind::Full, "ENGINE_FULL", text).with_next(
                "make room on the container engine's disk; `gofer image prune` may help",
            );
            full.retry_after_ms = Some(FULL_RETRY_MS);
            full
        }
        (FaultKind::Image, Doing::Pull) if error.retryable => Problem::unavailable(text, RETRY_MS),
        (FaultKind::Image, Doing::Pull) => Problem::rejected(
            "PULL_REFUSED",
            text,
            "check the name; for a registry with a login, `docker login` as the server's user",
        ),
        (FaultKind::Image, Doing::Import | Doing::Remove | Doing::Other) => {
            Problem::new(Kind::Invalid, "BAD_ARCHIVE", text)
                .with_next("save the image anew, with `docker save` or `gofer image build`")
        }
        (FaultKind::Config, Doing::Remove) => Problem::rejected(
            "IMAGE_IN_USE",
            text,
            "wait until no container needs it, or give its name to another image",
        ),
        (FaultKind::Config, Doing::Import | Doing::Pull | Doing::Other) => {
            Problem::new(Kind::Invalid, "INVALID_INPUT", text)
        }
    }
}
