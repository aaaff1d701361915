//! A private image registry for tests: Debian's `docker-registry` on a loopback port that it picks
//! itself, with its data in a folder that goes with it. Docker speaks plain HTTP to 127.0.0.0/8
//! without being told.

pub mod bare;
pub mod craft;
pub mod proxy;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::query_parameters::{
    PushImageOptionsBuilder, RemoveImageOptions, TagImageOptionsBuilder,
};
use futures_util::StreamExt as _;
use gofer_core::ports::driver::RegistryLogin;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The one user of a registry with [`Access::Login`].
pub const USER: &str = "gofer";
/// Their password. Its base64 form holds `+` and `/`, which tells the two base64 alphabets apart.
pub const PASSWORD: &str = "pa?s>>~~wo??rd~";
/// `USER:bcrypt(PASSWORD)`, as `htpasswd -B` writes it; the server knows no other hash.
const HTPASSWD: &str = "gofer:$2b$05$abcdefghijklmnopqrstuuHHpqpOOMwNyplAu1kUa5v4x8JnFXGj.\n";

/// Pause after each byte on a [`SlowWay`].
const SLOW_PAUSE: Duration = Duration::from_millis(100);

/// Who may push and pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Open,
    /// [`USER`] with [`PASSWORD`].
    Login,
}

/// A registry that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Registry {
    access: Access,
    address: String,
    server: Child,
    folder: TempDir,
}

impl Registry {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// Where `docker-registry` is not installed (the text names the package) or does not listen.
    pub async fn start(access: Access) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (server, address) = serve(folder.path(), access, "127.0.0.1:0").await?;
        Ok(Self { access, address, server, folder })
    }

    /// The reference under which `name` (for example `app:1`) lies in this registry.
    #[must_use]
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// The right credentials.
    #[must_use]
    pub fn login() -> RegistryLogin {
        RegistryLogin { username: USER.to_owned(), password: PASSWORD.to_owned() }
    }

    /// Puts the engine's image `local` into the registry as `name:tag`, and takes that tag off the
    /// engine again, so that a pull has work to do.
    ///
    /// # Errors
    /// Where the engine or the registry refuses.
    pub async fn push(&self, docker: &Docker, local: &str, name: &str, tag: &str) -> Result<()> {
        let remote = self.image(name);
        let options = TagImageOptionsBuilder::default().repo(&remote).tag(tag).build();
        docker.tag_image(local, Some(options)).await.context("tag image")?;
        let login = (self.access == Access::Login).then(|| DockerCredentials {
            username: Some(USER.to_owned()),
            password: Some(PASSWORD.to_owned()),
            ..DockerCredentials::default()
        });
        // The library writes the plain base64 alphabet; Docker reads the URL one.
        let docker = docker.clone().with_request_modifier(|mut request| {
            if let Some(value) = request.headers_mut().get_mut("x-registry-auth")
                && let Ok(fixed) =
                    value.to_str().unwrap_or("").replace('+', "-").replace('/', "_").parse()
            {
                *value = fixed;
            }
            request
        });
        let options = PushImageOptionsBuilder::default().tag(tag).build();
        let mut answers = docker.push_image(&remote, Some(options), login);
        while let Some(answer) = answers.next().await {
            answer.with_context(|| format!("push image {remote}:{tag}"))?;
        }
        forget(&docker, &format!("{remote}:{tag}")).await
    }

    /// Ends the server; the port stays closed and the data stay.
    ///
    /// # Errors
    /// Where it cannot be killed.
    pub async fn stop(&mut self) -> Result<()> {
        self.server.kill().await.context("stop the registry")
    }

    /// Starts it again on the same port with the same data.
    ///
    /// # Errors
    /// As [`Registry::start`].
    pub async fn start_again(&mut self) -> Result<()> {
        let (server, _) = serve(self.folder.path(), self.access, &self.address).await?;
        self.server = server;
        Ok(())
    }
}

/// A way to a registry on which every answer becomes very slow after so many bytes. Not dead: a
/// Docker engine that has given up a pull notices at the next byte, and hangs up only then.
#[derive(Debug)]
pub struct SlowWay {
    address: String,
    slow_now: watch::Receiver<u32>,
    tasks: JoinSet<()>,
}

