//! Streams that survive a server that goes away. Each kind of stream says how to open it again so that
//! nothing is lost and nothing comes twice; the loop that connects, waits and connects again is here,
//! once.
//!
//! ```text
//!   Idle ──> Opening ──ok──> Open ──end──> Done
//!    ^          │ lost         │ lost
//!    └─ Waiting <──────────────┘         a refusal, or a first connection that fails, is an error
//! ```
//!
//! Every `next` may be dropped and called again: what is under way is kept in the state.

mod events;
mod log;
mod run;
mod run_logs;

use std::collections::VecDeque;
use std::pin::Pin;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures_util::future::BoxFuture;
use tokio::time::Sleep;
use tonic::Streaming;

use crate::error::{ClientError, ErrorKind, Result};
use crate::{Client, limits};

pub use events::{EventFollow, EventUpdate};
pub use log::{FollowLog, LogFollow, LogUpdate};
pub use run::{RunUpdate, RunWatch};
pub use run_logs::{FollowRunLogs, RunLogFollow, RunLogUpdate};

/// A stream that is being opened.
type Opening<M> = BoxFuture<'static, Result<Streaming<M>>>;

/// What a message means for the stream.
enum Took {
    /// More follows.
    More,
    /// It was the last one.
    End,
    /// The server stops: connect again.
    Again,
}

/// One kind of stream.
trait Follow {
    type Message: Send + 'static;
    type Item;
    /// Opens the stream at the place that was reached.
    fn open(&self, client: Client) -> Opening<Self::Message>;
    /// Takes one message, and remembers how far the stream is.
    fn take(&mut self, message: Self::Message, items: &mut VecDeque<Self::Item>) -> Result<Took>;
    /// The item that tells of a lost connection; told once for each loss.
    fn lost(error: &ClientError) -> Self::Item;
}

enum State<M> {
    Idle,
    Opening(Opening<M>),
    Open(Box<Streaming<M>>),
    Waiting(Pin<Box<Sleep>>),
    Done,
}

/// The loop around a [`Follow`].
struct Resuming<F: Follow> {
    client: Client,
    follow: F,
    state: State<F::Message>,
    items: VecDeque<F::Item>,
    backoff: ExponentialBackoff,
    /// Whether the stream was ever open. Before that, a server that is away is an error.
    spoke: bool,
    /// Whether the present loss was told.
    told: bool,
}

impl<F: Follow> Resuming<F> {
    fn new(client: Client, follow: F) -> Self {
        let (state, items) = (State::Idle, VecDeque::new());
        Self { client, follow, state, items, backoff: backoff(), spoke: false, told: false }
    }

    async fn next(&mut self) -> Option<Result<F::Item>> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Some(Ok(item));
            }
            let step = match &mut self.state {
                State::Idle => {
                    self.state = State::Opening(self.follow.open(self.client.clone()));
                    Ok(())
                }
                State::Waiting(sleep) => {
                    sleep.as_mut().await;
                    self.state = State::Idle;
                    Ok(())
                }
                State::Opening(opening) => match opening.as_mut().await {
                    Ok(stream) => {
                        // It answered, though it may have nothing to say for hours.
                        self.spoke = true;
                        self.state = State::Open(Box::new(stream));
                        Ok(())
                    }
                    Err(error) => self.broke(error),
                },
                State::Open(stream) => match stream.message().await {
                    Ok(Some(message)) => self.took(message),
                    Ok(None) => self.broke(ClientError::lost(
                        self.client.host(),
                        "the stream ended too early from",
                    )),
                    Err(status) => self.broke(ClientError::from_status(self.client.host(), status)),
                },
                State::Done => return None,
            };
            if let Err(error) = step {
                self.state = State::Done;
                return Some(Err(error));
            }
        }
    }

    fn took(&mut self, message: F::Message) -> Result<()> {
        self.spoke = true;
        self.told = false;
        self.backoff = backoff();
        match self.follow.take(message, &mut self.items)? {
            Took::More => {}
            Took::End => self.state = State::Done,
            Took::Again => self.wait(),
        }
        Ok(())
    }

    /// Waits and tries again, or gives up where trying again cannot help.
    fn broke(&mut self, error: ClientError) -> Result<()> {
        if error.kind != ErrorKind::Unavailable || !self.spoke {
            return Err(error);
        }
        if !self.told {
            self.told = true;
            self.items.push_back(F::lost(&error));
        }
        self.wait();
        Ok(())
    }

    fn wait(&mut self) {
        let delay = self.backoff.next().unwrap_or(limits::RECONNECT_MAX);
        self.state = State::Waiting(Box::pin(tokio::time::sleep(delay)));
    }
}

impl<F: Follow> std::fmt::Debug for Resuming<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match &self.state {
            State::Idle => "idle",
            State::Opening(_) => "opening",
            State::Open(_) => "open",
            State::Waiting(_) => "waiting",
            State::Done => "done",
        };
        f.debug_struct("Resuming").field("state", &state).finish_non_exhaustive()
    }
}

fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(limits::RECONNECT_FIRST)
        .with_max_delay(limits::RECONNECT_MAX)
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tonic::Status;
    use tonic::body::Body;
    use tonic::codec::{DecodeBuf, Decoder};

    use super::*;
    use crate::Target;

    /// A stream that is open `n_open` times, never has a message, and is lost.
    struct Silent {
        n_open: u32,
        n_opened: AtomicU32,
    }

    struct NoMessage;

    impl Decoder for NoMessage {
        type Item = ();
        type Error = Status;
        fn decode(&mut self, _: &mut DecodeBuf<'_>) -> std::result::Result<Option<()>, Status> {
            Ok(None)
        }
    }

    impl Follow for Silent {
        type Message = ();
        type Item = String;
        fn open(&self, client: Client) -> Opening<()> {
            let is_there = self.n_opened.fetch_add(1, Ordering::Relaxed) < self.n_open;
            Box::pin(async move {
                if is_there {
                    return Ok(Streaming::new_empty(NoMessage, Body::empty()));
                }
                Err(ClientError::lost(client.host(), "no connection to"))
            })
        }
        fn take(&mut self, (): (), _: &mut VecDeque<String>) -> Result<Took> {
            Ok(Took::More)
        }
        fn lost(error: &ClientError) -> String {
            error.to_string()
        }
    }

    async fn first(n_open: u32) -> Result<String> {
        let client = Client::connect(&Target::new("http://127.0.0.1:1")).unwrap();
        let mut resuming = Resuming::new(client, Silent { n_open, n_opened: AtomicU32::new(0) });
        resuming.next().await.unwrap()
    }

    #[tokio::test]
    async fn a_stream_that_was_open_is_opened_again_and_one_that_never_was_is_an_error() {
        assert!(first(1).await.unwrap().contains("ended too early"));
        assert!(first(0).await.unwrap_err().lost);
    }
}
