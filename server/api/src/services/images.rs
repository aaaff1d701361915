//! Images on the container engine.

use std::sync::Arc;
use std::time::Duration;

use gofer_core::ports::driver::PullProgress;
use gofer_core::ports::images::Image;
use gofer_core::problem::{Kind, Problem};
use gofer_engine::Engine;
use gofer_proto::v1 as pb;
use pb::images_service_server::ImagesService;
use pb::import_image_request::Item;
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

use super::Services;
use crate::convert::images;
use crate::parse;
use crate::status::status;
use crate::stream::{Answers, Broken, Feeder, fed_by};

/// The largest piece of an archive.
const PIECE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a client may send nothing in the middle of an archive. A packer that reads a slow disk
/// is slow for seconds, not minutes.
const PIECE_WAIT_MAX: Duration = Duration::from_secs(300);

#[tonic::async_trait]
impl ImagesService for Services {
    type PullImageStream = Answers<pb::PullImageResponse>;

    async fn import_image(
        &self,
        request: Request<Streaming<pb::ImportImageRequest>>,
    ) -> Result<Response<pb::ImportImageResponse>, Status> {
        let imported = self.take_in(request.into_inner()).await?;
        Ok(Response::new(pb::ImportImageResponse { images: images::images(imported) }))
    }

    async fn list_images(
        &self,
        _request: Request<pb::ListImagesRequest>,
    ) -> Result<Response<pb::ListImagesResponse>, Status> {
        let listed = self.engine.images().await.map_err(status)?;
        Ok(Response::new(pb::ListImagesResponse { images: images::images(listed) }))
    }

    async fn remove_image(
        &self,
        request: Request<pb::RemoveImageRequest>,
    ) -> Result<Response<pb::RemoveImageResponse>, Status> {
        let name = parse::image_or_id(request.into_inner().name).map_err(status)?;
        self.engine.remove_image(name).await.map_err(status)?;
        Ok(Response::new(pb::RemoveImageResponse {}))
    }

    async fn prune_images(
        &self,
        request: Request<pb::PruneImagesRequest>,
    ) -> Result<Response<pb::PruneImagesResponse>, Status> {
        let dry_run = request.into_inner().dry_run;
        let pruned = self.engine.prune_images(dry_run).await.map_err(status)?;
        Ok(Response::new(images::pruned(pruned)))
    }

    async fn pull_image(
        &self,
        request: Request<pb::PullImageRequest>,
    ) -> Result<Response<Self::PullImageStream>, Status> {
        let name = parse::image("name", request.into_inner().name).map_err(status)?;
        let engine = self.engine.clone();
        Ok(Response::new(fed_by(|feeder| feed_pull(engine, name, feeder))))
    }
}

impl Services {
    /// Takes an archive to its end and hands it to the engine.
    async fn take_in(
        &self,
        mut incoming: Streaming<pb::ImportImageRequest>,
    ) -> Result<Vec<Image>, Status> {
        let name = start_of(next(&mut incoming).await?).map_err(status)?;
        let mut upload = self.uploads.begin().await.map_err(status)?;
        while let Some(piece) = piece_of(next(&mut incoming).await?).map_err(status)? {
            self.engine.check_upload_room().map_err(status)?;
            upload.take(piece.as_ref()).await.map_err(status)?;
        }
        let file = upload.end().await.map_err(status)?;
        self.engine.import_images(file, name).await.map_err(status)
    }
}

/// The next message; none at the end of the call, which may be the end of its client.
async fn next(
    incoming: &mut Streaming<pb::ImportImageRequest>,
) -> Result<Option<pb::ImportImageRequest>, Status> {
    tokio::time::timeout(PIECE_WAIT_MAX, incoming.message()).await.unwrap_or_else(|_elapsed| {
        let text = format!("nothing came for {} seconds", PIECE_WAIT_MAX.as_secs());
        Err(status(Problem::new(Kind::Unavailable, "UPLOAD_STALLED", text)))
    })
}

/// The name that the first message gives.
fn start_of(first: Option<pb::ImportImageRequest>) -> Result<Option<String>, Problem> {
    match first.and_then(|message| message.item) {
        Some(Item::Start(start)) => start.name.map(|name| parse::image("name", name)).transpose(),
        Some(Item::Piece(_) | Item::End(_)) | None => {
            Err(Problem::invalid_field("start", "…", "the first message must say `start`"))
        }
    }
}

/// The piece that a message brings; none where the archive is whole.
fn piece_of(
    message: Option<pb::ImportImageRequest>,
) -> Result<Option<impl AsRef<[u8]> + Send + Sync>, Problem> {
    let message = message.ok_or_else(|| {
        Problem::new(Kind::Invalid, "ARCHIVE_CUT", "the call ended before the archive was whole")
    })?;
    match message.item {
        Some(Item::End(pb::ImportImageEnd {})) => Ok(None),
        Some(Item::Piece(piece)) if piece.len() <= PIECE_BYTES_MAX => Ok(Some(piece)),
        Some(Item::Piece(piece)) => {
            let rule =
                format!("a piece has {} bytes; at most {PIECE_BYTES_MAX} are allowed", piece.len());
            Err(Problem::invalid_field("piece", "…", rule))
        }
        Some(Item::Start(_)) | None => {
            let rule = "each message after the first brings a piece, or says `end`";
            Err(Problem::invalid_field("piece", "…", rule))
        }
    }
}

/// Pulls, and tells how far it is. The pull is dropped with the stream.
async fn feed_pull(
    engine: Engine,
    name: String,
    feeder: Feeder<pb::PullImageResponse>,
) -> Result<(), Broken> {
    use pb::pull_image_response::Item;
    let (told, mut telling) = watch::channel(PullProgress::default());
    let sink = Arc::new(move |now| {
        told.send_replace(now);
    });
    let mut pull = std::pin::pin!(engine.pull_image(&name, sink));
    loop {
        let item = tokio::select! {
            pulled = &mut pull => {
                let (pulled, found) = pulled?;
                let item = Some(Item::Pulled(images::pulled(pulled, found)));
                return Ok(feeder.send(pb::PullImageResponse { item }).await?);
            }
            // The sender lives in the pull, which is not over.
            Ok(()) = telling.changed() => images::progress(*telling.borrow_and_update()),
            () = engine.stopping() => {
                return Err(Problem::unavailable("the server is shutting down", 1000).into());
            }
        };
        feeder.send(pb::PullImageResponse { item: Some(Item::Progress(item)) }).await?;
    }
}
