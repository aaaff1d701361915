//! What several nouns share.

use gofer_proto::v1 as pb;

use crate::model::{
    DeletionReport, Initiator, InitiatorKind, Page, PageRequest, Variable, VariableSource,
};

pub(crate) fn page_request(page: &PageRequest) -> Option<pb::PageRequest> {
    Some(pb::PageRequest { limit: page.limit, cursor: page.cursor.clone() })
}

pub(crate) fn page_info<T>(items: Vec<T>, info: Option<pb::PageInfo>) -> Page<T> {
    let info = info.unwrap_or_default();
    Page { items, next: info.next_cursor, total: info.total }
}

pub(crate) fn key_values(pairs: Vec<(String, String)>) -> Vec<pb::KeyValue> {
    pairs.into_iter().map(|(key, value)| pb::KeyValue { key, value }).collect()
}

impl From<pb::Variable> for Variable {
    fn from(wire: pb::Variable) -> Self {
        let source = VariableSource::from_wire(wire.source);
        Self { key: wire.key, value: wire.value, source }
    }
}

impl From<Option<pb::Initiator>> for Initiator {
    fn from(wire: Option<pb::Initiator>) -> Self {
        let wire = wire.unwrap_or_default();
        Self { kind: InitiatorKind::from_wire(wire.kind), name: wire.name, reason: wire.reason }
    }
}

impl From<Option<pb::DeletionReport>> for DeletionReport {
    fn from(wire: Option<pb::DeletionReport>) -> Self {
        let wire = wire.unwrap_or_default();
        Self {
            pipelines: wire.pipelines,
            versions: wire.versions,
            deployments: wire.deployments,
            runs: wire.runs,
            active_runs: wire.active_runs,
            log_bytes: wire.log_bytes,
        }
    }
}
