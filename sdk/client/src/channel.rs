//! The connection: opened when it is first needed, kept alive, with the token on every call.

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use crate::error::{ClientError, Result};
use crate::{Target, limits};

/// What a generated client talks through.
pub(crate) type Wire = InterceptedService<Channel, Bearer>;

/// Puts the token on every call.
#[derive(Debug, Clone)]
pub(crate) struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> std::result::Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// A connection that opens itself when it is first used.
pub(crate) fn open(target: &Target) -> Result<Wire> {
    let bearer = Bearer(target.token.as_deref().map(header).transpose()?);
    let mut endpoint = Endpoint::from_shared(target.host.clone())
        .map_err(|source| {
            ClientError::invalid(
                "BAD_HOST",
                format!("`{}` is not the address of a server", target.host),
                "write it as https://HOST:PORT",
            )
            .because(source)
        })?
        .connect_timeout(target.timeouts.connect)
        .http2_keep_alive_interval(limits::KEEP_ALIVE_EVERY)
        .keep_alive_timeout(limits::KEEP_ALIVE_WAIT)
        .tcp_nodelay(true);
    if target.host.starts_with("https://") {
        endpoint = endpoint.tls_config(tls(target)?).map_err(|source| bad_ca().because(source))?;
    } else if !target.host.starts_with("http://") {
        return Err(ClientError::invalid(
            "BAD_HOST",
            format!("`{}` begins with neither https:// nor http://", target.host),
            "write it as https://HOST:PORT",
        ));
    }
    Ok(InterceptedService::new(endpoint.connect_lazy(), bearer))
}

fn tls(target: &Target) -> Result<ClientTlsConfig> {
    // An error means that the process has a provider already, which serves as well.
    rustls::crypto::ring::default_provider().install_default().ok();
    let Some(pem) = &target.ca_pem else {
        return Err(ClientError::invalid(
            "NO_CA",
            format!("no certificate authority is known for {}", target.host),
            "name the file with --ca-cert; in development mode the server writes tls/ca.pem into its data directory",
        ));
    };
    if !pem.contains("BEGIN CERTIFICATE") {
        return Err(bad_ca());
    }
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
}

fn bad_ca() -> ClientError {
    ClientError::invalid(
        "BAD_CA",
        "the certificate authority is not a PEM certificate",
        "name the right file with --ca-cert",
    )
}

fn header(token: &str) -> Result<MetadataValue<Ascii>> {
    MetadataValue::try_from(format!("Bearer {}", token.trim())).map_err(|source| {
        ClientError::invalid(
            "BAD_TOKEN",
            "the token holds characters that no token has",
            "copy it again, without line breaks",
        )
        .because(source)
    })
}
