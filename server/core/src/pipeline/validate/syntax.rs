//! The syntax of single fields: images, users, paths, labels. Image rules follow the reference
//! grammar of the distribution project, but only as far as to refuse what no registry can hold: the
//! engine has the last word.

use crate::pipeline::limits::{
    IMAGE_BYTES_MAX, LABEL_KEY_BYTES_MAX, LABEL_VALUE_BYTES_MAX, PATH_BYTES_MAX, USER_BYTES_MAX,
    USER_NUMBER_MAX,
};
use crate::pipeline::text::{is_hidden, quote, unfit};

/// A broken rule, and what the author can do about it.
pub(super) struct Broken {
    pub(super) rule: String,
    pub(super) help: Option<String>,
}

impl Broken {
    fn new(rule: String) -> Self {
        Self { rule, help: None }
    }

    fn help(self, help: String) -> Self {
        Self { help: Some(help), ..self }
    }
}

/// The rule that an image reference breaks: `[registry[:port]/]path[:tag][@algorithm:digest]`.
pub(super) fn broken_image(image: &str) -> Option<Broken> {
    let shown = quote(image);
    if let Some(c) = image.chars().find(|c| c.is_whitespace() || is_hidden(*c)) {
        let broken = Broken::new(format!("its image {shown} holds the character {c:?}"));
        let trimmed = image.trim();
        let only_around = !trimmed.is_empty() && !trimmed.contains(char::is_whitespace);
        return Some(if only_around {
            broken.help(format!("write {}", quote(trimmed)))
        } else {
            broken
        });
    }
    if image.len() > IMAGE_BYTES_MAX {
        let message =
            format!("its image has {} bytes; at most {IMAGE_BYTES_MAX} are allowed", image.len());
        return Some(Broken::new(message));
    }
    if let Some((scheme, rest)) = image.split_once("://") {
        let broken = Broken::new(format!("its image {shown} is an address with `{scheme}://`"));
        return Some(broken.help(format!("write {}", quote(rest))));
    }
    let (named, digest) =
        image.split_once('@').map_or((image, None), |(named, digest)| (named, Some(digest)));
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Some(
            Broken::new(format!("the digest of its image {shown} is malformed"))
                .help("a digest is `sha256:` and 64 hexadecimal digits".to_owned()),
        );
    }
    let last = named.rsplit('/').next().unwrap_or_default();
    let (path, tag) = match last.split_once(':') {
        None => (named, None),
        Some((_, tag)) => (
            named.strip_suffix(tag).and_then(|named| named.strip_suffix(':')).unwrap_or(named),
            Some(tag),
        ),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        let rule = "a tag has 1 to 128 letters, digits and `_`, `.`, `-`, and begins with one of the first three";
        return Some(
            Broken::new(format!("the tag of its image {shown} is malformed")).help(rule.to_owned()),
        );
    }
    broken_path(path, &shown, image)
}

/// The rule that registry and path of an image break.
fn broken_path(path: &str, shown: &str, image: &str) -> Option<Broken> {
    let parts = match path.split_once('/') {
        Some((first, rest)) if is_registry(first) => rest,
        Some(_) | None => path,
    };
    for part in parts.split('/') {
        if part.is_empty() {
            return Some(Broken::new(format!("its image {shown} has an empty part")));
        }
        if part.chars().any(|c| c.is_ascii_uppercase()) {
            let broken =
                Broken::new(format!("its image {shown} has upper-case letters in its name"));
            let lower = image.replacen(parts, &parts.to_ascii_lowercase(), 1);
            return Some(broken.help(format!("did you mean {}?", quote(&lower))));
        }
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if let Some(c) = part.chars().find(|c| !fits(*c) && !matches!(c, '.' | '_' | '-')) {
            return Some(Broken::new(format!("its image {shown} holds the character {c:?}")));
        }
        if !part.starts_with(fits) || !part.ends_with(fits) {
            let rule = format!(
                "a part of its image {shown} does not begin and end with a letter or digit"
            );
            return Some(Broken::new(rule));
        }
    }
    None
}

