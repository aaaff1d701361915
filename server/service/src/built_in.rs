//! The built-in image `gofer`: an otherwise empty root with this very binary in it. It is made when
//! a task first asks for it, on whatever engine is in use, so it needs neither registry nor network.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use gofer_core::ids::{AttemptKey, InstanceId};
use gofer_core::log::{Cursor, Follow, Frame};
use gofer_core::pipeline::PullPolicy;
use gofer_core::ports::driver::{
    Capabilities, ContainerSpec, Driver, DriverError, DriverStream, EngineEvent, EngineInfo,
    FaultKind, Handle, Listed, Observed, ProgressSink, PullRequest, PulledImage,
};
use gofer_core::ports::images::{ImageArchive, Images};
use tokio::sync::OnceCell;

/// The names under which tasks ask for the image.
const NAMES: &[&str] = &["gofer", "gofer:latest", concat!("gofer:", env!("CARGO_PKG_VERSION"))];
/// The name that it gets on the engine; other versions of Gofer may share the engine.
const NAME: &str = concat!("gofer:", env!("CARGO_PKG_VERSION"));

/// A driver on whose engine the built-in image is there as soon as somebody asks for it.
#[derive(Debug)]
pub(crate) struct BuiltIn {
    inner: Arc<dyn Driver>,
    /// The image's id, once this process has made it.
    made: OnceCell<String>,
}

impl BuiltIn {
    pub(crate) fn new(inner: Arc<dyn Driver>) -> Self {
        Self { inner, made: OnceCell::new() }
    }

    /// The built-in image; made and imported by the first who asks. Somebody may have removed it
    /// since, so a pull that finds none makes it again.
    async fn pull_own(&self, progress: &ProgressSink) -> Result<PulledImage, DriverError> {
        let id = self.made.get_or_try_init(|| self.make()).await?.clone();
        let request = PullRequest { image: id, policy: PullPolicy::Never, auth: None };
        match self.inner.pull(request, Arc::clone(progress)).await {
            Err(error) if error.kind == FaultKind::Image => {
                let image_id = self.make().await?;
                Ok(PulledImage { image_id, digest: None })
            }
            other => other,
        }
    }

    async fn make(&self) -> Result<String, DriverError> {
        let packed = tokio::task::spawn_blocking(pack).await;
        let file = match packed {
            Ok(Ok(file)) => file,
            Ok(Err(error)) => return Err(failed(&error)),
            Err(error) => return Err(failed(&error)),
        };
        let archive = ImageArchive { file: file.path().to_path_buf(), name: Some(NAME.to_owned()) };
        let images = self.inner.images().import(archive).await?;
        let made = images.into_iter().next();
        made.map(|image| image.id).ok_or_else(|| failed(&"the archive held no image"))
    }
}

/// The image as an archive, in a file that goes with the handle.
fn pack() -> Result<tempfile::NamedTempFile, gofer_images::ImageError> {
    let mut file = tempfile::NamedTempFile::new()?;
    gofer_images::pack::own_binary(NAME, file.as_file_mut())?;
    Ok(file)
}

fn failed(why: &dyn std::fmt::Display) -> DriverError {
    let message = format!("could not make the built-in image {NAME} from this binary: {why}");
    DriverError::new(FaultKind::Engine, message)
}

impl Driver for BuiltIn {
    fn info(&self) -> BoxFuture<'_, Result<EngineInfo, DriverError>> {
        self.inner.info()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn validate(&self, spec: &ContainerSpec) -> Result<(), DriverError> {
        self.inner.validate(spec)
    }

    fn pull(
        &self,
        request: PullRequest,
        progress: ProgressSink,
    ) -> BoxFuture<'_, Result<PulledImage, DriverError>> {
        if NAMES.contains(&request.image.as_str()) {
            return Box::pin(async move { self.pull_own(&progress).await });
        }
        self.inner.pull(request, progress)
    }

    fn ensure(&self, spec: ContainerSpec) -> BoxFuture<'_, Result<Handle, DriverError>> {
        self.inner.ensure(spec)
    }

    fn events(&self, instance: &InstanceId) -> DriverStream<EngineEvent> {
        self.inner.events(instance)
    }

    fn inspect(&self, key: &AttemptKey) -> BoxFuture<'_, Result<Observed, DriverError>> {
        self.inner.inspect(key)
    }

    fn logs(&self, handle: &Handle, cursor: Cursor, follow: Follow) -> DriverStream<Frame> {
        self.inner.logs(handle, cursor, follow)
    }

    fn stop(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>> {
        self.inner.stop(handle)
    }

    fn kill(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>> {
        self.inner.kill(handle)
    }

    fn remove(&self, handle: &Handle) -> BoxFuture<'_, Result<(), DriverError>> {
        self.inner.remove(handle)
    }

    fn list(&self, instance: &InstanceId) -> BoxFuture<'_, Result<Vec<Listed>, DriverError>> {
        self.inner.list(instance)
    }

    fn images(&self) -> &dyn Images {
        self.inner.images()
    }
}
