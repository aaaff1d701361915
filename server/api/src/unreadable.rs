//! Requests that cannot be read. tonic answers them as INTERNAL, as though the server had a fault;
//! but the fault is in the bytes, so the caller is told INVALID_ARGUMENT, with details like any
//! other problem. A status of ours is known by its details and passes as it is.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use gofer_core::problem::{Kind, Problem};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response};
use tonic::server::NamedService;
use tonic::{Code, Status};

use crate::status::status;

/// A service that says whose fault a request is that cannot be read.
#[derive(Debug, Clone)]
pub(crate) struct Blaming<S>(pub(crate) S);

impl<S: NamedService> NamedService for Blaming<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Blaming<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.0.call(request);
        Box::pin(async move { answer.await.map(blame) })
    }
}

fn blame(answer: Response<Body>) -> Response<Body> {
    match Status::from_header_map(answer.headers()) {
        Some(said) if said.code() == Code::Internal && said.details().is_empty() => {
            status(unreadable(said.message())).into_http()
        }
        Some(_) | None => answer,
    }
}

fn unreadable(why: &str) -> Problem {
    Problem::new(Kind::Invalid, "BAD_MESSAGE", format!("the request could not be read: {why}"))
        .with_next("compare both sides with `gofer version`")
}
