//! What the wire has promised. `proto/baseline.txt` holds one line for each thing that a client of
//! any release may rely on; a line that once stands there must hold for ever. So a number is never
//! reused, renamed or retyped, and what is removed stays reserved.

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto, field_descriptor_proto::Label,
};
use std::collections::{BTreeSet, HashSet};

const HEADER: &str = "\
# What the wire has promised. Lines are only ever added, by
#     cargo run -p gofer-proto-gen -- --extend-baseline
";

/// The proto as it is now.
#[derive(Debug, Default)]
pub(crate) struct Surface {
    lines: BTreeSet<String>,
    // Proto reserves numbers and names apart; each is kept with the message or enum that owns it.
    reserved_numbers: Vec<(String, std::ops::RangeInclusive<i32>)>,
    reserved_names: HashSet<(String, String)>,
}

impl Surface {
    pub(crate) fn of(descriptors: &FileDescriptorSet) -> Self {
        let mut surface = Self::default();
        for file in &descriptors.file {
            let package = file.package();
            for message in &file.message_type {
                surface.message(package, message);
            }
            for list in &file.enum_type {
                surface.list(package, list);
            }
            for service in &file.service {
                surface.service(package, service);
            }
        }
        surface
    }

    /// One sentence for each line of the baseline that does not hold.
    pub(crate) fn faults(&self, baseline: &str) -> Vec<String> {
        promised(baseline)
            .into_iter()
            .filter(|line| !self.lines.contains(*line) && !self.is_reserved(line))
            .map(|line| format!("promised, but changed or removed without `reserved`: {line}"))
            .collect()
    }

    /// Lines of now that the baseline does not have.
    pub(crate) fn unlisted(&self, baseline: &str) -> Vec<&str> {
        let promised = promised(baseline);
        self.lines.iter().map(String::as_str).filter(|line| !promised.contains(line)).collect()
    }

    /// The baseline with all lines of now; no line of it is left out.
    pub(crate) fn extend(&self, baseline: &str) -> String {
        let mut lines = promised(baseline);
        lines.extend(self.lines.iter().map(String::as_str));
        lines.into_iter().fold(HEADER.to_owned(), |text, line| text + line + "\n")
    }

    fn message(&mut self, scope: &str, message: &DescriptorProto) {
        let owner = format!("{scope}.{}", message.name());
        self.lines.insert(format!("{owner} message"));
        for field in &message.field {
            let (name, number) = (field.name(), field.number());
            let line = format!("{owner}.{name} field {number} {}", shape(message, field));
            self.lines.insert(line);
        }
        for range in &message.reserved_range {
            // The end of a message's range is the first number after it.
            let numbers = range.start()..=range.end() - 1;
            self.reserved_numbers.push((owner.clone(), numbers));
        }
        let names = message.reserved_name.iter().map(|name| (owner.clone(), name.clone()));
        self.reserved_names.extend(names);
        for nested in &message.nested_type {
            self.message(&owner, nested);
        }
        for nested in &message.enum_type {
            self.list(&owner, nested);
        }
    }

    fn list(&mut self, scope: &str, list: &EnumDescriptorProto) {
        let owner = format!("{scope}.{}", list.name());
        self.lines.insert(format!("{owner} enum"));
        for value in &list.value {
            self.lines.insert(format!("{owner}.{} value {}", value.name(), value.number()));
        }
        for range in &list.reserved_range {
            // The end of an enum's range is the last number in it.
            self.reserved_numbers.push((owner.clone(), range.start()..=range.end()));
        }
        let names = list.reserved_name.iter().map(|name| (owner.clone(), name.clone()));
        self.reserved_names.extend(names);
    }

    fn service(&mut self, scope: &str, service: &ServiceDescriptorProto) {
        let owner = format!("{scope}.{}", service.name());
        self.lines.insert(format!("{owner} service"));
        for rpc in &service.method {
            let flow = |streams: bool| if streams { "stream" } else { "one" };
            self.lines.insert(format!(
                "{owner}.{} rpc {} {} -> {} {}",
                rpc.name(),
                flow(rpc.client_streaming()),
                rpc.input_type().trim_start_matches('.'),
                flow(rpc.server_streaming()),
                rpc.output_type().trim_start_matches('.'),
            ));
        }
    }

