//! Calls on task runs.

use gofer_proto::v1 as pb;
use gofer_proto::v1::task_run_service_client::TaskRunServiceClient;

use super::{Cancel, Client, present};
use crate::channel::Wire;
use crate::convert::{run_request, task_run_request};
use crate::error::Result;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::model::{RunRef, TaskRun, TaskRunRef};

impl Client {
    fn task_run_service(&self) -> TaskRunServiceClient<Wire> {
        TaskRunServiceClient::new(self.wire.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Reads one task run.
    pub async fn task_run(&self, task_run: &TaskRunRef) -> Result<TaskRun> {
        let (namespace_id, pipeline_id, run_id, task_id) = task_run_request(task_run);
        let request = pb::GetTaskRunRequest { namespace_id, pipeline_id, run_id, task_id };
        let answer = self.answer(self.task_run_service().get_task_run(request)).await?;
        present(answer.task_run, "task run").map(Into::into)
    }

    /// Lists the task runs of a run, in the order of the config.
    pub async fn task_runs(&self, run: &RunRef) -> Result<Vec<TaskRun>> {
        let (namespace_id, pipeline_id, run_id) = run_request(run);
        let request = pb::ListTaskRunsRequest { namespace_id, pipeline_id, run_id };
        let answer = self.answer(self.task_run_service().list_task_runs(request)).await?;
        Ok(answer.task_runs.into_iter().map(Into::into).collect())
    }

    /// Cancels one task run; the others go on.
    pub async fn cancel_task_run(&self, task_run: &TaskRunRef, cancel: Cancel) -> Result<TaskRun> {
        let (namespace_id, pipeline_id, run_id, task_id) = task_run_request(task_run);
        let Cancel { force, reason } = cancel;
        let request =
            pb::CancelTaskRunRequest { namespace_id, pipeline_id, run_id, task_id, force, reason };
        let answer = self.answer(self.task_run_service().cancel_task_run(request)).await?;
        present(answer.task_run, "task run").map(Into::into)
    }
}
