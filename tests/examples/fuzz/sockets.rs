//! Bytes that are no TLS, sent to the listening port, and bytes that are no HTTP/2, sent inside TLS.
//! The server may close or wait for more; now and then another connection must get its answer.

use std::io::{ErrorKind, Read, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::hunt::kind;
use crate::samples::words;
use crate::server::Server;
use crate::{Target, Verdict};

/// How long the server may think before we go.
const A_MOMENT: Duration = Duration::from_millis(20);
/// Inputs between two calls that must be answered.
const CALL_EVERY: u64 = 20;
const PATIENCE: Duration = Duration::from_secs(2);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
/// HEADERS of stream 1 with END_HEADERS: `:method POST`, `:scheme https`, `:path /x`.
const HEADERS: &[u8] = b"\0\0\x06\x01\x04\0\0\0\x01\x83\x87\x04\x02/x";
const DATA: &[u8] = b"\0\0\x05\0\x01\0\0\0\x01\0\0\0\0\0";
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0abcdefgh";
const RESET: &[u8] = b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08";
const WINDOW: &[u8] = b"\0\0\x04\x08\0\0\0\0\0\x7f\xff\xff\xff";
const CONTINUATION: &[u8] = b"\0\0\x01\x09\0\0\0\0\x01\x88";

/// To the port itself.
pub(crate) fn plain() -> Result<Target> {
    let server = Server::up()?;
    let address = address(&server)?;
    let hello = b"\x16\x03\x01\0\x2f\x01\0\0\x2b\x03\x03".to_vec();
    let mut n_execs = 0;
    Ok(Target {
        samples: vec![
            [hello, vec![7; 40]].concat(),
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            [PREFACE, SETTINGS].concat(),
        ],
        words: words(&["\x16\x03\x03", "\x15\x03\x03\0\x02\x02\x28", "\0\0", "HTTP/2.0"]),
        feed: Box::new(move |input| {
            let said = talk(&address, input).map_err(|error| format!("connect: {error}"))?;
            n_execs += 1;
            still_answers(&server, n_execs)?;
            Ok(said)
        }),
    })
}

fn talk(address: &str, input: &[u8]) -> std::io::Result<u64> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(A_MOMENT))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    if stream.write_all(input).is_err() {
        return Ok(1);
    }
    // A server that has closed already is as good.
    stream.shutdown(Shutdown::Write).ok();
    Ok(listen(&mut stream))
}

/// Inside TLS.
pub(crate) fn inside_tls() -> Result<Target> {
    let server = Server::up()?;
    let address = address(&server)?;
    let mut roots = RootCertStore::empty();
    let ca = server.data_dir()?.join(gofer_server::CA_FILE);
    roots.add(CertificateDer::from_pem_file(ca).context("the certificate authority")?)?;
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let config = Arc::new(config);
    let frames = [SETTINGS, HEADERS, DATA, PING, RESET, WINDOW, CONTINUATION];
    let begun = [PREFACE, SETTINGS].concat();
    let mut samples: Vec<Vec<u8>> = frames.iter().map(|frame| [&begun, *frame].concat()).collect();
    samples.push([&begun, HEADERS, DATA, PING].concat());
    samples.push(HEADERS.repeat(20));
    let mut n_execs = 0;
    Ok(Target {
        samples,
        words: frames.iter().map(|frame| frame.to_vec()).chain([PREFACE.to_vec()]).collect(),
        feed: Box::new(move |input| {
            let said = talk_tls(&address, &config, input).map_err(|error| format!("{error:#}"))?;
            n_execs += 1;
            still_answers(&server, n_execs)?;
            Ok(said)
        }),
    })
}

fn talk_tls(address: &str, config: &Arc<ClientConfig>, input: &[u8]) -> Result<u64> {
    let socket = TcpStream::connect(address).context("connect")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from("localhost")?;
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::clone(config), name)?, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).context("the handshake")?;
    }
    stream.sock.set_read_timeout(Some(A_MOMENT))?;
    if stream.write_all(input).and_then(|()| stream.flush()).is_err() {
        return Ok(1);
    }
    stream.conn.send_close_notify();
    // A server that has closed already is as good.
    stream.flush().ok();
    Ok(listen(&mut stream))
}

/// What the server said, by length, and how it ended.
fn listen(stream: &mut impl Read) -> u64 {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return kind(&format!("end {}", types(&bytes))),
            Ok(n) if bytes.len() < 1 << 20 => bytes.extend(&buffer[..n]),
            Ok(_) => return kind("a flood"),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return kind(&format!("{:?} {}", error.kind(), types(&bytes))),
        }
    }
}

/// The types of the frames in an answer, as letters.
fn types(mut bytes: &[u8]) -> String {
    let mut types = String::new();
    while let [a, b, c, of_type, rest @ ..] = bytes
        && types.len() < 20
    {
        types.push(char::from(b'a' + of_type % 26));
        let n_bytes = u32::from_be_bytes([0, *a, *b, *c]) as usize + 5;
        bytes = rest.get(n_bytes..).unwrap_or_default();
    }
    types
}

fn still_answers(server: &Server, n_execs: u64) -> Verdict {
    if !n_execs.is_multiple_of(CALL_EVERY) {
        return Ok(0);
    }
    let answer = async { tokio::time::timeout(PATIENCE, server.client.info()).await };
    match server.runtime.block_on(answer) {
        Ok(Ok(_)) => Ok(0),
        Ok(Err(error)) => Err(format!("another client is refused: {error}")),
        Err(_elapsed) => Err("another client gets no answer".to_owned()),
    }
}

fn address(server: &Server) -> Result<String> {
    Ok(std::fs::read_to_string(server.data_dir()?.join("address"))?)
}
