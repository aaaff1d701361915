//! The mark on an image that an import of this instance brought: a name of its own, since Docker
//! puts labels only into an image's config, and that would make another image of it.

use gofer_core::ids::InstanceId;
use gofer_core::ports::driver::DriverError;

use super::untag;
use crate::client::Client;

/// The repository of all marks.
const PREFIX: &str = "gofer-import/";
/// Digits of an instance's id and of an image's.
const INSTANCE_CHARS: usize = 26;
const ID_DIGITS: usize = 64;

/// The mark of `instance` on the image `id`.
pub(super) fn of(instance: &InstanceId, id: &str) -> String {
    format!("{PREFIX}{instance}:{}", id.trim_start_matches("sha256:"))
}

/// Whether a name is the mark of any instance.
pub(super) fn is_mark(name: &str) -> bool {
    let Some((instance, id)) = name.strip_prefix(PREFIX).and_then(|marked| marked.split_once(':'))
    else {
        return false;
    };
    instance.len() == INSTANCE_CHARS
        && id.len() == ID_DIGITS
        && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Takes a mark, and the image with it where it has no other name; gives whether the image went.
/// It stays, mark and all, where a container needs it.
pub(super) async fn take(client: &Client, mark: &str) -> Result<bool, DriverError> {
    match untag(client, mark).await {
        Ok(went) => Ok(went),
        Err(error) if error.is_absent() || error.is_conflict() => Ok(false),
        Err(error) => Err(error.fault),
    }
}
