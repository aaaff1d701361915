//! Brings an image to the store, by the task's policy, from the registry that its name tells.
//!
//! ```text
//!  look in the store ─> login ─> registry: sign in ─> tag → manifest, this machine's of several
//!                                                        │
//!      image ◄── commit: unpack, name ◄── blobs by digest: the config, then what layers are missing
//! ```
//!
//! The tag is resolved once; all that follows is asked for by digest and checked as it comes. What
//! two pulls want is fetched once. Dropping the future cancels the pull; layers that were on their
//! way stay in the store as parts, the next pull goes on with them, and a day later they are swept.

mod blob;
mod flights;
mod judge;
mod limits;
mod login;
mod registry;
mod tally;

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use gofer_core::pipeline::PullPolicy;
use gofer_core::ports::driver::{DriverError, FaultKind, ProgressSink, PullRequest, PulledImage};
use gofer_images::{
    Descriptor, Digest, Document as Parsed, ImageError, Manifest, Platform, Reference, Store,
    StoredImage,
};
use tokio::task::spawn_blocking;

use self::blob::Source;
use self::flights::Flights;
use self::judge::Judge;
use self::registry::{Document, Registry};
use self::tally::Tally;

/// Who brings which image in this process.
static IMAGES: Flights = Flights::new();
/// Who unpacks which image in this process.
static COMMITS: Flights = Flights::new();

/// An id begins so. Ids are the engine's own; no registry knows them.
const ID: &str = "sha256:";

/// See the head of this file.
pub(crate) async fn pull(
    store: &Store,
    config_file: Option<&Path>,
    request: &PullRequest,
    progress: &ProgressSink,
) -> Result<PulledImage, DriverError> {
    let image = request.image.as_str();
    // What is here serves, but where the newest is wanted.
    let here = match request.policy {
        PullPolicy::Always => None,
        PullPolicy::IfNotPresent | PullPolicy::Never => look(store, image).await?,
    };
    let reference = match (here, request.policy) {
        (Some(here), _) => return Ok(pulled(here)),
        (None, PullPolicy::Never) => {
            let import = "`gofer image import` brings it in from an archive";
            return Err(refused(image, &format!("its pull policy is never; {import}")));
        }
        (None, PullPolicy::Always | PullPolicy::IfNotPresent) if image.starts_with(ID) => {
            return Err(refused(image, "no registry knows an image by its id"));
        }
        (None, PullPolicy::Always | PullPolicy::IfNotPresent) => {
            Reference::checked(image).map_err(|error| unusable(image, &error))?
        }
    };
    let login = login::find(request.auth.as_ref(), config_file, &reference).await;
    let judge = Judge { image, login: &login };
    let fetching = Box::pin(fetch(store, &reference, &judge, progress));
    // The client panics on some answers that break the rules; nothing of ours is half done then.
    let fetching = AssertUnwindSafe(fetching).catch_unwind();
    let fetching = fetching.map(|fetched| fetched.unwrap_or_else(|_| Err(judge.stumble())));
    match request.policy {
        PullPolicy::Always | PullPolicy::Never => fetching.await.map(pulled),
        // Of many tasks that start at once, one asks the registry for the others.
        PullPolicy::IfNotPresent => {
            let seat = IMAGES.board(reference.to_string()).await;
            let seat = seat.map_err(|fault| judge.shared("the image", &fault))?;
            if let Some(here) = look(store, image).await? {
                return Ok(pulled(here));
            }
            seat.landed(fetching.await).map(pulled)
        }
    }
}

async fn look(store: &Store, image: &str) -> Result<Option<StoredImage>, DriverError> {
    let (store, name) = (store.clone(), image.to_owned());
    let found = spawn_blocking(move || store.find(&name)).await;
    let found =
        found.map_err(|error| crate::fault::of_join(&format!("use image {image}"), &error))?;
    found.map_err(|error| unusable(image, &error))
}

fn pulled(image: StoredImage) -> PulledImage {
    PulledImage { image_id: image.id, digest: image.digest }
}

fn refused(image: &str, why: &str) -> DriverError {
    let message = format!("could not use image {image}: it is not on the engine, and {why}");
    DriverError::new(FaultKind::Image, message)
}

fn unusable(image: &str, error: &ImageError) -> DriverError {
    crate::engine::image_fault(&format!("use image {image}"), error)
}