/// Whether the first part of an image is a registry, as the Docker client decides it.
fn is_registry(part: &str) -> bool {
    let fits =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_');
    let host = part.rsplit_once(':').map_or(part, |(host, _)| host);
    let marked = part.contains(['.', ':']) || part == "localhost";
    // An empty label would make `..` a registry, and a path out of wherever the name is used.
    marked && host.split('.').all(|label| !label.is_empty()) && part.chars().all(fits)
}

fn is_tag(tag: &str) -> bool {
    const TAG_CHARS_MAX: usize = 128;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.starts_with(fits)
        && tag.len() <= TAG_CHARS_MAX
        && tag.chars().all(|c| fits(c) || matches!(c, '.' | '-'))
}

fn is_digest(digest: &str) -> bool {
    const HEX_CHARS_MIN: usize = 32;
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let known_length = algorithm != "sha256" || hex.len() == 64;
    algorithm.starts_with(|c: char| c.is_ascii_alphabetic())
        && algorithm
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-' | '_'))
        && hex.len() >= HEX_CHARS_MIN
        && hex.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
        && known_length
}

/// The rule that a user breaks: `user`, `uid`, `user:group`, `uid:gid` and mixtures.
pub(super) fn broken_user(user: &str) -> Option<Broken> {
    let shown = quote(user);
    let (name, group) =
        user.split_once(':').map_or((user, None), |(name, group)| (name, Some(group)));
    for part in [Some(name), group].into_iter().flatten() {
        if part.is_empty() {
            return Some(Broken::new(format!("its user {shown} has an empty part")));
        }
        if part.len() > USER_BYTES_MAX {
            let message = format!(
                "a part of its user has {} bytes; at most {USER_BYTES_MAX} are allowed",
                part.len()
            );
            return Some(Broken::new(message));
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '$');
        if let Some(odd) = unfit(part, fits) {
            let broken = Broken::new(format!("its user {shown} holds {odd}"));
            return Some(broken.help("write `user`, `uid`, `user:group` or `uid:gid`".to_owned()));
        }
        if part.starts_with('-') {
            return Some(Broken::new(format!("a part of its user {shown} begins with a hyphen")));
        }
        let is_number = part.chars().all(|c| c.is_ascii_digit());
        if is_number && part.parse::<u64>().map_or(true, |number| number > USER_NUMBER_MAX) {
            let message = format!("a number in its user {shown} is larger than {USER_NUMBER_MAX}");
            return Some(Broken::new(message));
        }
    }
    None
}

/// The rule that a working directory breaks: an absolute path.
pub(super) fn broken_workdir(path: &str) -> Option<Broken> {
    let shown = quote(path);
    if let Some(c) = path.chars().find(|c| is_hidden(*c)) {
        return Some(Broken::new(format!(
            "its working directory {shown} holds the character {c:?}"
        )));
    }
    if path.len() >= PATH_BYTES_MAX {
        let message =
            format!("its working directory has {} bytes; fewer than 4 KiB are allowed", path.len());
        return Some(Broken::new(message));
    }
    if path.starts_with('/') {
        return None;
    }
    let broken = Broken::new(format!("its working directory {shown} is no absolute path"));
    let absolute = format!("/{}", path.trim_start_matches("./"));
    Some(broken.help(format!("did you mean {}?", quote(&absolute))))
}

