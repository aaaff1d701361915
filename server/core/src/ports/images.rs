//! The images that a container engine holds: the port behind `gofer image …`. Pulling is the
//! [`Driver`](super::driver::Driver)'s, since runs need it too; what people do with images by hand is here.

use std::fmt;
use std::path::PathBuf;

use futures_util::future::BoxFuture;

use super::driver::DriverError;

/// An engine's images. Every call may be repeated.
pub trait Images: Send + Sync + fmt::Debug {
    /// Takes in the images of an archive: what `docker save` writes, or an OCI layout as a tar
    /// file, plain or gzipped. Gives what came in, in the archive's order.
    ///
    /// Fails with [`FaultKind::Image`](super::driver::FaultKind::Image) where the archive is none,
    /// is damaged or leads out of itself; nothing of it is kept then.
    fn import(&self, archive: ImageArchive) -> BoxFuture<'_, Result<Vec<Image>, DriverError>>;

    /// All images, by name; those without one last.
    fn list(&self) -> BoxFuture<'_, Result<Vec<Image>, DriverError>>;

    /// Takes a name from an image, or by `sha256:…` all its names; an image without any name goes
    /// once no container needs it. False where there is no such image. Fails with
    /// [`FaultKind::Config`](super::driver::FaultKind::Config) where a container needs the image
    /// and the engine refuses for that.
    fn remove(&self, name: &str) -> BoxFuture<'_, Result<bool, DriverError>>;

    /// Removes what no name and no container needs; with `dry_run` only says what that is.
    fn prune(&self, dry_run: bool) -> BoxFuture<'_, Result<Pruned, DriverError>>;
}

/// An archive to take in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageArchive {
    /// The file. It is only read.
    pub file: PathBuf,
    /// Names the image anew; none keeps the archive's own names. Only for an archive of one image.
    pub name: Option<String>,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `sha256:` and the digest of its config: what a container is made from.
    pub id: String,
    /// Its names with tags, sorted; empty where it has lost them.
    pub names: Vec<String>,
    /// Bytes on disk, unpacked; layers that it shares with others included.
    pub size_bytes: u64,
    /// When its maker says it was made, milliseconds since the epoch; none where it does not say.
    pub created_ms: Option<i64>,
}

/// What a prune removed, or would.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pruned {
    /// The images, by id.
    pub images: Vec<String>,
    /// Bytes that came free.
    pub freed_bytes: u64,
}
