//! Images on the container engine.

use serde::Serialize;

use super::Time;

/// An image that the server's container engine holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// `sha256:` and the digest of its config.
    pub id: String,
    /// Its names with tags, sorted. Empty: it has lost them.
    pub names: Vec<String>,
    /// Bytes on disk, unpacked; layers that it shares with others included.
    pub size_bytes: u64,
    /// When its maker says it was made. `None`: it does not say.
    pub created_at: Option<Time>,
}

/// An image that was pulled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PulledImage {
    /// The image.
    #[serde(flatten)]
    pub image: Image,
    /// The registry's digest, `name@sha256:…`. `None`: the engine names none.
    pub digest: Option<String>,
}

/// How far a pull is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PullProgress {
    /// Bytes fetched so far, over all layers.
    pub current_bytes: u64,
    /// Bytes in all, as far as known; grows while layers are found.
    pub total_bytes: u64,
}

/// What a prune removed, or would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrunedImages {
    /// The images, by id.
    pub image_ids: Vec<String>,
    /// Bytes that came free.
    pub freed_bytes: u64,
}
