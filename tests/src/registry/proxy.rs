//! A way to a registry on which the test decides what becomes of each request, and sees them all. It
//! speaks HTTP/1.1, one request per connection, and only requests without a body.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::Registry;

const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `GET`, `HEAD`.
    pub method: String,
    /// With the query.
    pub path: String,
    /// How many requests for this path came before.
    pub n_before: usize,
    /// Whom the client believes to talk to: the way's own address.
    pub host: String,
    /// The `Range` header.
    pub range: Option<String>,
    /// The `Authorization` header.
    pub authorization: Option<String>,
}

impl Asked {
    /// Whether it is for the content of a blob.
    #[must_use]
    pub fn is_blob(&self) -> bool {
        self.method == "GET" && self.path.contains("/blobs/")
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// The registry answers.
    Pass,
    /// The connection ends after so many bytes of the answer's body.
    CutAfter(u64),
    /// The answer's byte at this place is another.
    FlipAt(u64),
    /// The registry is asked for all of it, whatever part was wanted.
    Whole,
    /// The way answers in the registry's place: status line, header lines, body.
    Answer(String, Vec<String>, Vec<u8>),
}

type Rule = Box<dyn Fn(&Asked) -> Deed + Send + Sync>;

struct Shared {
    registry: String,
    rule: Rule,
    asked: Mutex<Vec<Asked>>,
}

/// An open way; dropping it ends all its connections.
pub struct Proxy {
    address: String,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Proxy {
    /// Opens a way to `registry` under `rule`.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn open(
        registry: &Registry,
        rule: impl Fn(&Asked) -> Deed + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let registry = registry.address.clone();
        let shared = Arc::new(Shared { registry, rule: Box::new(rule), asked: Mutex::default() });
        let mut tasks = JoinSet::new();
        let ours = Arc::clone(&shared);
        tasks.spawn(async move {
            let mut ways = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&ours);
                // A client that hangs up is none of our business.
                ways.spawn(async move { serve(client, &shared).await.ok() });
                while ways.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, shared, _tasks: tasks })
    }

    /// The reference of an image by this way.
    #[must_use]
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// All requests so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The requests for blobs so far.
    #[must_use]
    pub fn blobs(&self) -> Vec<Asked> {
        self.asked().into_iter().filter(Asked::is_blob).collect()
    }
}

impl Shared {
    fn note(&self, head: &str) -> Result<Asked> {
        let mut words = head.lines().next().unwrap_or_default().split(' ');
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            bail!("no request: {head}");
        };
        let mut all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = Asked {
            method: method.to_owned(),
            path: path.to_owned(),
            n_before: all
                .iter()
                .filter(|other| other.path == path && other.method == method)
                .count(),
            host: header(head, "host").unwrap_or_default(),
            range: header(head, "range"),
            authorization: header(head, "authorization"),
        };
        all.push(asked.clone());
        Ok(asked)
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

async fn serve(mut client: TcpStream, shared: &Shared) -> Result<()> {
    let (head, _) = read_head(&mut client).await?;
    let asked = shared.note(&head)?;
    let deed = (shared.rule)(&asked);
    if let Deed::Answer(status, lines, body) = &deed {
        let mut answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
        for line in lines {
            answer.push_str(line);
            answer.push_str("\r\n");
        }
        if !lines.iter().any(|line| line.starts_with("Transfer-Encoding")) {
            answer.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        answer.push_str("\r\n");
        client.write_all(answer.as_bytes()).await?;
        client.write_all(body).await?;
        return Ok(client.shutdown().await?);
    }
    let mut registry = TcpStream::connect(&shared.registry).await?;
    registry.write_all(forwarded(&head, &deed).as_bytes()).await?;
    let (head, rest) = read_head(&mut registry).await?;
    client.write_all(head.as_bytes()).await?;
    relay(&mut registry, &mut client, rest, &deed).await?;
    Ok(client.shutdown().await?)
}

/// The request with the connection's end after it.
fn forwarded(head: &str, deed: &Deed) -> String {
    let mut text = String::new();
    for line in head.trim_end().lines() {
        let name = line.split(':').next().unwrap_or_default().to_lowercase();
        let is_dropped = name == "connection" || (name == "range" && *deed == Deed::Whole);
        if !is_dropped {
            text.push_str(line);
            text.push_str("\r\n");
        }
    }
    text.push_str("Connection: close\r\n\r\n");
    text
}

async fn relay(
    from: &mut TcpStream,
    to: &mut TcpStream,
    mut piece: Vec<u8>,
    deed: &Deed,
) -> Result<()> {
    let mut at = 0_u64;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match deed {
            Deed::FlipAt(place) => {
                let here = place.checked_sub(at).and_then(|here| usize::try_from(here).ok());
                if let Some(byte) = here.and_then(|here| piece.get_mut(here)) {
                    *byte ^= 0xff;
                }
            }
            Deed::CutAfter(n_bytes) => {
                let left = usize::try_from(n_bytes.saturating_sub(at))?;
                if piece.len() >= left {
                    to.write_all(piece.get(..left).unwrap_or_default()).await?;
                    return Ok(());
                }
            }
            Deed::Pass | Deed::Whole | Deed::Answer(..) => {}
        }
        to.write_all(&piece).await?;
        at += piece.len() as u64;
        let n = from.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        piece = buffer.get(..n).unwrap_or_default().to_vec();
    }
}

/// The head of a message, and what came with it.
async fn read_head(stream: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8(bytes).context("a head is text")?, rest));
        }
        if bytes.len() > HEAD_BYTES_MAX || stream.read_buf(&mut bytes).await? == 0 {
            bail!("the connection ended in a head");
        }
    }
}
