//! Images of the fake engine and of the registry behind it.

use std::time::Duration;

use gofer_core::ports::driver::RegistryLogin;
use sha2::{Digest as _, Sha256};

/// An image: whether the engine has it, and what pulling it is like. An image that no test set is
/// on the engine and pulls at once.
#[derive(Debug, Clone)]
pub struct FakeImage {
    /// The engine has it.
    pub on_engine: bool,
    /// The registry has it.
    pub in_registry: bool,
    /// Pulls that fail for the moment before one works.
    pub hiccups: u32,
    /// How long a pull takes.
    pub takes: Duration,
    /// What a pull fetches.
    pub bytes: u64,
    /// Counts new pushes under the same tag: another image id and digest.
    pub revision: u32,
    /// Without this the registry refuses.
    pub login: Option<RegistryLogin>,
    /// Set where an import brought it.
    pub imported: Option<FakeImport>,
}

/// An image that an import brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeImport {
    /// The digest of its config.
    pub id: String,
    /// Its size.
    pub bytes: u64,
    /// When it was made, milliseconds since the epoch.
    pub created_ms: Option<i64>,
}

impl Default for FakeImage {
    fn default() -> Self {
        Self {
            on_engine: true,
            in_registry: true,
            hiccups: 0,
            takes: Duration::ZERO,
            bytes: 0,
            revision: 1,
            login: None,
            imported: None,
        }
    }
}

impl FakeImage {
    /// An image that must be pulled first.
    #[must_use]
    pub fn remote() -> Self {
        Self { on_engine: false, ..Self::default() }
    }

    /// An image that is nowhere.
    #[must_use]
    pub fn missing() -> Self {
        Self { on_engine: false, in_registry: false, ..Self::default() }
    }

    pub(super) fn id(&self, name: &str) -> String {
        let imported = self.imported.as_ref().map(|import| import.id.clone());
        imported.unwrap_or_else(|| format!("sha256:{}", self.hex("image", name)))
    }

    /// The registry's digest; an image that was imported came from none.
    pub(super) fn digest(&self, name: &str) -> Option<String> {
        let hex = || self.hex("manifest", name);
        self.imported.is_none().then(|| format!("{name}@sha256:{}", hex()))
    }

    fn hex(&self, what: &str, name: &str) -> String {
        let digest = Sha256::digest(format!("{what} {name} {}", self.revision));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
