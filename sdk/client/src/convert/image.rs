//! Images.

use gofer_proto::v1 as pb;

use crate::model::{Image, PrunedImages, PullProgress, Time};

impl From<pb::Image> for Image {
    fn from(wire: pb::Image) -> Self {
        Self {
            id: wire.id,
            names: wire.names,
            size_bytes: wire.size_bytes,
            created_at: wire.created_ms.map(Time::from_ms),
        }
    }
}

impl From<pb::PullImageProgress> for PullProgress {
    fn from(wire: pb::PullImageProgress) -> Self {
        Self { current_bytes: wire.current_bytes, total_bytes: wire.total_bytes }
    }
}

impl From<pb::PruneImagesResponse> for PrunedImages {
    fn from(wire: pb::PruneImagesResponse) -> Self {
        Self { image_ids: wire.image_ids, freed_bytes: wire.freed_bytes }
    }
}
