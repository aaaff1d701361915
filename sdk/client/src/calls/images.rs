//! Calls on the images of the server's container engine.

use bytes::Bytes;
use futures_util::{Stream, stream};
use gofer_proto::v1 as pb;
use gofer_proto::v1::images_service_client::ImagesServiceClient;
use pb::import_image_request::Item;
use tokio::sync::{mpsc, oneshot};

use super::{Client, Mode, present};
use crate::channel::Wire;
use crate::error::{ClientError, Result};
use crate::limits::{MESSAGE_BYTES_MAX, PIECE_BYTES};
use crate::model::{Image, PrunedImages, PullProgress, PulledImage};

/// An archive of images on its way to the server.
#[derive(Debug)]
pub struct ImportImages {
    /// A name for the image instead of the archive's own names; only for an archive of one image.
    pub name: Option<String>,
    /// The archive, in order. Closed before [`Piece::End`] it counts as cut off, and the server
    /// throws away what it has.
    pub pieces: mpsc::Receiver<Piece>,
}

/// A piece of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The next bytes, as many as there are.
    Data(Bytes),
    /// The archive is whole.
    End,
}

impl Client {
    fn images_service(&self) -> ImagesServiceClient<Wire> {
        ImagesServiceClient::new(self.wire.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Sends an archive: what `docker save` writes, or an OCI layout as a tar file, plain or
    /// gzipped. Gives the images that came in. Takes as long as the archive does.
    pub async fn import_images(&self, import: ImportImages) -> Result<Vec<Image>> {
        let (cut, was_cut) = oneshot::channel();
        let start = pb::ImportImageStart { name: import.name };
        let messages = messages(Sending {
            start: Some(start),
            rest: Bytes::new(),
            is_whole: false,
            pieces: import.pieces,
            cut,
        });
        let mut service = self.images_service();
        let call = service.import_image(messages);
        tokio::select! {
            // An answer first: a server that refuses the archive stops reading it.
            biased;
            answer = call => {
                let answer = answer.map_err(|status| ClientError::from_status(self.host(), status))?;
                Ok(answer.into_inner().images.into_iter().map(Into::into).collect())
            }
            Ok(()) = was_cut => Err(ClientError::invalid(
                "ARCHIVE_CUT",
                "the archive ended before it was whole, so nothing was imported",
                "make it again",
            )),
        }
    }

    /// Lists the images, by name; those without one last.
    pub async fn images(&self) -> Result<Vec<Image>> {
        let answer =
            self.answer(self.images_service().list_images(pb::ListImagesRequest {})).await?;
        Ok(answer.images.into_iter().map(Into::into).collect())
    }

    /// Takes a name from an image, or by `sha256:…` all its names; the image goes with the last.
    pub async fn remove_image(&self, name: &str) -> Result<()> {
        let request = pb::RemoveImageRequest { name: name.to_owned() };
        self.answer(self.images_service().remove_image(request)).await?;
        Ok(())
    }

    /// Removes images that have no name and that no container needs.
    pub async fn prune_images(&self, mode: Mode) -> Result<PrunedImages> {
        let request = pb::PruneImagesRequest { dry_run: mode.is_dry_run() };
        self.answer(self.images_service().prune_images(request)).await.map(Into::into)
    }

    /// Asks the registry for an image, and tells how far the pull is. Dropping the future cancels
    /// the pull. Takes as long as the pull does.
    pub async fn pull_image(
        &self,
        name: &str,
        mut progress: impl FnMut(PullProgress),
    ) -> Result<PulledImage> {
        use pb::pull_image_response::Item;
        let request = pb::PullImageRequest { name: name.to_owned() };
        let mut messages = self.answer(self.images_service().pull_image(request)).await?;
        loop {
            let message = messages.message().await;
            let message =
                message.map_err(|status| ClientError::from_status(self.host(), status))?;
            match message.map(|message| message.item) {
                Some(Some(Item::Progress(now))) => progress(now.into()),
                Some(Some(Item::Pulled(pulled))) => {
                    let image = present(pulled.image, "image")?.into();
                    return Ok(PulledImage { image, digest: pulled.digest });
                }
                // A message of a newer server.
                Some(None) => {}
                None => return Err(ClientError::lost(self.host(), "the pull was cut off by")),
            }
        }
    }
}

/// What is still to be sent.
struct Sending {
    start: Option<pb::ImportImageStart>,
    rest: Bytes,
    is_whole: bool,
    pieces: mpsc::Receiver<Piece>,
    cut: oneshot::Sender<()>,
}

/// The messages of an import. Of an archive that is cut off they never end; the call is dropped.
fn messages(sending: Sending) -> impl Stream<Item = pb::ImportImageRequest> + Send + 'static {
    let message = |item| pb::ImportImageRequest { item: Some(item) };
    stream::unfold(sending, move |mut sending| async move {
        if let Some(start) = sending.start.take() {
            return Some((message(Item::Start(start)), sending));
        }
        if sending.is_whole {
            return None;
        }
        while sending.rest.is_empty() {
            match sending.pieces.recv().await {
                Some(Piece::Data(data)) => sending.rest = data,
                Some(Piece::End) => {
                    sending.is_whole = true;
                    return Some((message(Item::End(pb::ImportImageEnd {})), sending));
                }
                None => {
                    // Whoever waits for the answer has gone away where this fails.
                    sending.cut.send(()).ok();
                    return std::future::pending().await;
                }
            }
        }
        let piece = sending.rest.split_to(sending.rest.len().min(PIECE_BYTES));
        Some((message(Item::Piece(piece)), sending))
    })
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};

    use super::*;

    fn sending() -> (mpsc::Sender<Piece>, oneshot::Receiver<()>, Sending) {
        let (pieces, incoming) = mpsc::channel(4);
        let (cut, was_cut) = oneshot::channel();
        let start = Some(pb::ImportImageStart { name: None });
        (
            pieces,
            was_cut,
            Sending { start, rest: Bytes::new(), is_whole: false, pieces: incoming, cut },
        )
    }

    #[tokio::test]
    async fn an_archive_is_sent_in_pieces_and_ends() {
        let (pieces, _was_cut, sending) = sending();
        let data = Bytes::from(vec![7; PIECE_BYTES + 5]);
        for piece in [Piece::Data(data), Piece::Data(Bytes::new()), Piece::End] {
            pieces.send(piece).await.unwrap();
        }
        let sent: Vec<_> = messages(sending).collect().await;
        let sizes = sent.iter().map(|message| match &message.item {
            Some(Item::Piece(piece)) => Some(piece.len()),
            Some(Item::Start(_) | Item::End(_)) | None => None,
        });
        assert_eq!(sizes.collect::<Vec<_>>(), [None, Some(PIECE_BYTES), Some(5), None]);
        let end = Some(Item::End(pb::ImportImageEnd {}));
        assert_eq!(sent.last().map(|message| message.item.clone()), Some(end));
    }

    #[tokio::test]
    async fn an_archive_that_is_cut_off_never_ends() {
        let (pieces, was_cut, sending) = sending();
        pieces.send(Piece::Data(Bytes::from_static(b"half"))).await.unwrap();
        drop(pieces);
        let all = messages(sending).collect::<Vec<_>>();
        // Nothing more is awaited, so now is as good as later.
        assert!(all.now_or_never().is_none(), "it ended as though it were whole");
        was_cut.await.unwrap();
    }
}