    /// Whether the field or value of a line was given up for good: its number and its name.
    fn is_reserved(&self, line: &str) -> bool {
        let mut words = line.split(' ');
        let (Some(path), Some("field" | "value"), Some(number)) =
            (words.next(), words.next(), words.next())
        else {
            return false;
        };
        let (Some((owner, name)), Ok(number)) = (path.rsplit_once('.'), number.parse::<i32>())
        else {
            return false;
        };
        self.reserved_names.contains(&(owner.to_owned(), name.to_owned()))
            && self.reserved_numbers.iter().any(|(of, held)| of == owner && held.contains(&number))
    }
}

fn promised(baseline: &str) -> BTreeSet<&str> {
    baseline.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// How a field is present, and its type, for example `optional uint64`.
fn shape(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let oneof = field
        .oneof_index
        .and_then(|index| usize::try_from(index).ok())
        .and_then(|index| message.oneof_decl.get(index));
    let presence = match (field.label(), oneof) {
        (Label::Repeated, _) => "repeated".to_owned(),
        (Label::Optional | Label::Required, _) if field.proto3_optional() => "optional".to_owned(),
        (Label::Optional | Label::Required, Some(oneof)) => format!("oneof:{}", oneof.name()),
        (Label::Optional | Label::Required, None) => "singular".to_owned(),
    };
    let scalar = || field.r#type().as_str_name().trim_start_matches("TYPE_").to_lowercase();
    let kind = match field.type_name.as_deref() {
        Some(name) => name.trim_start_matches('.').to_owned(),
        None => scalar(),
    };
    format!("{presence} {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{generate, paths};
    use prost_types::{
        EnumValueDescriptorProto, FileDescriptorProto, MethodDescriptorProto,
        descriptor_proto::ReservedRange, enum_descriptor_proto::EnumReservedRange,
        field_descriptor_proto::Type,
    };

    fn stored() -> String {
        std::fs::read_to_string(paths::baseline()).unwrap()
    }

    #[test]
    fn every_promise_of_the_baseline_holds() {
        let faults = Surface::of(&generate::compile().unwrap()).faults(&stored());
        assert!(faults.is_empty(), "old clients would break:\n{}", faults.join("\n"));
    }

    #[test]
    fn everything_in_the_proto_is_promised() {
        let surface = Surface::of(&generate::compile().unwrap());
        let stored = stored();
        let unlisted = surface.unlisted(&stored);
        assert!(
            unlisted.is_empty(),
            "new in the proto; once you are sure of it, run \
             `cargo run -p gofer-proto-gen -- --extend-baseline`:\n{}",
            unlisted.join("\n")
        );
    }

    /// `message Stop { int64 at_ms = 1; string by = 2; }`, `enum Mood { GOOD = 0; BAD = 3; }` and
    /// `service Door { rpc Watch(Stop) returns (stream Stop); }`, so that these tests do not hang on
    /// what the real proto says today.
    fn sample() -> FileDescriptorProto {
        let field = |name: &str, number, kind: Type| FieldDescriptorProto {
            name: Some(name.to_owned()),
            number: Some(number),
            label: Some(Label::Optional.into()),
            r#type: Some(kind.into()),
            ..Default::default()
        };
        let value = |name: &str, number| EnumValueDescriptorProto {
            name: Some(name.to_owned()),
            number: Some(number),
            options: None,
        };
        let watch = MethodDescriptorProto {
            name: Some("Watch".to_owned()),
            input_type: Some(".p.Stop".to_owned()),
            output_type: Some(".p.Stop".to_owned()),
            server_streaming: Some(true),
            ..Default::default()
        };
        FileDescriptorProto {
            package: Some("p".to_owned()),
            message_type: vec![DescriptorProto {
                name: Some("Stop".to_owned()),
                field: vec![field("at_ms", 1, Type::Int64), field("by", 2, Type::String)],
                ..Default::default()
            }],
            enum_type: vec![EnumDescriptorProto {
                name: Some("Mood".to_owned()),
                value: vec![value("GOOD", 0), value("BAD", 3)],
                ..Default::default()
            }],
            service: vec![ServiceDescriptorProto {
                name: Some("Door".to_owned()),
                method: vec![watch],
                options: None,
            }],
            ..Default::default()
        }
    }

    fn surface(file: FileDescriptorProto) -> Surface {
        Surface::of(&FileDescriptorSet { file: vec![file] })
    }

    /// Promises of [`sample`] that no longer hold after the change.
    fn broken_by(change: impl FnOnce(&mut FileDescriptorProto)) -> Vec<String> {
        let mut file = sample();
        change(&mut file);
        let faults = surface(file).faults(&surface(sample()).extend(""));
        faults.into_iter().filter_map(|f| Some(f.rsplit_once(": ")?.1.to_owned())).collect()
    }

    const AT_MS: &str = "p.Stop.at_ms field 1 singular int64";

    fn replace_at_ms(file: &mut FileDescriptorProto, number: i32, name: &str) {
        let message = &mut file.message_type[0];
        message.field.remove(0);
        let range = ReservedRange { start: Some(number), end: Some(number + 1) };
        message.reserved_range.push(range);
        message.reserved_name.push(name.to_owned());
    }

    #[test]
    fn a_baseline_lists_everything_that_is_promised() {
        let lines = [
            "p.Door service",
            "p.Door.Watch rpc one p.Stop -> stream p.Stop",
            "p.Mood enum",
            "p.Mood.BAD value 3",
            "p.Mood.GOOD value 0",
            "p.Stop message",
            AT_MS,
            "p.Stop.by field 2 singular string",
        ];
        assert_eq!(surface(sample()).extend(""), format!("{HEADER}{}\n", lines.join("\n")));
        assert_eq!(broken_by(|_| ()), Vec::<String>::new());
    }

    #[test]
    fn a_changed_number_name_type_or_presence_is_a_fault() {
        let changes: [fn(&mut FieldDescriptorProto); 5] = [
            |field| field.number = Some(99),
            |field| field.name = Some("since_ms".to_owned()),
            |field| field.set_type(Type::Uint64),
            |field| field.set_label(Label::Repeated),
            |field| field.proto3_optional = Some(true),
        ];
        for change in changes {
            assert_eq!(broken_by(|file| change(&mut file.message_type[0].field[0])), [AT_MS]);
        }
    }

    #[test]
    fn a_removed_field_must_leave_its_number_and_its_name_reserved() {
        assert_eq!(broken_by(|file| drop(file.message_type[0].field.remove(0))), [AT_MS]);
        assert_eq!(broken_by(|file| replace_at_ms(file, 1, "something_else")), [AT_MS]);
        assert_eq!(broken_by(|file| replace_at_ms(file, 0, "at_ms")), [AT_MS]); // ends before 1
        assert_eq!(broken_by(|file| replace_at_ms(file, 2, "at_ms")), [AT_MS]);
        assert_eq!(broken_by(|file| replace_at_ms(file, 1, "at_ms")), Vec::<String>::new());
    }

    #[test]
    fn a_reserved_field_stays_promised_when_the_baseline_is_extended() {
        let baseline = surface(sample()).extend("");
        let mut file = sample();
        replace_at_ms(&mut file, 1, "at_ms");
        assert_eq!(surface(file).extend(&baseline), baseline);
    }

    #[test]
    fn a_removed_enum_value_must_leave_its_number_and_its_name_reserved() {
        let remove = |file: &mut FileDescriptorProto, number: i32, name: &str| {
            let list = &mut file.enum_type[0];
            list.value.pop();
            list.reserved_range.push(EnumReservedRange { start: Some(number), end: Some(number) });
            list.reserved_name.push(name.to_owned());
        };
        assert_eq!(broken_by(|file| remove(file, 3, "WORSE")), ["p.Mood.BAD value 3"]);
        assert_eq!(broken_by(|file| remove(file, 2, "BAD")), ["p.Mood.BAD value 3"]);
        assert_eq!(broken_by(|file| remove(file, 3, "BAD")), Vec::<String>::new());
    }

    #[test]
    fn a_call_keeps_its_messages_and_its_streams_and_nothing_else_can_be_removed() {
        let watch = "p.Door.Watch rpc one p.Stop -> stream p.Stop";
        let unary = |file: &mut FileDescriptorProto| {
            file.service[0].method[0].server_streaming = None;
        };
        assert_eq!(broken_by(unary), [watch]);
        assert_eq!(broken_by(|file| file.service.clear()), ["p.Door service", watch]);
        assert_eq!(broken_by(|file| file.message_type.clear()).len(), 3);
    }
}
