//! The life of a server process.
//!
//! ```text
//!  lock and open the store ─> engine (recovers) ─> listen ─> serve … signal
//!    ─> refuse new work, end streams ─> let go of containers ─> close the store
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gofer_api::{ServerFacts, Services};
use gofer_core::ids::RunUid;
use gofer_core::placeholder::NoStores;
use gofer_core::ports::Clock;
use gofer_core::ports::driver::Driver;
use gofer_engine::{Engine, EngineParts, SystemClock};
use gofer_store::Store;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::choice::{self, Chosen};
use crate::config::Config;
use crate::error::StartError;
use crate::signals::Signals;
use crate::{contact, telemetry, tls};

/// The file in the data directory that says where the server listens.
const ADDRESS_FILE: &str = "address";
/// After the engine has stopped, calls have this long to give their last answers.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// A server that answers.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    engine: Engine,
    stop_serving: oneshot::Sender<()>,
    serving: JoinSet<Result<(), tonic::transport::Error>>,
    keeping: JoinSet<()>,
    closed: oneshot::Receiver<()>,
}

/// Runs a server until a signal stops it.
///
/// # Errors
/// Where it could not start, or serving ended by itself.
pub async fn run(config: Config) -> Result<(), StartError> {
    telemetry::start(&config.log_level);
    let mut signals = Signals::listen().map_err(|source| StartError::Io {
        what: "listen to signals of",
        path: "the system".into(),
        source,
    })?;
    let limit = config.shutdown_timeout;
    let starting =
        start_on(config, async |config, instance| choice::choose(config, instance).await);
    let mut running = tokio::select! {
        started = starting => started?,
        // Letting go in the middle is what a crash does, and the next start survives that.
        () = signals.next() => {
            tracing::info!("stopped before it had started");
            return Ok(());
        }
    };
    tokio::select! {
        () = signals.next() => {}
        ended = running.serving.join_next() => return served(ended),
    }
    tracing::info!(
        "stopping; containers go on and will be found again (a second signal ends at once)"
    );
    let mut at_once = JoinSet::new();
    at_once.spawn(signals.leave_at_the_next());
    running.stop(limit).await;
    tracing::info!("stopped");
    Ok(())
}

fn served(
    ended: Option<Result<Result<(), tonic::transport::Error>, tokio::task::JoinError>>,
) -> Result<(), StartError> {
    match ended {
        Some(Ok(Err(error))) => Err(StartError::Serve(error)),
        Some(Ok(Ok(())) | Err(_)) | None => Err(StartError::ServingEnded),
    }
}

/// Starts a server on a driver and answers once it listens.
///
/// # Errors
/// Where it could not start.
pub async fn start<D>(config: Config, driver: D) -> Result<Running, StartError>
where
    D: FnOnce(&RunUid) -> Result<Arc<dyn Driver>, StartError>,
{
    start_on(config, async |_config, instance| {
        let driver = driver(instance)?;
        let kind = driver.info().await.map(|info| info.kind).unwrap_or_default();
        Ok(Chosen { driver, kind, reason: "it was given".to_owned() })
    })
    .await
}

