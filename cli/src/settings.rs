//! What holds for one command, from the strongest to the weakest: flag, `GOFER_CLI_*` variable, settings
//! file, default.

use std::path::{Path, PathBuf};

use crate::args::Global;
use crate::config_file::{self, File};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;

const HOST_DEFAULT: &str = "https://127.0.0.1:8080";
const NAMESPACE_DEFAULT: &str = "default";

/// What holds for one command.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each named")]
pub(crate) struct Settings {
    pub(crate) namespace: String,
    pub(crate) host: String,
    pub(crate) ca_cert: CaCert,
    pub(crate) no_color: bool,
    /// The settings file: the one that was read, or the one to write.
    pub(crate) file: PathBuf,
    pub(crate) no_input: bool,
    pub(crate) yes: bool,
    pub(crate) stdin_is_terminal: bool,
}

/// Where the certificate authority lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CaCert {
    /// Somebody said so.
    Named(PathBuf),
    /// Where a server in development mode puts it.
    Default(PathBuf),
}

impl Settings {
    pub(crate) fn new(environment: &Environment, global: &Global) -> Result<Self, Failure> {
        let (path, file) = read_file(environment, global)?;
        let ca_cert = global
            .ca_cert
            .clone()
            .or_else(|| environment.variable("GOFER_CLI_CA_CERT").map(PathBuf::from))
            .or_else(|| file.ca_cert.map(PathBuf::from));
        let host = strongest(global.host.as_ref(), environment, "GOFER_CLI_HOST", file.host);
        let namespace = strongest(
            global.namespace.as_ref(),
            environment,
            "GOFER_CLI_NAMESPACE",
            file.namespace,
        );
        Ok(Self {
            namespace: namespace.unwrap_or_else(|| NAMESPACE_DEFAULT.to_owned()),
            host: with_scheme(&host.unwrap_or_else(|| HOST_DEFAULT.to_owned())),
            ca_cert: ca_cert.map_or_else(
                || CaCert::Default(environment.data_dir().join("tls/ca.pem")),
                CaCert::Named,
            ),
            no_color: file.no_color || environment.variable("GOFER_CLI_NO_COLOR").is_some(),
            file: path,
            no_input: global.no_input,
            yes: global.yes,
            stdin_is_terminal: environment.stdin_is_terminal,
        })
    }

    /// The certificate authority as PEM. `None`: the server is spoken to without TLS.
    pub(crate) fn ca_pem(&self) -> Result<Option<String>, Failure> {
        if self.host.starts_with("http://") {
            return Ok(None);
        }
        let path = match &self.ca_cert {
            CaCert::Named(path) | CaCert::Default(path) => path,
        };
        match std::fs::read_to_string(path) {
            Ok(pem) => Ok(Some(pem)),
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound
                    && matches!(self.ca_cert, CaCert::Default(_)) =>
            {
                Err(no_server_here(&self.host, path))
            }
            Err(error) => Err(Failure::file("read the certificate authority", path, &error)
                .next("name another file with --ca-cert")),
        }
    }
}

fn no_server_here(host: &str, path: &Path) -> Failure {
    let message = format!("cannot reach the server at {host}: {} does not exist", path.display());
    Failure::new(Exit::Unavailable, "UNREACHABLE", message).next(
        "`gofer service start --dev-mode` starts a server here; --host and --ca-cert name another",
    )
}

fn strongest(
    flag: Option<&String>,
    environment: &Environment,
    variable: &str,
    file: Option<String>,
) -> Option<String> {
    flag.cloned().or_else(|| environment.variable(variable).map(str::to_owned)).or(file)
}

/// `localhost:8080` means TLS.
fn with_scheme(host: &str) -> String {
    let host = host.trim_end_matches('/');
    if host.contains("://") { host.to_owned() } else { format!("https://{host}") }
}

fn read_file(environment: &Environment, global: &Global) -> Result<(PathBuf, File), Failure> {
    let named = global.config.clone().or_else(|| {
        let variable = |key| environment.variable(key);
        variable("GOFER_CLI_CONFIG")
            .or_else(|| variable("GOFER_CLI_CONFIG_PATH"))
            .map(PathBuf::from)
    });
    if let Some(path) = named {
        // `namespace set` makes the file, so a missing one is no fault.
        let file = config_file::load(&path)?.unwrap_or_default();
        return Ok((path, file));
    }
    let home = environment.home();
    let config = match environment.variable("XDG_CONFIG_HOME") {
        Some(dir) => PathBuf::from(dir),
        None => home.join(".config"),
    };
    for path in [home.join(".gofer.hcl"), config.join("gofer.hcl")] {
        if let Some(file) = config_file::load(&path)? {
            return Ok((path, file));
        }
    }
    Ok((config.join("gofer.hcl"), File::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flag_beats_variable_beats_file_beats_default() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.hcl");
        std::fs::write(&path, "namespace = \"from_file\"\nhost = \"file:1\"\n").unwrap();
        let config = path.display().to_string();
        let namespace = |flag: Option<&str>, variables: &[(&str, &str)]| {
            let global = Global { namespace: flag.map(str::to_owned), ..Global::default() };
            Settings::new(&Environment::with(variables), &global).unwrap().namespace
        };
        let file = ("GOFER_CLI_CONFIG", config.as_str());
        let variable = ("GOFER_CLI_NAMESPACE", "from_env");
        let nowhere = ("HOME", "/nowhere");
        assert_eq!(namespace(Some("from_flag"), &[file, variable]), "from_flag");
        assert_eq!(namespace(None, &[file, variable]), "from_env");
        assert_eq!(namespace(None, &[file]), "from_file");
        assert_eq!(namespace(None, &[nowhere]), "default");
        let settings = Settings::new(&Environment::with(&[file]), &Global::default()).unwrap();
        assert_eq!(settings.host, "https://file:1");
    }

    #[test]
    fn no_server_on_this_machine_is_unavailable() {
        let environment = Environment::with(&[("HOME", "/nowhere")]);
        let settings = Settings::new(&environment, &Global::default()).unwrap();
        assert_eq!(settings.ca_pem().unwrap_err().detail().exit, Exit::Unavailable);
        let named = Settings { ca_cert: CaCert::Named("/nowhere/ca.pem".into()), ..settings };
        assert_eq!(named.ca_pem().unwrap_err().detail().exit, Exit::NotFound);
        let plain = Settings { host: "http://h:1".into(), ..named };
        assert!(plain.ca_pem().unwrap().is_none());
    }
}
