//! Loads an archive. The images come in without names, so that a load which fails in the middle
//! has moved none; what it brought is taken away again. Then they are marked and named.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use bollard::errors::Error;
use bollard::query_parameters::{ImportImageOptionsBuilder, TagImageOptionsBuilder};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use gofer_core::ids::InstanceId;
use gofer_core::ports::driver::{DriverError, FaultKind};
use gofer_core::ports::images::{Image, ImageArchive};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::{all, full_name, image, mark, take_name};
use crate::archive::{Packed, Survey, copy, survey};
use crate::client::Client;
use crate::pull::look;
use crate::{fault, limits};

/// How the engine names what it has loaded without a name.
const LOADED_ID: &str = "Loaded image ID: ";

pub(super) async fn import(
    client: &Client,
    instance: &InstanceId,
    archive: ImageArchive,
) -> Result<Vec<Image>, DriverError> {
    let file = archive.file.clone();
    let surveyed = blocking(move || survey(&file)).await?;
    let names = wanted_names(&archive, &surveyed.images)?;
    let mut known = BTreeSet::new();
    for image in &surveyed.images {
        if look(client, &image.id).await?.is_some() {
            known.insert(image.id.clone());
        }
    }
    let loaded = match load(client, archive.file, surveyed.clone()).await {
        Ok(loaded) => loaded,
        Err(error) => {
            undo(client, &surveyed, &known).await;
            return Err(error);
        }
    };
    for (id, names) in loaded.iter().zip(names) {
        if !known.contains(id) {
            name(client, id, &mark::of(instance, id)).await?;
        }
        for full in names {
            name(client, id, &full).await?;
        }
    }
    let found = all(client).await?;
    let by_id = |id: &String| found.iter().find(|one| one.id == *id).map(image);
    Ok(loaded.iter().filter_map(by_id).collect())
}

/// The names that each image is to get.
fn wanted_names(
    archive: &ImageArchive,
    images: &[Packed],
) -> Result<Vec<Vec<String>>, DriverError> {
    let Some(name) = &archive.name else {
        let own = |image: &Packed| image.names.iter().map(|name| tagged(name)).collect();
        return images.iter().map(own).collect();
    };
    if images.len() != 1 {
        let message = format!(
            "could not name the archive's image {name}: it holds {} images, and each has its name",
            images.len()
        );
        return Err(DriverError::new(FaultKind::Image, message));
    }
    Ok(vec![vec![tagged(name)?]])
}

/// A name that an image can be given: one with a tag.
fn tagged(name: &str) -> Result<String, DriverError> {
    let full =
        full_name(name).map_err(|error| DriverError::new(FaultKind::Image, error.message))?;
    if full.contains('@') {
        let message = format!("could not give an image the name {name}: a digest is no name");
        return Err(DriverError::new(FaultKind::Image, message));
    }
    Ok(full)
}

/// Gives the archive to the engine; gives the ids of its images, in its order.
async fn load(
    client: &Client,
    file: PathBuf,
    surveyed: Survey,
) -> Result<Vec<String>, DriverError> {
    let n_images = surveyed.images.len();
    let options = ImportImageOptionsBuilder::default().quiet(true).build();
    let body = copied(file, surveyed);
    let docker = client.ready().await?;
    let mut answers = Box::pin(docker.import_image_stream(options, body, None));
    let mut ids: Vec<String> = Vec::new();
    loop {
        let next = tokio::time::timeout(limits::LOAD_SILENCE_MAX, answers.next()).await;
        let next = next.map_err(|_| {
            fault::of_deadline("load the image archive", limits::LOAD_SILENCE_MAX.as_secs())
        })?;
        let Some(answer) = next else { break };
        let text = answer.map_err(|error| load_fault(&error))?.stream.unwrap_or_default();
        ids.extend(text.lines().filter_map(|line| line.strip_prefix(LOADED_ID)).map(str::to_owned));
    }
    if ids.len() == n_images {
        return Ok(ids);
    }
    let message = format!(
        "could not load the image archive: it holds {n_images} images, the engine took {}",
        ids.len()
    );
    Err(DriverError::new(FaultKind::Engine, message))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is between us and the engine")]
fn load_fault(error: &Error) -> DriverError {
    match error {
        Error::DockerResponseServerError { status_code: 502..=504, .. } => {
            fault::of_call("load the image archive", error)
        }
        Error::DockerResponseServerError { message, .. } => fault::of_load(message),
        Error::DockerStreamError { error } => fault::of_load(error),
        _ => fault::of_call("load the image archive", error),
    }
}

/// Takes away what a load that failed has brought. What cannot be taken away has no name and no
/// mark: it is in nobody's way, and the engine's own prune finds it.
async fn undo(client: &Client, surveyed: &Survey, known: &BTreeSet<String>) {
    for image in surveyed.images.iter().filter(|image| !known.contains(&image.id)) {
        let gone = match look(client, &image.id).await {
            Ok(Some(found)) if found.repo_tags.iter().flatten().next().is_none() => {
                take_name(client, &image.id).await
            }
            // Gone, or another import named it meanwhile.
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = gone {
            tracing::warn!(image = image.id, %error, "could not take away what a failed import brought");
        }
    }
}

async fn name(client: &Client, id: &str, full: &str) -> Result<(), DriverError> {
    let (repo, tag) = full.rsplit_once(':').unwrap_or((full, "latest"));
    let options = TagImageOptionsBuilder::default().repo(repo).tag(tag).build();
    let id = id.to_owned();
    let tried = format!("give image {id} the name {full}");
    let named =
        client.act(&tried, |docker| async move { docker.tag_image(&id, Some(options)).await });
    Ok(named.await?)
}

/// The archive in the form that the engine reads, piece by piece, from a thread that ends when
/// nobody reads on.
fn copied(
    file: PathBuf,
    surveyed: Survey,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (pieces, incoming) = mpsc::channel(limits::LOAD_PIECES_MAX);
    spawn_blocking(move || {
        let pipe = Pipe(pieces.clone());
        let out = BufWriter::with_capacity(limits::LOAD_PIECE_BYTES, pipe);
        if let Err(error) = copy(&file, &surveyed, out)
            && pieces.blocking_send(Err(error)).is_err()
        {
            tracing::debug!("the engine reads the archive no more");
        }
    });
    stream::unfold(incoming, |mut incoming| async move {
        incoming.recv().await.map(|piece| (piece, incoming))
    })
}

/// Sends what is written; each write is one piece.
struct Pipe(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pipe {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(data)));
        sent.map(|()| data.len()).map_err(|_closed| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DriverError> + Send + 'static,
) -> Result<T, DriverError> {
    spawn_blocking(work).await.unwrap_or_else(|error| {
        let message = format!("could not read the image archive: {error}");
        Err(DriverError::new(FaultKind::Engine, message))
    })
}
