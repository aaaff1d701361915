//! Who we are to a registry: what the task says, else what the user of this server has logged in
//! with. Docker keeps that in `config.json`; it is read at each pull, so that a new `docker login`
//! counts at once. Helpers that keep passwords elsewhere (`credsStore`) are programs of the
//! desktop and are not asked.

use std::collections::HashMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use gofer_core::ports::driver::RegistryLogin;
use serde::Deserialize;

use crate::reference::Reference;

/// Under this key `docker login` files the hub.
const HUB_KEY: &str = "https://index.docker.io/v1/";

#[derive(Deserialize, Default)]
struct ConfigFile {
    #[serde(default)]
    auths: HashMap<String, Entry>,
}

#[derive(Deserialize, Default, Clone)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    identitytoken: Option<String>,
}

/// The credentials for the registry of `reference`; none where nobody gave any.
pub(crate) async fn find(
    login: Option<&RegistryLogin>,
    config_file: Option<&Path>,
    reference: &Reference,
) -> Option<DockerCredentials> {
    if let Some(login) = login {
        return Some(DockerCredentials {
            username: Some(login.username.clone()),
            password: Some(login.password.clone()),
            serveraddress: Some(reference.registry.clone()),
            ..DockerCredentials::default()
        });
    }
    let text = tokio::fs::read(config_file?).await.ok()?;
    from_config(&text, reference)
}

fn from_config(text: &[u8], reference: &Reference) -> Option<DockerCredentials> {
    let config: ConfigFile = match serde_json::from_slice(text) {
        Ok(config) => config,
        Err(error) => {
            // Without the text: it holds passwords. The pull goes on without credentials.
            tracing::warn!(%error, "could not read Docker's config.json");
            return None;
        }
    };
    let registry = reference.registry.as_str();
    let entry = config
        .auths
        .iter()
        .find(|(key, _)| is_for(key, registry))
        .map(|(_, entry)| entry.clone())?;
    if entry.identitytoken.as_ref().is_some_and(|token| !token.is_empty()) {
        return Some(DockerCredentials {
            identitytoken: entry.identitytoken,
            serveraddress: Some(registry.to_owned()),
            ..DockerCredentials::default()
        });
    }
    let decoded = STANDARD.decode(entry.auth).ok()?;
    let pair = String::from_utf8(decoded).ok()?;
    let (username, password) = pair.split_once(':')?;
    Some(DockerCredentials {
        username: Some(username.to_owned()),
        password: Some(password.to_owned()),
        serveraddress: Some(registry.to_owned()),
        ..DockerCredentials::default()
    })
}

/// Keys are host names, with a scheme and a path in older files.
fn is_for(key: &str, registry: &str) -> bool {
    if key == HUB_KEY {
        return registry == "docker.io";
    }
    let host = key.split_once("://").map_or(key, |(_, rest)| rest);
    host.split('/').next() == Some(registry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(config: &str, image: &str, want: Option<(&str, &str)>) {
        let got = from_config(config.as_bytes(), &Reference::parse(image));
        let got = got.map(|found| (found.username.unwrap(), found.password.unwrap()));
        assert_eq!(got, want.map(|(name, password)| (name.to_owned(), password.to_owned())));
    }

    #[test]
    fn the_users_login_is_found_by_the_registrys_host() {
        let config = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"aHViOmE6Yg=="},
            "https://127.0.0.1:5000/v2/":{"auth":"bWU6cHc="},"ghcr.io":{}},"credsStore":"x"}"#;
        check(config, "busybox", Some(("hub", "a:b")));
        check(config, "127.0.0.1:5000/x:1", Some(("me", "pw")));
        check(config, "127.0.0.1:5001/x:1", None);
        check(config, "ghcr.io/x", None);
        check("not json", "busybox", None);
        check("{}", "busybox", None);
    }
}
