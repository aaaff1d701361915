//! Who we are to a registry: what the task says, else what the user of this server has logged in
//! with. Docker's `config.json` is read at each pull, so that a new `docker login` counts at once.

use std::io::ErrorKind;
use std::path::Path;

use bollard::auth::DockerCredentials;
use gofer_core::ports::driver::RegistryLogin;
use gofer_images::Reference;
use gofer_images::credentials::{self, Login};

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
    from_config(&read(config_file?).await?, reference)
}

/// The text of `config.json`; none where nobody has ever logged in here.
async fn read(file: &Path) -> Option<Vec<u8>> {
    match tokio::fs::read(file).await {
        Ok(text) => Some(text),
        Err(error) => {
            if error.kind() != ErrorKind::NotFound {
                // The pull goes on, and whoever wonders why it is refused finds the reason.
                tracing::warn!(file = %file.display(), %error, "could not read Docker's credentials");
            }
            None
        }
    }
}

fn from_config(text: &[u8], reference: &Reference) -> Option<DockerCredentials> {
    let found = match credentials::from_config(text, reference) {
        Ok(found) => found?,
        Err(error) => {
            // Without the text: it holds passwords. The pull goes on without credentials.
            tracing::warn!(%error, "could not read Docker's config.json");
            return None;
        }
    };
    let serveraddress = Some(reference.registry.clone());
    Some(match found {
        Login::IdentityToken(token) => DockerCredentials {
            identitytoken: Some(token),
            serveraddress,
            ..DockerCredentials::default()
        },
        Login::Password { username, password } => DockerCredentials {
            username: Some(username),
            password: Some(password),
            serveraddress,
            ..DockerCredentials::default()
        },
    })
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

    #[test]
    fn a_token_is_handed_on_as_one() {
        let config = r#"{"auths":{"token.io":{"identitytoken":"t"}}}"#;
        let found = from_config(config.as_bytes(), &Reference::parse("token.io/x")).unwrap();
        assert_eq!(found.identitytoken.as_deref(), Some("t"));
        assert_eq!((found.username, found.serveraddress.as_deref()), (None, Some("token.io")));
    }
}
