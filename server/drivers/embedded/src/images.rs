//! The port of images on the store of this engine.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use gofer_core::ports::driver::{DriverError, FaultKind};
use gofer_core::ports::images::{Image, ImageArchive, Images, Pruned};
use gofer_images::{Entry, ErrorKind, ImageError};

use crate::engine::{Engine, image_fault};
use crate::files::spec::SpecFile;
use crate::{fault, look};

/// The images of one engine.
#[derive(Debug, Clone)]
pub(crate) struct Shelf(pub(crate) Arc<Engine>);

impl Images for Shelf {
    fn import(&self, archive: ImageArchive) -> BoxFuture<'_, Result<Vec<Image>, DriverError>> {
        Box::pin(async move {
            let ImageArchive { file, name } = archive;
            let tried = format!("import the archive {}", file.display());
            let what = tried.clone();
            let import = move |engine: &Engine| {
                let imported = engine.store().import(&file, name.as_deref());
                imported.map_err(|error| image_fault(&what, &error))
            };
            let entries = self.0.blocking(&tried, import).await?;
            Ok(entries.into_iter().map(image).collect())
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Image>, DriverError>> {
        Box::pin(async {
            let tried = "list the images";
            let list =
                |engine: &Engine| engine.store().list().map_err(|error| image_fault(tried, &error));
            Ok(self.0.blocking(tried, list).await?.into_iter().map(image).collect())
        })
    }

    fn remove(&self, name: &str) -> BoxFuture<'_, Result<bool, DriverError>> {
        let name = name.to_owned();
        Box::pin(async move {
            let tried = format!("remove the image {name}");
            let what = tried.clone();
            let remove = move |engine: &Engine| remove(engine, &what, &name);
            self.0.blocking(&tried, remove).await
        })
    }

    fn prune(&self, dry_run: bool) -> BoxFuture<'_, Result<Pruned, DriverError>> {
        Box::pin(async move {
            let tried = "prune the images";
            let prune = move |engine: &Engine| {
                let _alone = engine.own_images();
                let in_use = in_use(engine).map_err(|error| fault::of_io(tried, &error))?;
                engine.store().prune(&in_use, dry_run).map_err(|error| image_fault(tried, &error))
            };
            let pruned = self.0.blocking(tried, prune).await?;
            Ok(Pruned { images: pruned.images, freed_bytes: pruned.freed_bytes })
        })
    }
}

/// Takes a name away, and the image with its last name, unless a container needs it. Others that
/// have no name stay: nobody spoke of them.
fn remove(engine: &Engine, tried: &str, name: &str) -> Result<bool, DriverError> {
    let of = |error: ImageError| {
        let fault = image_fault(tried, &error);
        // What is no name is the caller's mistake; nothing is wrong with any image.
        let kind = if error.kind == ErrorKind::Refused { FaultKind::Config } else { fault.kind };
        DriverError { kind, ..fault }
    };
    let _alone = engine.own_images();
    let store = engine.store();
    let id = store.find(name).map_err(of)?.map(|image| image.id);
    if !store.remove(name).map_err(of)? {
        return Ok(false);
    }
    let mut kept = in_use(engine).map_err(|error| fault::of_io(tried, &error))?;
    let entries = store.list().map_err(of)?;
    let others = entries.into_iter().filter(|entry| Some(&entry.id) != id.as_ref());
    kept.extend(others.map(|entry| entry.id));
    store.prune(&kept, false).map_err(of)?;
    Ok(true)
}

/// The images that some container is made from, whatever became of it.
fn in_use(engine: &Engine) -> std::io::Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    for dir in engine.home().attempt_folders()? {
        if let Some(spec) = look::read::<SpecFile>(&dir.spec())? {
            ids.insert(spec.image_id);
        }
    }
    Ok(ids)
}

fn image(entry: Entry) -> Image {
    let Entry { id, names, size_bytes, created_ms } = entry;
    Image { id, names, size_bytes, created_ms }
}
