//! Pages: each item once, whatever is added meanwhile.

use std::collections::BTreeSet;

use gofer_core::problem::Kind;
use gofer_store::{Page, PageRequest, Reader, RunFilter, StateKind, StoreError};

use crate::support::{World, at, config, everything, key, namespace, page, refused, registration};

/// Reads a list to its end, two at a time, with `meanwhile` between the pages.
fn read_all<T>(
    world: &mut World,
    list: impl Fn(&Reader, &PageRequest) -> Result<Page<T>, StoreError>,
    name: impl Fn(&T) -> String,
    mut meanwhile: impl FnMut(&mut World),
) -> Vec<String> {
    let mut names = Vec::new();
    let mut cursor = None;
    loop {
        let part = list(&world.reader(), &page(2, cursor)).unwrap();
        assert!(part.items.len() <= 2);
        names.extend(part.items.iter().map(&name));
        cursor = part.next_cursor;
        if cursor.is_none() {
            return names;
        }
        meanwhile(world);
    }
}

#[test]
fn runs_of_a_pipeline_come_once_while_others_start() {
    let mut world = World::with_pipeline();
    for _ in 0..7 {
        world.start("simple");
    }
    let filter = RunFilter { pipeline: Some(key("simple").pipeline), ..everything() };
    let names = read_all(
        &mut world,
        |reader, page| reader.runs(&filter, page),
        |run| run.key.run.to_string(),
        |world| drop(world.start("simple")),
    );
    assert_eq!(names, ["7", "6", "5", "4", "3", "2", "1"]);
}

#[test]
fn runs_of_a_namespace_come_once_though_they_share_a_time() {
    let mut world = World::with_pipeline();
    world.up("other", "v1");
    for n in 0..9 {
        let order = world.order(if n % 3 == 0 { "other" } else { "simple" });
        world.run(move |tx| tx.start_run(&order, at(n / 4))).unwrap();
    }
    let names = read_all(
        &mut world,
        |reader, page| reader.runs(&everything(), page),
        |run| run.key.to_string(),
        |world| drop(world.start("simple")),
    );
    assert_eq!(names.len(), 9);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 9);
    assert_eq!(names[0], "default:simple/6");
}

#[test]
fn every_other_list_comes_once_as_well() {
    let mut world = World::with_pipeline();
    for n in 2..=5 {
        world.up("simple", &format!("v{n}"));
        world.register(&format!("pipe{n}"), "v1").unwrap();
        world
            .run(move |tx| tx.create_namespace(&namespace(&format!("ns{n}")), "", "", at(1)))
            .unwrap();
    }
    let names = read_all(
        &mut world,
        |reader, page| reader.configs(&key("simple"), page),
        |config| config.version.to_string(),
        |world| {
            let content = format!("more{}", world.now().as_ms());
            world.register("simple", &content).unwrap();
        },
    );
    assert_eq!(names, ["5", "4", "3", "2", "1"]);
    let names = read_all(
        &mut world,
        |reader, page| reader.deployments(&key("simple"), page),
        |deployment| deployment.deployment.to_string(),
        |_| {},
    );
    assert_eq!(names, ["5", "4", "3", "2", "1"]);
    let names = read_all(
        &mut world,
        |reader, page| reader.pipelines(&namespace("default"), page),
        |pipeline| pipeline.key.pipeline.to_string(),
        |world| drop(world.register("aaa", "v1")),
    );
    assert_eq!(names, ["pipe2", "pipe3", "pipe4", "pipe5", "simple"]);
    let names = read_all(
        &mut world,
        |reader, page| reader.namespaces(None, page),
        |namespace| namespace.id.to_string(),
        |_| {},
    );
    assert_eq!(names, ["default", "ns2", "ns3", "ns4", "ns5"]);
}

#[test]
fn a_cursor_of_another_list_or_filter_is_refused() {
    let mut world = World::with_pipeline();
    for _ in 0..3 {
        world.start("simple");
    }
    let registration = registration("default", &config("other", "v1"));
    world.run(move |tx| tx.register(&registration, at(1))).unwrap();
    let reader = world.reader();
    let cursor = reader.runs(&everything(), &page(1, None)).unwrap().next_cursor;
    assert!(cursor.is_some());
    let states = BTreeSet::from([StateKind::Pending]);
    let filtered = RunFilter { states, ..everything() };
    let wrong = page(1, cursor);
    refused(reader.runs(&filtered, &wrong), Kind::Invalid, "INVALID_INPUT");
    refused(reader.pipelines(&namespace("default"), &wrong), Kind::Invalid, "INVALID_INPUT");
    refused(reader.configs(&key("simple"), &wrong), Kind::Invalid, "INVALID_INPUT");
    let junk = page(1, Some("not a cursor".into()));
    refused(reader.runs(&everything(), &junk), Kind::Invalid, "INVALID_INPUT");
}
