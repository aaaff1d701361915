//! Namespaces.

use gofer_client::model::Namespace;

use super::Noun;
use super::table::Cell;
use crate::look::{Look, Tone};

impl Noun for Namespace {
    const SCHEMA: &'static str = "namespace";
    const HEADER: &'static [&'static str] = &["ID", "Name", "Description", "Created"];

    fn row(&self, look: &Look) -> Vec<Cell> {
        vec![
            Cell::id(&self.id),
            Cell::plain(&self.name),
            Cell::plain(&self.description),
            Cell::plain(look.time(self.created_at)),
        ]
    }

    fn name(&self) -> String {
        self.id.clone()
    }
}

pub(crate) fn text(namespace: &Namespace, look: &Look) -> String {
    let mut text = format!("[{}] {}\n", look.paint(Tone::Id, &namespace.id), namespace.name);
    if !namespace.description.is_empty() {
        text.push_str(&format!("\n  {}\n", namespace.description));
    }
    text.push_str(&format!("\nCreated {}", look.time(namespace.created_at)));
    if namespace.updated_at != namespace.created_at {
        text.push_str(&format!(" | Updated {}", look.time(namespace.updated_at)));
    }
    text
}
