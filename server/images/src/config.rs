//! The config of an image: what a container of it runs, and which layers make it. Its digest is
//! the image's id.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::ImageError;
use crate::manifest::{self, Platform};

/// What the image says of the containers made from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// The arguments that a caller may replace.
    pub cmd: Vec<String>,
    /// Environment, in the image's order.
    pub env: Vec<(String, String)>,
    /// `user`, `user:group`, by name or number; none is root.
    pub user: Option<String>,
    /// Where the program starts; none is `/`.
    pub workdir: Option<String>,
    /// When its maker says it was made, milliseconds since the epoch.
    pub created_ms: Option<i64>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A config as it was read, with what only unpacking needs.
#[derive(Debug, Clone)]
pub(crate) struct Parsed {
    pub(crate) config: ImageConfig,
    /// The digests of the uncompressed layers, lowest first.
    pub(crate) diff_ids: Vec<Digest>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    created: Option<String>,
    config: Option<Container>,
    rootfs: RootFs,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Container {
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    user: Option<String>,
    working_dir: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

/// Reads a config. One for another machine is [`Unsupported`](crate::ErrorKind::Unsupported).
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, ImageError> {
    let file: File = manifest::from_json("the image's config", bytes)?;
    check_platform(&file)?;
    let diff_ids: Result<Vec<Digest>, ImageError> =
        file.rootfs.diff_ids.iter().map(|text| Digest::parse(text)).collect();
    let container = file.config.unwrap_or_default();
    let config = ImageConfig {
        entrypoint: container.entrypoint.unwrap_or_default(),
        cmd: container.cmd.unwrap_or_default(),
        env: container.env.unwrap_or_default().iter().map(|line| variable(line)).collect(),
        user: container.user.filter(|user| !user.is_empty()),
        workdir: container.working_dir.filter(|dir| !dir.is_empty()),
        created_ms: file.created.as_deref().and_then(milliseconds),
        labels: container.labels.unwrap_or_default(),
    };
    Ok(Parsed { config, diff_ids: diff_ids? })
}

fn check_platform(file: &File) -> Result<(), ImageError> {
    let ours = Platform::current();
    let fits = |said: &str, ours: &str| said.is_empty() || said == ours;
    if fits(&file.os, &ours.os) && fits(&file.architecture, &ours.architecture) {
        return Ok(());
    }
    Err(ImageError::unsupported(format!(
        "the image is for {}/{}, and this machine is {ours}",
        file.os, file.architecture
    )))
}

fn variable(line: &str) -> (String, String) {
    let (name, value) = line.split_once('=').unwrap_or((line, ""));
    (name.to_owned(), value.to_owned())
}

fn milliseconds(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_config_is_read_as_docker_writes_it() {
        let text = format!(
            r#"{{"architecture":"{}","os":"linux","created":"1970-01-01T00:00:01.5Z",
            "config":{{"Entrypoint":["/a"],"Cmd":null,"Env":["A=b=c","EMPTY"],"User":"","WorkingDir":"/w",
            "Labels":{{"k":"v"}}}},"rootfs":{{"type":"layers","diff_ids":["sha256:{}"]}},"history":[]}}"#,
            Platform::current().architecture,
            "ab".repeat(32)
        );
        let parsed = parse(text.as_bytes()).unwrap();
        let want = ImageConfig {
            entrypoint: vec!["/a".to_owned()],
            env: vec![("A".to_owned(), "b=c".to_owned()), ("EMPTY".to_owned(), String::new())],
            workdir: Some("/w".to_owned()),
            created_ms: Some(1500),
            labels: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
            ..ImageConfig::default()
        };
        assert_eq!(parsed.config, want);
        assert_eq!(parsed.diff_ids.len(), 1);
    }

    #[test]
    fn an_image_for_another_machine_is_unsupported() {
        let text = br#"{"architecture":"pdp11","os":"linux","rootfs":{}}"#;
        let error = parse(text).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported);
        assert!(error.message.contains("linux/pdp11"), "{error}");
        assert_eq!(parse(b"{}").unwrap_err().kind, ErrorKind::Damaged);
    }
}
