//! Where things lie. All of it hangs from this crate's own folder, so the program works from any
//! working directory of a checkout.

use std::path::{Path, PathBuf};

/// `proto/`, the root of all imports.
pub(crate) fn proto() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// `proto/src/generated/`.
pub(crate) fn generated() -> PathBuf {
    proto().join("src").join("generated")
}

/// `proto/baseline.txt`.
pub(crate) fn baseline() -> PathBuf {
    proto().join("baseline.txt")
}
