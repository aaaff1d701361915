//! The server's certificate, made at its first start: a certificate authority of its own, whose
//! public part lies where the local command line finds it, and a certificate for this machine.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use tonic::transport::{Identity, ServerTlsConfig};

use crate::error::StartError;

/// Where the authority's certificate lies in the data directory.
pub const CA_FILE: &str = "tls/ca.pem";

/// The server's identity, made where there is none yet.
pub(crate) fn identity(
    data_dir: &Path,
    address: SocketAddr,
) -> Result<ServerTlsConfig, StartError> {
    let dir = data_dir.join("tls");
    let (cert, key) = (dir.join("server.pem"), dir.join("server.key"));
    if !(cert.exists() && key.exists() && data_dir.join(CA_FILE).exists()) {
        make(&dir, address)?;
    }
    let cert = read(&cert)?;
    let key = read(&key)?;
    Ok(ServerTlsConfig::new().identity(Identity::from_pem(cert, key)))
}

fn make(dir: &Path, address: SocketAddr) -> Result<(), StartError> {
    fs::create_dir_all(dir).map_err(|source| io("make", dir, source))?;
    let (authority, cert, key) = certificates(address).map_err(|source| StartError::Tls {
        what: "make a certificate",
        source: Box::new(source),
    })?;
    write(&dir.join("server.key"), &key, 0o600)?;
    write(&dir.join("server.pem"), &cert, 0o644)?;
    // Last: its presence says that the others are there.
    write(&dir.join("ca.pem"), &authority, 0o644)
}

/// Certificate of the authority, certificate and key of the server. The authority's key is not
/// kept: a new certificate comes with a new authority.
fn certificates(address: SocketAddr) -> Result<(String, String, String), rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority.distinguished_name.push(DnType::CommonName, "gofer development authority");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

    let names = [
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
        address.ip().to_string(),
    ];
    let mut server = CertificateParams::new(names)?;
    server.distinguished_name.push(DnType::CommonName, "gofer");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let cert = server.signed_by(&key, &authority)?;
    Ok((authority.pem(), cert.pem(), key.serialize_pem()))
}

fn read(path: &Path) -> Result<String, StartError> {
    fs::read_to_string(path).map_err(|source| io("read", path, source))
}

/// Writes a file whole or not at all.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), StartError> {
    let draft = path.with_extension("new");
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
    written.and_then(|()| fs::rename(&draft, path)).map_err(|source| io("write", path, source))
}

fn io(what: &'static str, path: &Path, source: std::io::Error) -> StartError {
    StartError::Io { what, path: PathBuf::from(path), source }
}
