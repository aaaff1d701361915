//! Reads an image reference as Docker does, as far as the driver needs: which registry it names,
//! under which name its digests are recorded, and whether it names one image at all. A reference
//! without tag or digest would make the engine pull *every* tag of the repository.

/// The registry of references that name none.
const HUB: &str = "docker.io";

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Host and port of the registry.
    pub(crate) registry: String,
    /// The name without tag and digest, in the short form in which the engine records it.
    pub(crate) name: String,
    /// The whole reference, with `:latest` where nothing was said.
    pub(crate) full: String,
}

impl Reference {
    pub(crate) fn parse(text: &str) -> Self {
        let (before_digest, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let colon =
            before_digest.rfind(':').filter(|at| !before_digest.split_at(*at).1.contains('/'));
        let (path, tag) = match colon {
            Some(at) => {
                let (path, tag) = before_digest.split_at(at);
                (path, Some(tag))
            }
            None => (before_digest, None),
        };
        let (registry, name) = split_registry(path);
        let full = match (tag, digest) {
            (None, None) => format!("{text}:latest"),
            (Some(_), None) | (None | Some(_), Some(_)) => text.to_owned(),
        };
        Self { registry, name, full }
    }
}

fn split_registry(path: &str) -> (String, String) {
    let is_host = |first: &str| first.contains(['.', ':']) || first == "localhost";
    match path.split_once('/') {
        Some((HUB | "index.docker.io", rest)) => {
            (HUB.to_owned(), rest.strip_prefix("library/").unwrap_or(rest).to_owned())
        }
        Some((first, _)) if is_host(first) => (first.to_owned(), path.to_owned()),
        Some(_) | None => {
            (HUB.to_owned(), path.strip_prefix("library/").unwrap_or(path).to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, registry: &str, name: &str, full: &str) {
        let want = Reference { registry: registry.into(), name: name.into(), full: full.into() };
        assert_eq!(Reference::parse(text), want, "{text}");
    }

    #[test]
    fn references_are_read_as_docker_reads_them() {
        check("busybox", "docker.io", "busybox", "busybox:latest");
        check("library/busybox:1", "docker.io", "busybox", "library/busybox:1");
        check(
            "docker.io/library/busybox",
            "docker.io",
            "busybox",
            "docker.io/library/busybox:latest",
        );
        check("me/app:1", "docker.io", "me/app", "me/app:1");
        check(
            "127.0.0.1:5000/app",
            "127.0.0.1:5000",
            "127.0.0.1:5000/app",
            "127.0.0.1:5000/app:latest",
        );
        check(
            "127.0.0.1:5000/a/b:2",
            "127.0.0.1:5000",
            "127.0.0.1:5000/a/b",
            "127.0.0.1:5000/a/b:2",
        );
        check("localhost/app@sha256:ab", "localhost", "localhost/app", "localhost/app@sha256:ab");
        check("ghcr.io/a/b:1@sha256:ab", "ghcr.io", "ghcr.io/a/b", "ghcr.io/a/b:1@sha256:ab");
    }
}