impl SlowWay {
    /// Opens a way to `registry`; each answer becomes slow after `n_bytes`.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn open(registry: &Registry, n_bytes: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (slow, slow_now) = watch::channel(0);
        let registry = registry.address.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut ways = JoinSet::new();
            while let Ok((engine, _)) = listener.accept().await {
                ways.spawn(carry(engine, registry.clone(), n_bytes, slow.clone()));
            }
        });
        Ok(Self { address, slow_now, tasks })
    }

    /// The reference of an image by this way.
    #[must_use]
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Waits until so many connections of the engine are in a slow answer.
    ///
    /// # Errors
    /// Where the way is closed.
    pub async fn slow(&mut self, n: u32) -> Result<()> {
        self.slow_now.wait_for(|now| *now == n).await?;
        Ok(())
    }

    /// Ends all connections.
    pub async fn close(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn carry(engine: TcpStream, registry: String, n_bytes: u64, slow: watch::Sender<u32>) {
    let Ok(registry) = TcpStream::connect(registry).await else { return };
    let (mut from_engine, mut to_engine) = engine.into_split();
    let (mut from_registry, mut to_registry) = registry.into_split();
    let questions = tokio::io::copy(&mut from_engine, &mut to_registry);
    let answers = async move {
        let mut fast = (&mut from_registry).take(n_bytes);
        if tokio::io::copy(&mut fast, &mut to_engine).await.is_ok_and(|sent| sent == n_bytes) {
            let _counted = Slow::new(slow);
            while let Ok(1..) =
                tokio::io::copy(&mut (&mut from_registry).take(1), &mut to_engine).await
            {
                tokio::time::sleep(SLOW_PAUSE).await;
            }
        }
    };
    // Whichever ends first ends both: an engine that hangs up, or an answer that is complete.
    tokio::select! {
        _ = questions => {}
        () = answers => {}
    }
}

/// Counts a slow answer until it is over.
struct Slow(watch::Sender<u32>);

impl Slow {
    fn new(count: watch::Sender<u32>) -> Self {
        count.send_modify(|now| *now += 1);
        Self(count)
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.0.send_modify(|now| *now -= 1);
    }
}

/// Takes an image of a registry off the engine, its tag and the digest that a pull left beside it;
/// gone already is fine.
///
/// # Errors
/// Where the engine refuses otherwise.
pub async fn forget(docker: &Docker, image: &str) -> Result<()> {
    let Ok(found) = docker.inspect_image(image).await else {
        return Ok(());
    };
    let name = image.rsplit_once(':').map_or(image, |(name, _)| name);
    let digests = found.repo_digests.unwrap_or_default();
    let ours = digests.iter().filter(|digest| digest.starts_with(&format!("{name}@")));
    for reference in std::iter::once(image).chain(ours.map(String::as_str)) {
        match docker.remove_image(reference, None::<RemoveImageOptions>, None).await {
            Ok(_) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(error) => return Err(error).with_context(|| format!("remove image {reference}")),
        }
    }
    Ok(())
}

async fn serve(folder: &Path, access: Access, address: &str) -> Result<(Child, String)> {
    let data = folder.join("data");
    let htpasswd = folder.join("htpasswd");
    let auth = match access {
        Access::Open => String::new(),
        Access::Login => {
            fs::write(&htpasswd, HTPASSWD)?;
            format!("auth: {{htpasswd: {{realm: gofer-test, path: {}}}}}\n", htpasswd.display())
        }
    };
    let config = format!(
        "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
         http: {{addr: \"{address}\"}}\n{auth}",
        data.display()
    );
    let config_file = folder.join("config.yml");
    fs::write(&config_file, config)?;
    let mut server = Command::new("docker-registry")
        .arg("serve")
        .arg(&config_file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("start docker-registry: install Debian's package docker-registry")?;
    let stderr = server.stderr.take().context("docker-registry has no stderr")?;
    let mut lines = BufReader::new(stderr).lines();
    let mut heard = String::new();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, rest)) = line.split_once("listening on ")
            && let Some(address) = rest.split('"').next()
        {
            let address = address.to_owned();
            // The server writes a line for each request and stops when nobody reads them.
            drain(lines.into_inner());
            return Ok((server, address));
        }
        heard.push_str(&line);
        heard.push('\n');
    }
    bail!("docker-registry ended without listening:\n{heard}")
}

/// Reads the rest of a server's log into nothing, until it ends with the server.
fn drain(log: BufReader<tokio::process::ChildStderr>) {
    let mut log = log.into_inner();
    #[expect(
        clippy::disallowed_methods,
        reason = "ends with the server it reads; tests have no Tasks"
    )]
    tokio::spawn(async move { tokio::io::copy(&mut log, &mut tokio::io::sink()).await });
}