async fn fetch(
    store: &Store,
    reference: &Reference,
    judge: &Judge<'_>,
    progress: &ProgressSink,
) -> Result<StoredImage, DriverError> {
    let registry = Registry::open(reference, judge).await?;
    let (manifest, digest) = resolve(store, &registry, judge).await?;
    let tally = Tally::new(progress);
    let source = Source { store, registry: &registry, judge, tally: &tally };
    for _ in 0..limits::ROUNDS_MAX {
        let missing = missing(store, &digest, judge).await?;
        if missing.is_empty() {
            return commit(store, judge, &digest).await;
        }
        let (configs, layers): (Vec<Descriptor>, Vec<Descriptor>) =
            missing.into_iter().partition(|blob| blob.digest == manifest.config.digest);
        if let Some(large) = configs.iter().find(|blob| blob.size > limits::DOCUMENT_BYTES_MAX) {
            let why = format!("its config has {} bytes, which is too much", large.size);
            return Err(judge.useless(&why));
        }
        tally.expect(&layers);
        let transfers = configs.iter().chain(&layers).map(|blob| source.fetch(blob).boxed());
        let transfers: Vec<_> = transfers.collect();
        futures_util::stream::iter(transfers)
            .buffer_unordered(limits::LAYERS_AT_ONCE)
            .try_collect::<()>()
            .await?;
    }
    Err(judge.damaged("what was fetched is gone again"))
}

/// From the tag to the manifest of one image, which is in the store then.
async fn resolve(
    store: &Store,
    registry: &Registry<'_>,
    judge: &Judge<'_>,
) -> Result<(Manifest, Digest), DriverError> {
    let named = registry.document(None).await?;
    let index = match parse(judge, &named)? {
        Parsed::Manifest(manifest) => return keep(store, judge, named, manifest).await,
        Parsed::Index(index) => index,
    };
    let ours = index.choose(&Platform::current()).and_then(Descriptor::digest);
    let ours = ours.map_err(|error| judge.useless(&error.to_string()))?;
    let chosen = registry.document(Some(&ours)).await?;
    match parse(judge, &chosen)? {
        Parsed::Manifest(manifest) => keep(store, judge, chosen, manifest).await,
        Parsed::Index(_) => Err(judge.useless("its index leads to another index")),
    }
}

fn parse(judge: &Judge<'_>, document: &Document) -> Result<Parsed, DriverError> {
    Parsed::parse(&document.bytes).map_err(|error| judge.useless(&error.to_string()))
}

async fn keep(
    store: &Store,
    judge: &Judge<'_>,
    document: Document,
    manifest: Manifest,
) -> Result<(Manifest, Digest), DriverError> {
    let Document { bytes, digest } = document;
    let (store, shown) = (store.clone(), digest.to_string());
    let kept = spawn_blocking(move || {
        let mut writer = store.blob(&shown, bytes.len() as u64)?;
        if writer.written() < bytes.len() as u64 {
            writer.restart()?;
            writer.write_all(&bytes)?;
        }
        writer.finish()
    });
    let kept = kept.await.map_err(|error| judge.lost(&error))?;
    kept.map_err(|error| judge.store(&error))?;
    Ok((manifest, digest))
}

async fn missing(
    store: &Store,
    manifest: &Digest,
    judge: &Judge<'_>,
) -> Result<Vec<Descriptor>, DriverError> {
    let (store, manifest) = (store.clone(), manifest.to_string());
    let missing = spawn_blocking(move || store.missing(&manifest)).await;
    missing.map_err(|error| judge.lost(&error))?.map_err(|error| judge.store(&error))
}

/// Unpacks. It goes on to its end even where the pull is dropped meanwhile: all is here by then.
async fn commit(
    store: &Store,
    judge: &Judge<'_>,
    manifest: &Digest,
) -> Result<StoredImage, DriverError> {
    let seat = COMMITS.board(manifest.to_string()).await;
    let seat = seat.map_err(|fault| judge.shared("the image", &fault))?;
    let (store, name, manifest) = (store.clone(), judge.image.to_owned(), manifest.to_string());
    let committed = spawn_blocking(move || store.commit(Some(&name), &manifest)).await;
    let committed = committed.map_err(|error| judge.lost(&error));
    seat.landed(committed.and_then(|committed| committed.map_err(|error| judge.store(&error))))
}
