//! Server streams: a task of its own feeds a short channel, so a client that reads slowly holds up
//! its own stream and nothing else, and one that goes away ends it.

use std::pin::Pin;

use gofer_core::problem::Problem;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::status::status;

/// Messages that may wait for the wire: enough to keep it busy, little enough to hold.
const MESSAGES_MAX: usize = 4;

/// A stream of answers.
pub(crate) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Feeds a stream.
pub(crate) struct Feeder<T> {
    messages: mpsc::Sender<Result<T, Status>>,
}

/// The client has gone away.
pub(crate) struct Gone;

impl<T> Feeder<T> {
    /// Sends one message; waits for room.
    pub(crate) async fn send(&self, message: T) -> Result<(), Gone> {
        self.messages.send(Ok(message)).await.map_err(|_closed| Gone)
    }
}

/// How a feeding ended before its stream did.
pub(crate) enum Broken {
    /// The client went away.
    Gone,
    /// Something went wrong.
    Problem(Problem),
}

impl From<Gone> for Broken {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Problem> for Broken {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// A stream that `feed` feeds until it returns or the client goes away.
pub(crate) fn fed_by<T, F, W>(feed: F) -> Answers<T>
where
    T: Send + 'static,
    F: FnOnce(Feeder<T>) -> W,
    W: Future<Output = Result<(), Broken>> + Send + 'static,
{
    let (messages, outgoing) = mpsc::channel(MESSAGES_MAX);
    let problems = messages.clone();
    let work = feed(Feeder { messages });
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let broken = tokio::select! {
            () = problems.closed() => return,
            done = work => done,
        };
        if let Err(Broken::Problem(problem)) = broken
            && problems.send(Err(status(problem))).await.is_err()
        {
            tracing::debug!("the client went away before it could be told of a problem");
        }
    });
    // The set lives in the stream: when the client drops the call, the feeding task ends with it.
    Box::pin(Owned { stream: ReceiverStream::new(outgoing), _tasks: tasks })
}

struct Owned<T> {
    stream: ReceiverStream<Result<T, Status>>,
    _tasks: tokio::task::JoinSet<()>,
}

impl<T> Stream for Owned<T> {
    type Item = Result<T, Status>;

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        Pin::new(&mut self.get_mut().stream).poll_next(context)
    }
}
