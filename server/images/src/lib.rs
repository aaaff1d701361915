//! OCI images as files: names and logins, archives in and out, layers unpacked on disk, and a
//! store that many processes may use at once. Everything here blocks; whoever has an event loop
//! calls it from a thread. No engine, no network and no clock is known here.
//!
//! ```text
//!  archive (docker save, OCI layout) ─┐
//!  blobs of a registry ───────────────┴─> layers, checked by digest ─> unpack ─> Store ─> overlay
//!  program or folder ─> pack ─> archive
//! ```
//!
//! Whatever comes in is hostile until its digest and its paths were checked: no byte is written
//! outside of the layer's own folder, and nothing is kept of an image that is damaged.

pub mod archive;
mod compression;
mod config;
pub mod credentials;
mod digest;
mod error;
mod files;
mod manifest;
pub mod pack;
mod reference;
#[cfg(test)]
mod samples;
mod store;
mod tarball;
pub mod unpack;

pub use config::ImageConfig;
pub use digest::Digest;
pub use error::{ErrorKind, ImageError};
pub use manifest::{Descriptor, Document, Index, Manifest, Platform};
pub use reference::Reference;
pub use store::{BlobWriter, Entry, Pruned, Store, StoredImage};
pub use unpack::Limits;
