//! Reads an image reference as Docker does: which registry it names, under which name its digests
//! are recorded, and whether it names one image at all. A reference without tag or digest names
//! the tag `latest`, else an engine would pull *every* tag of the repository.

use std::fmt;

use crate::digest::Digest;
use crate::error::ImageError;

/// The registry of references that name none.
const HUB: &str = "docker.io";
/// The folder of the hub's own images, which nobody writes.
const HUB_LIBRARY: &str = "library/";
const LATEST: &str = "latest";
const NAME_CHARS_MAX: usize = 255;
const TAG_CHARS_MAX: usize = 128;

/// A reference in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Host and port of the registry.
    pub registry: String,
    /// The name without tag and digest, in the short form in which engines record it.
    pub name: String,
    /// The whole reference, with `:latest` where nothing was said.
    pub full: String,
    /// The tag; none where only a digest was given.
    pub tag: Option<String>,
    /// `sha256:…`, where one was given. It decides over the tag.
    pub digest: Option<String>,
}

impl Reference {
    /// Takes a reference apart, whatever it holds.
    #[must_use]
    pub fn parse(text: &str) -> Self {
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
                (path, Some(tag.trim_start_matches(':')))
            }
            None => (before_digest, None),
        };
        let (registry, name) = split_registry(path);
        let (full, tag) = match (tag, digest) {
            (None, None) => (format!("{text}:{LATEST}"), Some(LATEST)),
            (tag, None | Some(_)) => (text.to_owned(), tag),
        };
        let digest = digest.map(str::to_owned);
        Self { registry, name, full, tag: tag.map(str::to_owned), digest }
    }

    /// Takes a reference apart and holds it to Docker's grammar.
    ///
    /// # Errors
    /// [`Refused`](crate::ErrorKind::Refused) for what is no reference, in a sentence.
    pub fn checked(text: &str) -> Result<Self, ImageError> {
        let found = Self::parse(text);
        let refuse = |why: &str| {
            let shown: String = text.chars().take(100).flat_map(char::escape_debug).collect();
            Err(ImageError::refused(format!("`{shown}` names no image: {why}")))
        };
        let repository = found.repository();
        if repository.is_empty() || repository.len() > NAME_CHARS_MAX {
            return refuse("a name has 1 to 255 characters");
        }
        if !repository.split('/').all(is_component) {
            return refuse("a name has lower case letters, digits, and . _ - between them");
        }
        if !is_host(&found.registry) {
            return refuse("the registry is no host name");
        }
        if found.tag.as_deref().is_some_and(|tag| !is_tag(tag)) {
            return refuse("a tag has up to 128 letters, digits, and . _ -");
        }
        match &found.digest {
            Some(digest) if Digest::parse(digest).is_err() => refuse("its digest is none"),
            Some(_) | None => Ok(found),
        }
    }

    /// The repository as the registry calls it.
    #[must_use]
    pub fn repository(&self) -> String {
        let on_host =
            self.name.strip_prefix(&self.registry).and_then(|rest| rest.strip_prefix('/'));
        match on_host {
            Some(rest) => rest.to_owned(),
            None if self.registry == HUB && !self.name.contains('/') => {
                format!("{HUB_LIBRARY}{}", self.name)
            }
            None => self.name.clone(),
        }
    }
}

/// The short form, under which the store keeps an image: `name:tag`, or `name@sha256:…` where a
/// digest was given.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => write!(f, "{}@{digest}", self.name),
            (None, tag) => write!(f, "{}:{}", self.name, tag.as_deref().unwrap_or(LATEST)),
        }
    }
}

fn split_registry(path: &str) -> (String, String) {
    let names_host = |first: &str| first.contains(['.', ':']) || first == "localhost";
    let on_hub = |rest: &str| rest.strip_prefix(HUB_LIBRARY).unwrap_or(rest).to_owned();
    match path.split_once('/') {
        Some((HUB | "index.docker.io", rest)) => (HUB.to_owned(), on_hub(rest)),
        Some((first, _)) if names_host(first) => (first.to_owned(), path.to_owned()),
        Some(_) | None => (HUB.to_owned(), on_hub(path)),
    }
}

/// Letters and digits, with single dots, up to two underscores or any dashes between them.
fn is_component(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separators = text.split(|c: char| c.is_ascii() && word(c as u8));
    let good =
        |part: &str| matches!(part, "" | "." | "_" | "__") || part.bytes().all(|b| b == b'-');
    text.bytes().next().is_some_and(word)
        && text.bytes().next_back().is_some_and(word)
        && separators.into_iter().all(good)
}

fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "1"));
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.split('.').all(label) && port.parse::<u16>().is_ok()
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= TAG_CHARS_MAX
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, registry: &str, name: &str, full: &str) {
        let got = Reference::parse(text);
        assert_eq!((&*got.registry, &*got.name, &*got.full), (registry, name, full), "{text}");
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

    #[track_caller]
    fn short(text: &str, want: &str, repository: &str) {
        let got = Reference::checked(text).unwrap();
        assert_eq!((got.to_string(), got.repository()), (want.to_owned(), repository.to_owned()));
    }

    #[test]
    fn the_store_knows_an_image_by_its_short_form() {
        let digest = Digest::of(b"");
        short("docker.io/library/busybox", "busybox:latest", "library/busybox");
        short("me/app", "me/app:latest", "me/app");
        short("127.0.0.1:5000/a/b:2", "127.0.0.1:5000/a/b:2", "a/b");
        short(&format!("app:1@{digest}"), &format!("app@{digest}"), "library/app");
    }

    #[test]
    fn what_names_no_image_is_refused() {
        for text in [
            "",
            ":",
            "@",
            "a:",
            "A",
            "a//b",
            "/a",
            "a/",
            "../a",
            "a b",
            "a:b c",
            "a\n",
            "-a",
            "a-",
            "a..b",
            "a.-b",
            "a@sha256:ab",
            "a:1@",
            "x.y:99999999/a",
            "a:..",
            "é",
        ] {
            assert!(Reference::checked(text).is_err(), "{text:?}");
        }
        for text in ["a", "a.b", "a__b", "a---b", "ab_c/d.e-f:V_1.2-x", "localhost/x", "x.y:1/a"] {
            assert!(Reference::checked(text).is_ok(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_short_form_is_a_fixed_point(text in "([a-z.]{1,9}(:[0-9]{1,4})?/)?[a-z0-9._/-]{1,12}(:[A-Za-z0-9._-]{1,5})?") {
            if let Ok(found) = Reference::checked(&text) {
                let again = Reference::checked(&found.to_string()).unwrap();
                prop_assert_eq!(again.to_string(), found.to_string());
                prop_assert_eq!(again.registry, found.registry);
            }
        }
    }
}