/// The rules that a label breaks. Keys of the form `gofer.…` are Gofer's own: the server finds its
/// containers by them.
pub(super) fn broken_label(key: &str, value: &str) -> Vec<String> {
    let shown = quote(key);
    let mut broken = Vec::new();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    if key.is_empty() {
        broken.push("a label has no key".to_owned());
    }
    if key.len() > LABEL_KEY_BYTES_MAX {
        broken.push(format!(
            "the key of label {shown} has {} bytes; at most {LABEL_KEY_BYTES_MAX} are allowed",
            key.len()
        ));
    }
    if let Some(odd) = unfit(key, fits) {
        broken.push(format!("the key of label {shown} holds {odd}"));
    }
    if key == "gofer" || key.starts_with("gofer.") || key.starts_with("gofer/") {
        broken.push(format!("the key of label {shown} is reserved for Gofer"));
    }
    if value.len() > LABEL_VALUE_BYTES_MAX {
        broken.push(format!(
            "the value of label {shown} has {} bytes; at most 1 KiB is allowed",
            value.len()
        ));
    }
    if value.chars().any(is_hidden) {
        broken.push(format!("the value of label {shown} holds a control character"));
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares rule and help in one line; empty is "no rule broken".
    #[track_caller]
    fn check(broken: fn(&str) -> Option<Broken>, text: &str, want: &str) {
        let got = broken(text).map(|b| format!("{} / {}", b.rule, b.help.unwrap_or_default()));
        let got = got.unwrap_or_default();
        assert!(
            got.is_empty() == want.is_empty() && got.contains(want),
            "{text:?}: {got:?} lacks {want:?}"
        );
    }

    #[test]
    fn images_that_a_registry_can_hold_pass() {
        let digest = format!("alpine@sha256:{}", "0af".repeat(22).split_at(64).0);
        for image in [
            "alpine",
            "alpine:3.20",
            "library/alpine:LATEST_1",
            "ghcr.io/clintjedwards/gofer/debug_wait:latest",
            "localhost/x",
            "localhost:5000/a/b__c--d:1",
            "[::1]:5000/a:1",
            "Registry.Example.COM/a",
            "a/b/c/d:v1.2-rc_3",
            "0123456789abcdef",
            &digest,
            &digest.replace("alpine", "r.io:5/alpine:3"),
        ] {
            check(broken_image, image, "");
        }
    }

    #[test]
    fn images_that_none_can_hold_are_refused() {
        check(broken_image, " alpine", "holds the character ' ' / write `alpine`");
        check(broken_image, "alpine latest", "holds the character ' '");
        check(broken_image, "alp\nine", "holds the character '\\n'");
        check(broken_image, "https://ghcr.io/a", "`https://` / write `ghcr.io/a`");
        check(
            broken_image,
            "Ubuntu:22.04",
            "upper-case letters in its name / did you mean `ubuntu:22.04`?",
        );
        check(broken_image, "alpine:", "tag");
        check(broken_image, "alpine:-x", "tag");
        check(broken_image, "alpine:1:2", "tag");
        check(broken_image, "alpine@sha256:12", "digest");
        check(broken_image, "alpine@", "digest");
        check(broken_image, "a//b", "empty part");
        check(broken_image, "/a", "empty part");
        check(broken_image, "a/", "empty part");
        check(broken_image, ":3", "empty part");
        check(broken_image, "../containers/x", "begin and end");
        check(broken_image, "a..b:1/x", "':'");
        check(broken_image, "-a", "begin and end");
        check(broken_image, "a/b-", "begin and end");
        check(broken_image, "secret{{key}}", "'{'");
        check(broken_image, &"a".repeat(2000), "2000 bytes");
    }

    #[test]
    fn users_are_names_or_numbers() {
        for user in ["root", "1000", "1000:1000", "app:staff", "svc.build-1", "2147483647"] {
            check(broken_user, user, "");
        }
        check(broken_user, ":0", "empty part");
        check(broken_user, "a:", "empty part");
        check(broken_user, "a:b:c", "':'");
        check(broken_user, "a b", "' '");
        check(broken_user, "-1", "hyphen");
        check(broken_user, "2147483648", "larger than 2147483647");
        check(broken_user, &"9".repeat(60), "larger than");
        check(broken_user, &"a".repeat(65), "65 bytes");
    }

    #[test]
    fn working_directories_are_absolute() {
        check(broken_workdir, "/", "");
        check(broken_workdir, "/srv/with space/ü", "");
        check(broken_workdir, "./app", "no absolute path / did you mean `/app`?");
        check(broken_workdir, "/a\0", "'\\0'");
        check(broken_workdir, &"/a".repeat(3000), "6000 bytes");
    }

    #[test]
    fn labels_keep_off_gofers_own() {
        let broken = |key: &str| broken_label(key, "x").join("; ");
        assert_eq!(broken("team/a.b-c_d"), "");
        assert_eq!(broken("gofers"), "");
        assert!(broken("gofer.run").contains("reserved"));
        assert!(broken("").contains("no key"));
        assert!(broken("a b").contains("' '"));
        assert!(broken_label("aaa", "x\n").join("").contains("control character"));
    }
}
