//! Images on the wire.

use gofer_core::ports::driver::{PullProgress, PulledImage};
use gofer_core::ports::images::{Image, Pruned};
use gofer_proto::v1 as pb;

pub(crate) fn image(image: Image) -> pb::Image {
    pb::Image {
        id: image.id,
        names: image.names,
        size_bytes: image.size_bytes,
        created_ms: image.created_ms,
    }
}

pub(crate) fn images(images: Vec<Image>) -> Vec<pb::Image> {
    images.into_iter().map(image).collect()
}

pub(crate) fn pruned(pruned: Pruned) -> pb::PruneImagesResponse {
    pb::PruneImagesResponse { image_ids: pruned.images, freed_bytes: pruned.freed_bytes }
}

pub(crate) fn progress(progress: PullProgress) -> pb::PullImageProgress {
    pb::PullImageProgress {
        current_bytes: progress.current_bytes,
        total_bytes: progress.total_bytes,
    }
}

/// An image that was pulled; `found` is how the engine lists it, where somebody has not removed it
/// in between.
pub(crate) fn pulled(pulled: PulledImage, found: Option<Image>) -> pb::PulledImage {
    let bare = || pb::Image { id: pulled.image_id.clone(), ..pb::Image::default() };
    pb::PulledImage { image: Some(found.map_or_else(bare, image)), digest: pulled.digest }
}
