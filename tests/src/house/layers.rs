//! Which crate may name which. The table is the one of `docs/architecture.md`; it is held on
//! `[dependencies]` only, since tests may look anywhere. A crate that is not in the table is a fault
//! too: whoever adds one decides where it stands.

use super::Fault;

/// Where one crate stands.
#[derive(Debug, Clone, Copy)]
pub struct Layer {
    pub name: &'static str,
    /// The crates of this workspace that it may name.
    pub ours: &'static [&'static str],
    /// The crates from outside that it must not name.
    pub banned: &'static [&'static str],
}

const fn layer(
    name: &'static str,
    ours: &'static [&'static str],
    banned: &'static [&'static str],
) -> Layer {
    Layer { name, ours, banned }
}

/// The crates of `docs/architecture.md`, from the bottom to the top.
pub const LAYERS: &[Layer] = &[
    layer("gofer-proto", &[], &["tokio", "rusqlite", "bollard", "clap"]),
    layer("gofer-proto-gen", &[], &["tokio", "rusqlite", "bollard"]),
    layer("gofer-core", &[], &["tokio", "tonic", "rusqlite", "bollard", "prost"]),
    layer("gofer-store", &["gofer-core"], &["tokio", "tonic", "bollard", "prost"]),
    layer("gofer-logs", &["gofer-core"], &["tokio", "tonic", "rusqlite", "bollard", "prost"]),
    layer("gofer-images", &["gofer-core"], &["tokio", "tonic", "rusqlite", "bollard", "prost"]),
    layer("gofer-driver-docker", &["gofer-core", "gofer-images"], &["tonic", "rusqlite", "prost"]),
    layer("gofer-net", &[], &["tokio", "tonic", "rusqlite", "bollard", "prost"]),
    layer(
        "gofer-driver-embedded",
        &["gofer-core", "gofer-images", "gofer-net"],
        &["tonic", "rusqlite", "bollard", "prost"],
    ),
    layer(
        "gofer-engine",
        &["gofer-core", "gofer-store", "gofer-logs"],
        &["tonic", "rusqlite", "bollard", "prost"],
    ),
    layer("gofer-api", &["gofer-proto", "gofer-core", "gofer-engine"], &["rusqlite", "bollard"]),
    layer(
        "gofer-server",
        &[
            "gofer-proto",
            "gofer-core",
            "gofer-store",
            "gofer-logs",
            "gofer-engine",
            "gofer-api",
            "gofer-images",
            "gofer-driver-docker",
            "gofer-driver-embedded",
        ],
        &["rusqlite", "bollard", "clap", "ratatui"],
    ),
    layer("gofer-client", &["gofer-proto"], &["clap", "ratatui", "rusqlite", "bollard"]),
    layer("gofer-sdk", &["gofer-proto"], &["tonic", "tokio", "rusqlite", "bollard"]),
    layer("gofer-extension-sdk", &["gofer-proto"], &["rusqlite", "bollard"]),
    layer("gofer-dialogue", &["gofer-client"], &["tonic", "clap", "ratatui"]),
    layer(
        "gofer-tui",
        &["gofer-client", "gofer-dialogue"],
        &["tonic", "prost", "rusqlite", "bollard"],
    ),
    layer(
        "gofer",
        &[
            "gofer-tui",
            "gofer-client",
            "gofer-server",
            "gofer-core",
            "gofer-images",
            "gofer-sdk",
            "gofer-dialogue",
        ],
        &["tonic", "prost", "rusqlite", "bollard"],
    ),
];

/// What every extension may name, whatever its name.
const EXTENSION: Layer = layer("gofer-extension-*", &["gofer-extension-sdk"], &["tonic"]);
/// What an example pipeline may name: what its reader has, and nothing else.
const EXAMPLE: Layer = layer("an example", &["gofer-sdk"], &["tonic", "tokio"]);
/// The only outside crates of the pipeline SDK, so that a pipeline project builds in seconds.
const SDK_FROM_OUTSIDE: &[&str] = &["prost"];

/// One crate of the workspace, as `cargo metadata` tells it.
#[derive(Debug, Clone)]
pub struct Member {
    pub name: String,
    /// The manifest's folder from the root of the workspace.
    pub folder: String,
    /// What stands in `[dependencies]`.
    pub dependencies: Vec<Dependency>,
}

/// One line of `[dependencies]`.
#[derive(Debug, Clone)]
pub struct Dependency {
    pub name: String,
    pub features: Vec<String>,
    pub default_features: bool,
}

/// Asks cargo for the members of the workspace at `root`.
pub fn members(root: &std::path::Path) -> anyhow::Result<Vec<Member>> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()?;
    let members = metadata.workspace_packages().into_iter().map(|package| Member {
        name: package.name.to_string(),
        folder: package
            .manifest_path
            .parent()
            .map(|folder| super::shown(root, folder.as_std_path()))
            .unwrap_or_default(),
        dependencies: package
            .dependencies
            .iter()
            .filter(|d| d.kind == cargo_metadata::DependencyKind::Normal)
            .map(|d| Dependency {
                name: d.name.clone(),
                features: d.features.clone(),
                default_features: d.uses_default_features,
            })
            .collect(),
    });
    Ok(members.collect())
}

/// Every place where a crate names what its layer forbids.
pub fn faults(members: &[Member]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for member in members.iter().filter(|m| m.name != "gofer-tests") {
        let Some(layer) = layer_of(member) else {
            faults.push(Fault::new(
                &member.name,
                "stands in no layer; add it to the table in tests/src/house/layers.rs and in docs/architecture.md",
            ));
            continue;
        };
        for dependency in &member.dependencies {
            faults.extend(fault_of(member, layer, dependency, members));
        }
    }
    faults
}

fn layer_of(member: &Member) -> Option<&'static Layer> {
    if member.folder.contains("/examples/") {
        Some(&EXAMPLE)
    } else if member.folder.starts_with("extensions/") {
        Some(&EXTENSION)
    } else {
        LAYERS.iter().find(|layer| layer.name == member.name)
    }
}

fn fault_of(
    member: &Member,
    layer: &Layer,
    dependency: &Dependency,
    members: &[Member],
) -> Option<Fault> {
    let name = dependency.name.as_str();
    let ours = members.iter().any(|m| m.name == name);
    if ours && !layer.ours.contains(&name) {
        return Some(Fault::new(
            &member.name,
            format!("names {name}; it may name only {:?} of ours", layer.ours),
        ));
    }
    // `tonic` bans tonic-types and the like with it.
    let banned = layer.banned.iter().find(|b| name == **b || name.starts_with(&format!("{b}-")));
    if let Some(banned) = banned {
        return Some(Fault::new(&member.name, format!("names {name}; {banned} is not for it")));
    }
    if member.name != "gofer-sdk" {
        return None;
    }
    if name == "gofer-proto" && (dependency.default_features || !dependency.features.is_empty()) {
        return Some(Fault::new(
            &member.name,
            format!("takes gofer-proto with features {:?}; messages only", dependency.features),
        ));
    }
    (!ours && !SDK_FROM_OUTSIDE.contains(&name)).then(|| {
        Fault::new(&member.name, format!("names {name}; from outside only {SDK_FROM_OUTSIDE:?}"))
    })
}
