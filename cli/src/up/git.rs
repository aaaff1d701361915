//! What git knows of a folder. Where there is no git, or no work tree, nothing is known, and that is all.

use std::path::Path;
use std::process::Stdio;

use gofer_client::model::{Origin, OriginKind};
use tokio::process::Command;

/// How a version came about.
pub(crate) async fn origin(kind: OriginKind, folder: &Path) -> Origin {
    let (commit, changes, author) = tokio::join!(
        ask(folder, &["rev-parse", "HEAD"]),
        ask(folder, &["status", "--porcelain", "--", "."]),
        ask(folder, &["var", "GIT_AUTHOR_IDENT"]),
    );
    let git_dirty = commit.as_ref().and(changes).map(|changes| !changes.is_empty());
    let author = commit.as_ref().and(author).map(|ident| name_of(&ident).to_owned());
    Origin { kind, git_commit: commit, git_dirty, author }
}

async fn ask(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(arguments).stdin(Stdio::null()).stderr(Stdio::null());
    // A repository may ask to run programs of its own; reading it must not.
    git.env("GIT_OPTIONAL_LOCKS", "0").kill_on_drop(true);
    let output = git.output().await.ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}

/// `Ann <ann@x>` of `Ann <ann@x> 1764031830 +0000`.
fn name_of(ident: &str) -> &str {
    let end = ident.find('>').map_or(ident.len(), |at| at + 1);
    ident.get(..end).unwrap_or(ident)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_author_is_named_without_the_time() {
        assert_eq!(name_of("Ann <ann@x> 1764031830 +0000"), "Ann <ann@x>");
        assert_eq!(name_of("Ann"), "Ann");
    }
}
