//! `gofer run wait`.

use clap::Args;
use gofer_client::model::RunRef;

use super::start::ended;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Done, Failure};
use crate::refs::Typed;
use crate::wait::{self, WaitArgs, Waited};

/// Wait until runs are complete.
///
/// The exit code is the outcome: 0 successful, 100 failed, 102 cancelled, 103 timed out; of several runs
/// the worst.
///
/// Example: gofer run wait simple 3 --timeout 10m
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// The runs: PIPELINE RUN, or [NAMESPACE:]PIPELINE/RUN, as many as you like
    #[arg(required = true, value_name = "REF")]
    runs: Vec<String>,
    #[command(flatten)]
    waiting: WaitArgs,
}

impl Wait {
    pub(crate) async fn run(self, context: &mut Context) -> Done {
        let mut references = Vec::new();
        for typed in Typed::parse_runs(&self.runs)? {
            references.push(typed.run(context).await?);
        }
        // One limit for all of them, as somebody with a clock would have it.
        let all = async {
            let mut worst = Exit::Ok;
            let mut left = references.as_slice();
            while let [reference, after @ ..] = left {
                let waited = wait::until_complete(context, reference, &self.waiting).await?;
                ended(context, &waited)?;
                if matches!(waited, Waited::Interrupted) {
                    return self.interrupted(context, left).await;
                }
                worst = worst.max(wait::end(context, reference, waited, &self.waiting).await?);
                left = after;
            }
            Ok::<_, Failure>(worst)
        };
        let Some(limit) = self.waiting.timeout else { return all.await };
        match tokio::time::timeout(limit, all).await {
            Ok(done) => done,
            Err(_) => Err(Failure::new(
                Exit::WaitedTooLong,
                "WAITED_TOO_LONG",
                "not all runs are complete; they go on",
            )),
        }
    }

    /// Ends the wait for all that are left: none of them stays behind when Ctrl-C cancels.
    async fn interrupted(&self, context: &mut Context, left: &[RunRef]) -> Done {
        let mut done = Err(Failure::interrupted().already_shown());
        for reference in left {
            let end = wait::end(context, reference, Waited::Interrupted, &self.waiting).await;
            if let Err(failure) = end
                && failure.detail().exit != Exit::Interrupted
            {
                done = Err(failure); // the others are cancelled all the same
            }
        }
        done
    }
}
