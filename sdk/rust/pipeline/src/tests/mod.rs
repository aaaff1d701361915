//! Tests that look at a whole program through its message: what each builder call puts there, what
//! faults look like, and that nothing an author may write makes the SDK panic.

mod calls;
mod properties;

use gofer_proto::sdk::v1 as pb;
use prost::Message as _;

use crate::{Pipeline, Plan};

/// The message as its reader decodes it.
fn decoded(plan: &Plan) -> pb::Program {
    pb::Program::decode(plan.to_bytes().as_slice()).unwrap()
}

/// The only task of a pipeline.
fn only_task(pipeline: &Pipeline) -> pb::Task {
    let plan = pipeline.plan();
    assert_eq!(plan.fault_text(), "");
    let program = decoded(&plan);
    program.pipelines[0].tasks[0].clone()
}
