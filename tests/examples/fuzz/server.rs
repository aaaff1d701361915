//! A server in this process on the fake engine, and calls to it whose bytes are whatever came out:
//! for every method that the descriptors name. An INTERNAL or UNKNOWN answer is a failure too: it
//! says that the server met something that nobody had thought of.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::{Buf as _, BufMut as _};
use gofer_client::{Client, NewNamespace};
use gofer_proto::v1 as pb;
use gofer_tests::fake::{FakeDriver, FakeEngine};
use gofer_tests::harness::InProcess;
use prost::Message as _;
use tokio::runtime::Runtime;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

use crate::hunt::kind;
use crate::samples::{self, Method, Schema, words};
use crate::{Target, Verdict};

/// A stream is listened to for so long: what it says at once counts.
const A_MOMENT: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(2);
const NAMESPACE: &str = "fuzz";

/// The server, its runtime, and a connection.
pub(crate) struct Server {
    pub(crate) runtime: Runtime,
    server: Option<InProcess>,
    pub(crate) client: Client,
    channel: Channel,
}

impl Server {
    pub(crate) fn up() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let (server, client, channel) = runtime.block_on(async {
            let driver = FakeDriver::port(FakeEngine::new());
            let server = InProcess::start(driver).await?;
            let client = server.client()?;
            for id in [NAMESPACE, "simple"] {
                let new = NewNamespace { id: id.to_owned(), ..NewNamespace::default() };
                client.create_namespace(new).await?;
            }
            let channel = channel(server.data_dir()).await?;
            Ok::<_, anyhow::Error>((server, client, channel))
        })?;
        Ok(Self { runtime, server: Some(server), client, channel })
    }

    pub(crate) fn data_dir(&self) -> Result<&Path> {
        Ok(self.server.as_ref().context("a server")?.data_dir())
    }

    /// Sends these bytes as the request of this method.
    fn call(&self, method: &Method, body: &[u8]) -> Verdict {
        let call = call(&self.channel, method, body.to_vec());
        match self.runtime.block_on(async { tokio::time::timeout(PATIENCE, call).await }) {
            Err(_elapsed) => Err(format!("{} does not answer within 2 s", method.path)),
            Ok(Ok(())) => Ok(kind(&method.path)),
            Ok(Err(status))
                if matches!(status.code(), Code::Internal | Code::Unknown | Code::Unavailable) =>
            {
                Err(format!("{}: {status:?}", method.path))
            }
            Ok(Err(status)) => {
                let (code, text) = (status.code(), status.message());
                Ok(kind(&format!("{} {code:?} {text}", method.path)))
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            self.runtime.block_on(server.down());
        }
    }
}

/// An input: the number of a method, then the request.
pub(crate) fn calls() -> Result<Target> {
    let (server, schema) = (Server::up()?, Schema::read()?);
    let methods = schema.methods();
    let names = [
        ("namespace_id", NAMESPACE),
        ("id", "simple"),
        ("task_id", "build"),
        ("image", "ubuntu"),
        ("key", "KEY"),
    ];
    let mut samples = Vec::new();
    for (number, method) in methods.iter().enumerate() {
        let number = u8::try_from(number)?;
        samples.push([vec![number], schema.request(method, &names)?].concat());
        samples.push(vec![number]);
    }
    Ok(Target {
        samples,
        words: words(&["fuzz", "simple", "build", "secret{{key}}", "\0", "é", "@latest"]),
        feed: Box::new(move |input| {
            let Some((number, body)) = input.split_first() else { return Ok(0) };
            server.call(&methods[usize::from(*number) % methods.len()], body)
        }),
    })
}

/// The request with the deepest messages, by itself: registering a pipeline.
pub(crate) fn register() -> Result<Target> {
    let (server, schema) = (Server::up()?, Schema::read()?);
    let methods = schema.methods();
    let method = methods.into_iter().find(|method| method.path.ends_with("/RegisterPipeline"));
    let method = method.context("a method to register with")?;
    let request = pb::RegisterPipelineRequest {
        namespace_id: NAMESPACE.to_owned(),
        pipeline: samples::program().pipelines.pop(),
        origin: Some(pb::Origin::default()),
        dry_run: false,
    };
    let rehearsal = pb::RegisterPipelineRequest { dry_run: true, ..request.clone() };
    Ok(Target {
        samples: vec![request.encode_to_vec(), rehearsal.encode_to_vec()],
        words: words(&[
            "build",
            "test",
            "secret{{",
            "}}",
            "\0",
            "\u{202e}",
            "é",
            "\x2a\x05build",
            "\x12",
        ]),
        feed: Box::new(move |input| server.call(&method, input)),
    })
}

async fn channel(data_dir: &Path) -> Result<Channel> {
    let address = std::fs::read_to_string(data_dir.join("address"))?;
    let ca = std::fs::read_to_string(data_dir.join(gofer_server::CA_FILE))?;
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
    let endpoint = Endpoint::from_shared(format!("https://{address}"))?.tcp_nodelay(true);
    Ok(endpoint.tls_config(tls)?.connect().await?)
}

async fn call(channel: &Channel, method: &Method, body: Vec<u8>) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
    let path = PathAndQuery::try_from(method.path.as_str())
        .map_err(|error| Status::from_error(error.into()))?;
    if !method.streams {
        return grpc.unary(Request::new(body), path, Raw).await.map(drop);
    }
    let mut stream = grpc.server_streaming(Request::new(body), path, Raw).await?.into_inner();
    match tokio::time::timeout(A_MOMENT, stream.message()).await {
        Ok(first) => first.map(drop),
        Err(_still_open) => Ok(()),
    }
}

/// A codec that changes nothing.
#[derive(Debug, Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        from.advance(from.remaining());
        Ok(Some(()))
    }
}