/// Starts a server on the engine that `choose` comes back with.
async fn start_on<C>(config: Config, choose: C) -> Result<Running, StartError>
where
    C: AsyncFnOnce(&Config, &RunUid) -> Result<Chosen, StartError>,
{
    check(&config)?;
    let clock = Arc::new(SystemClock);
    let started = clock.now();
    let fresh = fresh_instance()?;
    let store = Store::open(&config.data_dir, &fresh, started)?;
    let chosen = choose(&config, store.instance()).await?;
    let tls = tls::identity(&config.data_dir, config.address)?;
    let listener = TcpListener::bind(config.address)
        .await
        .map_err(|source| StartError::Listen { address: config.address, source })?;
    let address = listener
        .local_addr()
        .map_err(|source| StartError::Listen { address: config.address, source })?;
    let mut engine_config = config.engine.clone();
    if engine_config.advertised_host.is_empty() {
        engine_config.advertised_host = address.to_string();
    }
    say_whether_it_answers(&*chosen.driver).await;
    let parts = EngineParts {
        store,
        log_dir: config.data_dir.join("logs"),
        driver: chosen.driver,
        clock,
        resolver: Arc::new(NoStores),
        config: engine_config,
    };
    let (engine, closed) = Engine::start(parts).await.map_err(StartError::Engine)?;
    let facts = ServerFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("GOFER_COMMIT").map(str::to_owned),
        started_ms: started.as_ms(),
        data_dir: config.data_dir.display().to_string(),
        engine_kind: chosen.kind,
        engine_reason: chosen.reason,
        dev_mode: config.dev_mode,
    };
    let (stop_serving, stopped) = oneshot::channel();
    let serving = serve(Services::new(engine.clone(), facts), tls, listener, stopped).await?;
    let mut keeping = JoinSet::new();
    keeping.spawn(contact::keep(engine.clone(), config.data_dir.clone()));
    let file = config.data_dir.join(ADDRESS_FILE);
    std::fs::write(&file, address.to_string()).map_err(|source| StartError::Io {
        what: "write",
        path: file,
        source,
    })?;
    tracing::info!(%address, data_dir = %config.data_dir.display(), "the server answers");
    Ok(Running { address, engine, stop_serving, serving, keeping, closed })
}

fn check(config: &Config) -> Result<(), StartError> {
    if !config.dev_mode {
        return Err(StartError::NotDevMode);
    }
    if !config.address.ip().is_loopback() {
        return Err(StartError::NotLoopback { address: config.address });
    }
    Ok(())
}

fn fresh_instance() -> Result<RunUid, StartError> {
    RunUid::parse(&ulid::Ulid::generate().to_string().to_lowercase()).map_err(StartError::Engine)
}

/// Logs whether the engine answers. One that does not is no reason not to start: the server answers
/// for what it knows, and runs wait.
async fn say_whether_it_answers(driver: &dyn Driver) {
    match driver.info().await {
        Ok(info) => {
            tracing::info!(
                kind = info.kind,
                version = info.version,
                "the container engine answers"
            );
        }
        Err(error) => {
            tracing::warn!(%error, "the container engine does not answer; runs wait until it does");
        }
    }
}

async fn serve(
    services: Services,
    tls: tonic::transport::ServerTlsConfig,
    listener: TcpListener,
    stopped: oneshot::Receiver<()>,
) -> Result<JoinSet<Result<(), tonic::transport::Error>>, StartError> {
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter.set_service_status("", tonic_health::ServingStatus::Serving).await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(gofer_proto::DESCRIPTORS)
        .build_v1()
        .map_err(|source| StartError::Tls {
            what: "describe the services",
            source: Box::new(source),
        })?;
    let routes = services.routes().add_service(health).add_service(reflection);
    let server = Server::builder()
        .tls_config(tls)
        .map_err(|source| StartError::Tls {
            what: "use the certificate",
            source: Box::new(source),
        })?
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .add_routes(routes);
    // An answer of two pieces would otherwise wait 40 ms for the first one's acknowledgement.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let mut serving = JoinSet::new();
    serving.spawn(server.serve_with_incoming_shutdown(incoming, async move {
        // A dropped sender means the same: nobody serves for nobody.
        stopped.await.unwrap_or_default();
    }));
    Ok(serving)
}

impl Running {
    /// The engine, for those who run a server in their own process.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Stops in order; each part within `limit`.
    pub async fn stop(mut self, limit: Duration) {
        let left = self.engine.shut_down(limit).await;
        if !left.is_empty() {
            tracing::warn!(tasks = ?left, "these did not end in time");
        }
        if self.stop_serving.send(()).is_err() {
            tracing::debug!("serving had ended already");
        }
        // A peer that opened a connection and never spoke would hold this for ever.
        if tokio::time::timeout(LAST_ANSWERS, self.serving.join_next()).await.is_err() {
            self.serving.abort_all();
        }
        drop(self.serving);
        drop(self.keeping);
        drop(self.engine);
        if tokio::time::timeout(limit, self.closed).await.is_err() {
            tracing::warn!("the store did not close in time; it recovers at the next start");
        }
    }
}
