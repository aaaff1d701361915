//! `gofer version`.

use clap::Args;
use gofer_client::model::SystemInfo;
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Done;

/// Print the versions of this binary and of the server.
///
/// A server that does not answer is no error here.
///
/// Example: gofer version -o json
#[derive(Debug, Args)]
pub(crate) struct Version {
    /// Do not ask the server
    #[arg(long)]
    client_only: bool,
}

/// Both versions as a document.
#[derive(Debug, Serialize)]
struct Versions {
    client: &'static str,
    host: String,
    server: Option<SystemInfo>,
    /// Why nothing is known of the server. `null`: something is, or it was not asked.
    server_error: Option<String>,
}

impl Version {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let host = context.settings.host.clone();
        let (server, server_error) = if self.client_only {
            (None, None)
        } else {
            match server(context).await {
                Ok(info) => (Some(info), None),
                Err(error) => (None, Some(error)),
            }
        };
        let versions = Versions { client: env!("CARGO_PKG_VERSION"), host, server, server_error };
        if !context.out.document("gofer.version/v1", &versions)? {
            let text = text(&versions);
            context.out.bytes(text.as_bytes())?;
        }
        Ok(Exit::Ok)
    }
}

async fn server(context: &mut Context) -> Result<SystemInfo, String> {
    let client = context.client().map_err(|failure| failure.detail().message.clone())?;
    client.info().await.map_err(|error| error.to_string())
}

fn text(versions: &Versions) -> String {
    let mut text = format!("gofer   {}\n", versions.client);
    match (&versions.server, &versions.server_error) {
        (Some(server), _) => {
            let commit = server.commit.as_ref().map(|commit| format!(" ({commit})"));
            let commit = commit.unwrap_or_default();
            text.push_str(&format!("server  {}{commit} at {}\n", server.version, versions.host));
        }
        (None, Some(error)) => text.push_str(&format!("server  unknown: {error}\n")),
        (None, None) => {} // it was not asked
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Format;
    use crate::look::Look;
    use crate::out::capture;
    use crate::show::samples;

    #[test]
    fn a_version_has_all_its_keys() {
        let versions = Versions {
            client: "0.1.0",
            host: "https://127.0.0.1:8080".into(),
            server: Some(samples::info()),
            server_error: None,
        };
        let (mut out, data, _) = capture::out(Look::pipe(), Format::Json);
        out.document("gofer.version/v1", &versions).unwrap();
        insta::assert_snapshot!(data.text());
        assert_eq!(text(&versions), "gofer   0.1.0\nserver  0.1.0 at https://127.0.0.1:8080\n");
    }
}
