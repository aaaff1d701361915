//! Who the user of this machine is to a registry. Docker keeps what `docker login` was told in
//! `config.json`. Helpers that keep passwords elsewhere (`credsStore`) are programs of the desktop
//! and are not asked.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::reference::Reference;

/// Under this key `docker login` files the hub.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// What a registry is told.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// A name and a password.
    Password {
        /// The name.
        username: String,
        /// The password.
        password: String,
    },
    /// A token that the registry's own sign-in service gave.
    IdentityToken(String),
}

/// Without what must not be seen.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Password { username, .. } => {
                f.debug_struct("Password").field("username", username).finish_non_exhaustive()
            }
            Self::IdentityToken(_) => f.write_str("IdentityToken(..)"),
        }
    }
}

#[derive(Deserialize, Default)]
struct ConfigFile {
    #[serde(default)]
    auths: HashMap<String, Entry>,
}

#[derive(Deserialize, Default)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    identitytoken: Option<String>,
}

/// The login for the registry of `reference` in the text of Docker's `config.json`; none where
/// nobody logged in there.
///
/// # Errors
/// Where the text is no such file. The fault never shows the text: it holds passwords.
pub fn from_config(text: &[u8], reference: &Reference) -> Result<Option<Login>, serde_json::Error> {
    let config: ConfigFile = serde_json::from_slice(text)?;
    let registry = reference.registry.as_str();
    let entry = config.auths.into_iter().find(|(key, _)| is_for(key, registry));
    Ok(entry.and_then(|(_, entry)| login(entry)))
}

fn login(entry: Entry) -> Option<Login> {
    if let Some(token) = entry.identitytoken.filter(|token| !token.is_empty()) {
        return Some(Login::IdentityToken(token));
    }
    let decoded = STANDARD.decode(entry.auth).ok()?;
    let pair = String::from_utf8(decoded).ok()?;
    let (username, password) = pair.split_once(':')?;
    Some(Login::Password { username: username.to_owned(), password: password.to_owned() })
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

    const CONFIG: &str = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"aHViOmE6Yg=="},
        "https://127.0.0.1:5000/v2/":{"auth":"bWU6cHc="},"ghcr.io":{},
        "token.io":{"identitytoken":"t"}},"credsStore":"x"}"#;

    #[track_caller]
    fn check(config: &str, image: &str, want: Option<(&str, &str)>) {
        let got = from_config(config.as_bytes(), &Reference::parse(image)).unwrap();
        let want = want.map(|(username, password)| Login::Password {
            username: username.to_owned(),
            password: password.to_owned(),
        });
        assert_eq!(got, want);
    }

    #[test]
    fn the_users_login_is_found_by_the_registrys_host() {
        check(CONFIG, "busybox", Some(("hub", "a:b")));
        check(CONFIG, "127.0.0.1:5000/x:1", Some(("me", "pw")));
        check(CONFIG, "127.0.0.1:5001/x:1", None);
        check(CONFIG, "ghcr.io/x", None);
        check("{}", "busybox", None);
        let token = from_config(CONFIG.as_bytes(), &Reference::parse("token.io/x")).unwrap();
        assert_eq!(token, Some(Login::IdentityToken("t".to_owned())));
    }

    #[test]
    fn a_fault_and_a_log_line_show_no_password() {
        let broken = r#"{"auths":{"x":{"auth":"c2VjcmV0"}},secret"#;
        let error = from_config(broken.as_bytes(), &Reference::parse("x")).unwrap_err();
        assert!(!error.to_string().contains("secret") && !error.to_string().contains("c2V"));
        let login = from_config(CONFIG.as_bytes(), &Reference::parse("busybox")).unwrap();
        assert!(!format!("{login:?}").contains("a:b"), "{login:?}");
    }
}
