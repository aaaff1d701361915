//! Namespaces.

use gofer_proto::v1 as pb;

use crate::model::{Namespace, Time};

impl From<pb::Namespace> for Namespace {
    fn from(wire: pb::Namespace) -> Self {
        Self {
            id: wire.id,
            name: wire.name,
            description: wire.description,
            created_at: Time::from_ms(wire.created_ms),
            updated_at: Time::from_ms(wire.updated_ms),
        }
    }
}
