//! Images.

use gofer_client::model::{Image, PulledImage};

use super::Noun;
use super::table::Cell;
use crate::look::{Look, bytes};

/// Digits of an id that people see: as many as Docker shows.
const ID_DIGITS: usize = 12;

impl Noun for Image {
    const SCHEMA: &'static str = "image";
    const HEADER: &'static [&'static str] = &["Name", "ID", "Size", "Created"];

    fn row(&self, look: &Look) -> Vec<Cell> {
        let names = self.names.join(", ");
        let size = if look.tty { bytes(self.size_bytes) } else { self.size_bytes.to_string() };
        vec![
            Cell::id(if names.is_empty() { look.absent("-") } else { names }),
            Cell::plain(id(&self.id, look)),
            Cell::plain(size),
            Cell::plain(look.time_or(self.created_at, "-")),
        ]
    }

    fn name(&self) -> String {
        self.names.first().unwrap_or(&self.id).clone()
    }
}

impl Noun for PulledImage {
    const SCHEMA: &'static str = "image_pull";
    const HEADER: &'static [&'static str] = Image::HEADER;

    fn row(&self, look: &Look) -> Vec<Cell> {
        self.image.row(look)
    }

    fn name(&self) -> String {
        self.image.name()
    }
}

/// The whole id for programs, and with `-o wide`.
fn id(id: &str, look: &Look) -> String {
    if !look.tty || look.wide {
        return id.to_owned();
    }
    id.trim_start_matches("sha256:").chars().take(ID_DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::{samples, table};

    #[test]
    fn people_see_short_ids_and_programs_whole_ones() {
        let nameless = Image { names: Vec::new(), created_at: None, ..samples::image() };
        let images = [samples::image(), nameless];
        insta::assert_snapshot!(table::of(&images, &Look::terminal()));
        let piped = table::of(&images, &Look::pipe());
        assert!(piped.contains(&samples::image().id) && piped.contains("\t2126336\t"), "{piped:?}");
        assert_eq!(images.map(|image| image.name()), ["app:1".to_owned(), samples::image().id]);
    }
}
