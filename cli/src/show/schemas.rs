//! Every JSON document, with every key in it: a promise to scripts. Keys may be added; nothing else may
//! change without a new schema name beside the old one.

use gofer_client::model::{DeletionReport, Page, PulledImage};
use serde::Serialize;

use super::{Noun, pipeline::Detailed, report::Deletion, samples};
use crate::args::Format;
use crate::look::Look;
use crate::out::capture;

/// The document that a command would print.
fn printed<T: Serialize>(schema: &str, value: &T) -> String {
    let (mut out, data, _) = capture::out(Look::pipe(), Format::Json);
    assert!(out.document(schema, value).unwrap());
    out.flush().unwrap();
    data.text()
}

fn one<T: Noun>(value: &T) -> String {
    printed(&format!("gofer.{}/v1", T::SCHEMA), value)
}

#[test]
fn a_namespace_has_all_its_keys() {
    insta::assert_snapshot!(one(&samples::namespace()));
}

#[test]
fn a_pipeline_has_all_its_keys() {
    let detailed = Detailed {
        pipeline: samples::pipeline(),
        config: Some(samples::config()),
        recent_runs: vec![],
    };
    insta::assert_snapshot!(one(&detailed));
}

#[test]
fn a_pipeline_config_has_all_its_keys() {
    insta::assert_snapshot!(one(&samples::config()));
}

#[test]
fn a_deployment_has_all_its_keys() {
    insta::assert_snapshot!(one(&samples::deployment()));
}

#[test]
fn a_run_has_all_its_keys_and_null_for_none() {
    insta::assert_snapshot!(one(&samples::run()));
}

#[test]
fn a_task_run_has_all_its_keys() {
    insta::assert_snapshot!(one(&samples::full_task()));
}

#[test]
fn an_image_has_all_its_keys() {
    insta::assert_snapshot!(one(&samples::image()));
}

#[test]
fn a_pulled_image_has_all_its_keys() {
    let digest = Some("r.io/app@sha256:12".to_owned());
    insta::assert_snapshot!(one(&PulledImage { image: samples::image(), digest }));
}

#[test]
fn an_event_has_all_its_keys() {
    insta::assert_snapshot!(one(&samples::event()));
}

#[test]
fn a_deletion_has_all_its_keys() {
    let report = DeletionReport::default();
    let deletion = Deletion { path: "default:simple", dry_run: true, report: &report };
    insta::assert_snapshot!(printed("gofer.deletion/v1", &deletion));
}

#[test]
fn a_list_is_one_document_that_says_where_to_go_on() {
    let page = Page { items: vec![samples::namespace()], next: Some("c1".into()), total: 214 };
    let (mut out, data, _) = capture::out(Look::pipe(), Format::Json);
    out.list(&page).unwrap();
    insta::assert_snapshot!(data.text());
}

#[test]
fn a_document_is_the_same_in_yaml() {
    let (mut out, data, _) = capture::out(Look::pipe(), Format::Yaml);
    out.list(&Page { items: vec![samples::namespace()], next: None, total: 1 }).unwrap();
    insta::assert_snapshot!(data.text());
}

#[test]
fn jsonl_is_one_document_on_each_line() {
    let (mut out, data, _) = capture::out(Look::pipe(), Format::Jsonl);
    let items = vec![samples::event(), samples::event()];
    out.list(&Page { items, next: None, total: 2 }).unwrap();
    assert_eq!(data.text().lines().count(), 2);
    assert!(data.text().starts_with(r#"{"schema":"gofer.event/v1","seq":7,"#));
}
