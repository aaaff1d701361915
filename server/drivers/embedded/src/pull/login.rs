//! Who we are to a registry: what the task says, else what the user of this server has logged in
//! with. Docker's `config.json` is read at each pull, so that a new `docker login` counts at once.
//! Where it names somebody in a way that we cannot use, the pull goes on without a login, and only a
//! registry that then refuses brings that to light.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gofer_core::ports::driver::RegistryLogin;
use gofer_images::Reference;
use gofer_images::credentials::{self, Login as Known};
use oci_client::secrets::RegistryAuth;
use serde::Deserialize;

use super::limits;

const SHOWN_INSTEAD: &str = "***";

/// What a registry is told. Its `Debug` shows no password.
pub(super) struct Login {
    name_and_password: Option<(String, String)>,
    /// Why the user's own login is not used, where there is one.
    pub(super) gap: Option<String>,
}

/// Where Docker keeps passwords when not in the file itself.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Helpers {
    creds_store: String,
    cred_helpers: HashMap<String, String>,
}

impl Login {
    fn none(gap: Option<String>) -> Self {
        Self { name_and_password: None, gap }
    }

    fn password(username: String, password: String) -> Self {
        Self { name_and_password: Some((username, password)), gap: None }
    }

    pub(super) fn is_known(&self) -> bool {
        self.name_and_password.is_some()
    }

    pub(super) fn auth(&self) -> RegistryAuth {
        match &self.name_and_password {
            Some((name, password)) => RegistryAuth::Basic(name.clone(), password.clone()),
            None => RegistryAuth::Anonymous,
        }
    }

    /// The text without the password: a registry may say anything, also what it was told.
    pub(super) fn hide(&self, text: &str) -> String {
        let Some((name, password)) = &self.name_and_password else { return text.to_owned() };
        let encoded = STANDARD.encode(format!("{name}:{password}"));
        [password.as_str(), &encoded]
            .into_iter()
            .filter(|secret| secret.chars().count() >= limits::SECRET_CHARS_MIN)
            .fold(text.to_owned(), |text, secret| text.replace(secret, SHOWN_INSTEAD))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("gap", &self.gap).finish_non_exhaustive()
    }
}

/// The login for the registry of `reference`.
pub(super) async fn find(
    task: Option<&RegistryLogin>,
    config_file: Option<&Path>,
    reference: &Reference,
) -> Login {
    if let Some(RegistryLogin { username, password }) = task {
        return Login::password(username.clone(), password.clone());
    }
    let Some(file) = config_file else { return Login::none(None) };
    match tokio::fs::read(file).await {
        Ok(text) => from_config(&text, file, reference),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Login::none(None),
        Err(error) => Login::none(Some(format!("could not read {}: {error}", file.display()))),
    }
}

fn from_config(text: &[u8], file: &Path, reference: &Reference) -> Login {
    let registry = &reference.registry;
    match credentials::from_config(text, reference) {
        Ok(Some(Known::Password { username, password })) => Login::password(username, password),
        Ok(Some(Known::IdentityToken(_))) => Login::none(Some(format!(
            "{} has a token of a sign-in service for {registry}, which this engine cannot use: log in \
             with a name and a password",
            file.display()
        ))),
        Ok(None) => Login::none(helper(text, registry).map(|helper| {
            format!(
                "{} leaves the passwords to the credential helper {helper}, which this engine does \
                 not ask: give the task its login",
                file.display()
            )
        })),
        // Without the text: it holds passwords.
        Err(error) => {
            Login::none(Some(format!("could not read the logins in {}: {error}", file.display())))
        }
    }
}

/// The program that Docker would ask.
fn helper(text: &[u8], registry: &str) -> Option<String> {
    let helpers: Helpers = serde_json::from_slice(text).ok()?;
    let name = helpers.cred_helpers.get(registry).unwrap_or(&helpers.creds_store);
    (!name.is_empty()).then(|| format!("docker-credential-{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(config: &str, image: &str) -> Login {
        from_config(config.as_bytes(), Path::new("/c.json"), &Reference::parse(image))
    }

    #[test]
    fn what_cannot_be_used_is_named_and_no_secret_is_shown() {
        let config = r#"{"auths":{"token.io":{"identitytoken":"hushhush"},"plain.io":{"auth":"bWU6cHc="}},
            "credHelpers":{"helper.io":"pass"},"credsStore":"desktop"}"#;
        let gap = |image: &str| read(config, image).gap.unwrap_or_default();
        assert!(gap("token.io/x").contains("/c.json") && gap("token.io/x").contains("token.io"));
        assert!(!gap("token.io/x").contains("hushhush"));
        assert!(gap("helper.io/x").contains("docker-credential-pass"), "{}", gap("helper.io/x"));
        assert!(gap("busybox").contains("docker-credential-desktop"), "{}", gap("busybox"));
        let plain = read(config, "plain.io/x");
        assert!(plain.is_known() && plain.gap.is_none());
        assert_eq!(read("{}", "busybox").gap, None);
        let broken = read(r#"{"auths":{"x":{"auth":"c2VjcmV0"}},secret"#, "x").gap.unwrap();
        assert!(!broken.contains("secret") && !broken.contains("c2V"), "{broken}");
    }

    #[test]
    fn a_password_that_is_said_back_is_blotted_out() {
        let login = Login::password("me".to_owned(), "pass word".to_owned());
        let encoded = STANDARD.encode("me:pass word");
        let hidden = login.hide(&format!("no `pass word` for me, nor {encoded}"));
        assert_eq!(hidden, "no `***` for me, nor ***");
        assert!(!format!("{login:?}").contains("pass word"));
        let short = Login::password("me".to_owned(), "a".to_owned());
        assert_eq!(short.hide("a manifest"), "a manifest");
    }
}
