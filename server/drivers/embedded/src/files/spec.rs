//! `spec.json` and the environment's message: everything a shim needs, resolved by the server, so
//! that a shim looks nothing up.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gofer_core::ids::{AttemptKey, InstanceId};
use serde::{Deserialize, Serialize};

/// What one container is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SpecFile {
    /// The file's version.
    pub(crate) v: u32,
    /// Whose container it is.
    pub(crate) instance: InstanceId,
    /// Which attempt.
    pub(crate) key: AttemptKey,
    /// The machine's boot during which the folder was made. After another one nobody knows what of
    /// these files had reached the disk, so a container that did not end before is not started.
    pub(crate) boot_id: String,
    /// The hash of the port's spec; another one for the same attempt is refused.
    pub(crate) spec_hash: String,
    /// The image's id (`sha256:` and its config's digest); the collector of images keeps it.
    pub(crate) image_id: String,
    /// The unpacked layers, lowest first, absolute.
    pub(crate) layers: Vec<PathBuf>,
    /// Program and arguments; the program is looked up in the image by the environment's PATH.
    pub(crate) argv: Vec<String>,
    /// Working directory in the container, absolute.
    pub(crate) workdir: String,
    /// `user`, `uid`, `user:group`, `uid:gid`, looked up in the image; none for root.
    pub(crate) user: Option<String>,
    /// Name of the host in the container.
    pub(crate) hostname: String,
    /// Thousandths of a CPU; none for no limit.
    pub(crate) cpu_milli: Option<u32>,
    /// Bytes of memory, swap included; none for no limit.
    pub(crate) memory_bytes: Option<u64>,
    /// Most processes and threads at once.
    pub(crate) pids_max: u32,
    /// How the container is connected.
    pub(crate) network: Network,
    /// Labels, for people.
    pub(crate) labels: BTreeMap<String, String>,
}

/// How a container is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub(crate) enum Network {
    /// A network of its own with nothing but loopback.
    None,
    /// The host's.
    Host,
}

/// The first thing a shim reads from its socket: what must not lie in a file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EnvMessage {
    /// The task's environment, whole, sorted by name. Values may be secrets.
    pub(crate) env: BTreeMap<String, String>,
}

impl std::fmt::Debug for EnvMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnvMessage").field("n_variables", &self.env.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
impl SpecFile {
    /// A container that does nothing.
    pub(crate) fn for_tests(instance: InstanceId, key: AttemptKey, boot_id: &str) -> Self {
        Self {
            v: super::VERSION,
            instance,
            key,
            boot_id: boot_id.to_owned(),
            spec_hash: "v1:x".to_owned(),
            image_id: "sha256:1".to_owned(),
            layers: Vec::new(),
            argv: vec!["true".to_owned()],
            workdir: "/".to_owned(),
            user: None,
            hostname: "x".to_owned(),
            cpu_milli: None,
            memory_bytes: None,
            pids_max: 64,
            network: Network::None,
            labels: BTreeMap::new(),
        }
    }
}
