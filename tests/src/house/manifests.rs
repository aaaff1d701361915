//! What holds for the manifests: every version stands in the root manifest, and every crate takes
//! the workspace's lints. Reads the few shapes of TOML that a manifest has, line by line.

use super::Fault;

/// Crates whose code is generated, so that lints have nothing to say to anybody.
const WITHOUT_LINTS: &[&str] = &["gofer-proto"];

/// The faults of one member's manifest; `place` is its path in the repository.
pub fn faults(name: &str, place: &str, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut section = String::new();
    let mut inherits_lints = false;
    let mut table = None::<DependencyTable>;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            faults.extend(table.take().and_then(|t| t.fault(place)));
            section = header.trim_matches(|c| c == '[' || c == ']').to_owned();
            table = DependencyTable::of(&section, number);
            continue;
        }
        let inherited = inherits(line);
        if let Some(table) = &mut table {
            table.inherited |= inherited;
        } else if section == "lints" {
            inherits_lints |= inherited;
        } else if is_dependencies(&section) && !inherited {
            faults.push(Fault::new(
                format!("{place}:{number}"),
                format!("`{line}`: versions stand in the root manifest; write `workspace = true`"),
            ));
        } else if section == "package" && is_key(line, "version") && !inherited {
            faults.push(Fault::new(
                format!("{place}:{number}"),
                "the version stands in the root manifest; write `version.workspace = true`",
            ));
        }
    }
    faults.extend(table.take().and_then(|t| t.fault(place)));
    if !inherits_lints && !WITHOUT_LINTS.contains(&name) {
        faults.push(Fault::new(
            place,
            "does not take the workspace's lints; add `[lints]` with `workspace = true`",
        ));
    }
    faults
}

/// A dependency written as a table of its own, `[dependencies.name]`.
struct DependencyTable {
    line: usize,
    inherited: bool,
}

impl DependencyTable {
    fn of(section: &str, line: usize) -> Option<Self> {
        let (parent, _) = section.rsplit_once('.')?;
        is_dependencies(parent).then_some(Self { line, inherited: false })
    }

    fn fault(self, place: &str) -> Option<Fault> {
        (!self.inherited).then(|| {
            Fault::new(
                format!("{place}:{}", self.line),
                "versions stand in the root manifest; write `workspace = true`",
            )
        })
    }
}

fn is_dependencies(section: &str) -> bool {
    let last = section.rsplit('.').next().unwrap_or_default();
    matches!(last, "dependencies" | "dev-dependencies" | "build-dependencies")
}

fn is_key(line: &str, key: &str) -> bool {
    line.split(['=', '.']).next().is_some_and(|k| k.trim() == key)
}

/// `x.workspace = true`, `workspace = true`, or `x = { workspace = true, … }`.
fn inherits(line: &str) -> bool {
    line.split_once("workspace").is_some_and(|(before, after)| {
        let starts = before.is_empty() || before.ends_with(['.', '{', ' ', ',']);
        let value = after.trim_start().strip_prefix('=').map(str::trim_start);
        starts && value.is_some_and(|v| v.starts_with("true"))
    })
}
