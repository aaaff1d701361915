//! How much of everything an image may have. Beyond any of these it is no image but an attack, or
//! a mistake.

/// The limits of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Layers of an image; overlayfs takes no more than 500.
    pub n_layers_max: usize,
    /// Bytes of all files of one layer, holes included.
    pub n_bytes_max: u64,
    /// Members of one layer's archive.
    pub n_entries_max: u64,
    /// Bytes of memory for what must be known of folders until the end of a layer.
    pub n_folder_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            n_layers_max: 128,
            n_bytes_max: 20 << 30,
            n_entries_max: 2_000_000,
            n_folder_bytes_max: 128 << 20,
        }
    }
}

impl Limits {
    /// Bytes of a layer's archive: the files, and headers of 2 KiB for each.
    pub(crate) fn stream_bytes_max(&self) -> u64 {
        self.n_bytes_max
            .saturating_add(self.n_entries_max.saturating_mul(2048))
            .saturating_add(1 << 20)
    }
}
