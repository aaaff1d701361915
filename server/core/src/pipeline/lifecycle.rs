//! The rules of versions: when a registration makes a new one, what a deploy does, which old ones
//! go, and which one a new run takes. The store decides with these in one transaction, so that no
//! rule works on a state that somebody else has changed meanwhile.
//!
//! ```text
//!  UNRELEASED ──deploy──> LIVE ──deploy of another──> DEPRECATED ──prune──> gone
//!                          ^────────deploy (rollback)─────┘
//! ```

use super::config::ConfigState;
use crate::ids::{PipelineKey, Version};
use crate::problem::{Kind, Problem};

/// How many versions of a pipeline are kept where the configuration does not say otherwise.
pub const VERSIONS_KEPT_DEFAULT: u32 = 5;

/// The namespace that commands mean when none is given.
const DEFAULT_NAMESPACE: &str = "default";

/// What a registration does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// The content is that of the newest version: there is no new one.
    Same(Version),
    /// The content becomes this version.
    New(Version),
}

/// Decides about registering content that hashes to `hash`. `newest` are hash and number of the
/// pipeline's newest version. The newest is never pruned, so no number is given twice.
#[must_use]
pub fn register(newest: Option<(&str, Version)>, hash: &str) -> Registration {
    match newest {
        Some((newest, version)) if newest == hash => Registration::Same(version),
        Some((_, version)) => Registration::New(version.saturating_add(1)),
        None => Registration::New(1),
    }
}

/// A version and its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionEntry {
    /// The version's number.
    pub version: Version,
    /// Its state.
    pub state: ConfigState,
}

/// What a deploy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deploy {
    /// `from`, if any, becomes DEPRECATED and `to` becomes LIVE, in one transaction.
    Switch {
        /// The version that is live until then.
        from: Option<Version>,
        /// The version that is live from then on.
        to: Version,
    },
    /// The version is live already: nothing happens.
    AlreadyLive(Version),
}

/// Decides about making `target` live. `versions` are all versions of the pipeline, in any order.
/// `base` is the version that the caller believes to be live (0: none is); absent, it is not compared.
///
/// # Errors
/// NotFound when there is no such version. Conflict when another version than `base` is live; not
/// when `target` itself is live, because then a deploy whose answer was lost is being repeated.
pub fn deploy(
    pipeline: &PipelineKey,
    versions: &[VersionEntry],
    target: Version,
    base: Option<Version>,
) -> Result<Deploy, Problem> {
    if !versions.iter().any(|entry| entry.version == target) {
        return Err(no_such_version(pipeline, versions, target));
    }
    let live = live_version(versions);
    if live == Some(target) {
        return Ok(Deploy::AlreadyLive(target));
    }
    match base {
        Some(base) if base != live.unwrap_or(0) => Err(live_changed(pipeline, live, base)),
        Some(_) | None => Ok(Deploy::Switch { from: live, to: target }),
    }
}

/// The version that new runs take.
fn live_version(versions: &[VersionEntry]) -> Option<Version> {
    versions.iter().find(|entry| entry.state == ConfigState::Live).map(|entry| entry.version)
}

fn no_such_version(pipeline: &PipelineKey, versions: &[VersionEntry], target: Version) -> Problem {
    const SHOWN_MAX: usize = 3;
    let mut near: Vec<Version> = versions.iter().map(|entry| entry.version).collect();
    near.sort_unstable_by_key(|version| (version.abs_diff(target), *version));
    let near = near.into_iter().take(SHOWN_MAX).map(|version| version.to_string()).collect();
    let what = format!("version {target} of pipeline `{}`", pipeline.pipeline);
    let list = command(pipeline, "pipeline config list", "");
    Problem::not_found(what, near).with_next(format!("`{list}` shows the versions"))
}

fn live_changed(pipeline: &PipelineKey, live: Option<Version>, base: Version) -> Problem {
    let say = |version: Version| match version {
        0 => "no version".to_owned(),
        version => format!("version {version}"),
    };
    let message = format!(
        "{} of pipeline `{}` is live, not {}: it was deployed by someone else meanwhile",
        say(live.unwrap_or(0)),
        pipeline.pipeline,
        say(base)
    );
    let diff = command(pipeline, "pipeline get", "");
    Problem::new(Kind::Conflict, "LIVE_VERSION_CHANGED", message)
        .with_next(format!("look at it with `{diff}` and deploy again"))
}

/// The versions to remove so that at most `limit` are kept, oldest first. Only DEPRECATED ones go,
/// and never the newest of all; so more than `limit` may stay. 0 is no limit.
#[must_use]
pub fn prune(versions: &[VersionEntry], limit: u32) -> Vec<Version> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let n_beyond = if limit == 0 { 0 } else { versions.len().saturating_sub(limit) };
    let newest = versions.iter().map(|entry| entry.version).max();
    let mut old: Vec<Version> = versions
        .iter()
        .filter(|entry| entry.state == ConfigState::Deprecated && Some(entry.version) != newest)
        .map(|entry| entry.version)
        .collect();
    old.sort_unstable();
    old.truncate(n_beyond);
    old
}

/// The version to which a rollback without a number goes: the newest DEPRECATED one that is older
/// than the live one. Versions that never were live are no target.
#[must_use]
pub fn rollback_target(versions: &[VersionEntry]) -> Option<Version> {
    let live = live_version(versions)?;
    let older = versions
        .iter()
        .filter(|entry| entry.state == ConfigState::Deprecated && entry.version < live);
    older.map(|entry| entry.version).max()
}

/// What decides whether a pipeline may start a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartGate {
    /// Whether the server takes new runs at all.
    pub ingress_on: bool,
    /// Whether the pipeline is enabled.
    pub enabled: bool,
    /// The live version.
    pub live: Option<Version>,
    /// The newest version, live or not.
    pub newest: Option<Version>,
}

/// The version that a new run of the pipeline takes.
///
/// # Errors
/// Rejected, with the reason INGRESS_OFF, PIPELINE_DISABLED or NOTHING_DEPLOYED and the command that
/// changes it.
pub fn may_start(pipeline: &PipelineKey, gate: &StartGate) -> Result<Version, Problem> {
    let id = &pipeline.pipeline;
    if !gate.ingress_on {
        return Err(Problem::rejected(
            "INGRESS_OFF",
            format!("pipeline `{id}` cannot start: the server does not take new runs"),
            "`gofer service toggle-event-ingress` lets runs in again",
        ));
    }
    if !gate.enabled {
        return Err(Problem::rejected(
            "PIPELINE_DISABLED",
            format!("pipeline `{id}` cannot start: it is disabled"),
            format!("`{}` lets it start again", command(pipeline, "pipeline enable", "")),
        ));
    }
    gate.live.ok_or_else(|| {
        let next = match gate.newest {
            Some(newest) => {
                let deploy = command(pipeline, "pipeline deploy", &format!(" {newest}"));
                format!("`{deploy}` makes its newest version live")
            }
            None => "`gofer up` registers and deploys it".to_owned(),
        };
        let message = format!("pipeline `{id}` cannot start: no version of it is deployed");
        Problem::rejected("NOTHING_DEPLOYED", message, next)
    })
}

/// A command line about a pipeline. The namespace is written out unless it is the default.
fn command(pipeline: &PipelineKey, verb: &str, arguments: &str) -> String {
    let namespace = pipeline.namespace.as_str();
    let flag = if namespace == DEFAULT_NAMESPACE {
        String::new()
    } else {
        format!(" --namespace {namespace}")
    };
    format!("gofer {verb} {}{arguments}{flag}", pipeline.pipeline)
}

/// Most runs of a pipeline at once: the smaller of the pipeline's own value and the server's, where
/// 0 is no limit on that side. None where neither limits.
#[must_use]
pub fn effective_parallelism(pipeline: u32, server: u32) -> Option<u32> {
    [pipeline, server].into_iter().filter(|limit| *limit > 0).min()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::{NamespaceId, PipelineId};

    fn key(namespace: &str) -> PipelineKey {
        PipelineKey {
            namespace: NamespaceId::parse(namespace).unwrap(),
            pipeline: PipelineId::parse("simple").unwrap(),
        }
    }

    /// Versions as `1d 2d 3l 4u`: number and first letter of the state.
    fn versions(text: &str) -> Vec<VersionEntry> {
        let entry = |word: &str| {
            let (version, state) = word.split_at(word.len() - 1);
            let state = match state {
                "u" => ConfigState::Unreleased,
                "l" => ConfigState::Live,
                "d" => ConfigState::Deprecated,
                other => panic!("no state {other}"),
            };
            VersionEntry { version: version.parse().unwrap(), state }
        };
        text.split_whitespace().map(entry).collect()
    }

    #[test]
    fn the_same_content_makes_no_new_version() {
        assert_eq!(register(None, "a"), Registration::New(1));
        assert_eq!(register(Some(("a", 4)), "a"), Registration::Same(4));
        assert_eq!(register(Some(("a", 4)), "b"), Registration::New(5));
    }

    #[track_caller]
    fn check_deploy(
        state: &str,
        target: Version,
        base: Option<Version>,
        want: Result<Deploy, &str>,
    ) {
        let got = deploy(&key("default"), &versions(state), target, base);
        let got = got.map_err(|problem| {
            format!("{:?} {} / {}", problem.kind, problem.message, problem.next)
        });
        match (got, want) {
            (Err(got), Err(want)) => assert!(got.contains(want), "{got:?} lacks {want:?}"),
            (got, want) => {
                assert_eq!(got.as_ref().map_err(String::as_str), want.as_ref().map_err(|e| *e));
            }
        }
    }

    #[test]
    fn a_deploy_switches_from_what_is_live() {
        check_deploy("1u", 1, None, Ok(Deploy::Switch { from: None, to: 1 }));
        check_deploy("1d 2l 3u", 3, None, Ok(Deploy::Switch { from: Some(2), to: 3 }));
        check_deploy("1d 2l 3u", 1, None, Ok(Deploy::Switch { from: Some(2), to: 1 }));
        check_deploy("1d 2l", 2, None, Ok(Deploy::AlreadyLive(2)));
        check_deploy(
            "3u 5l",
            4,
            None,
            Err(
                "NotFound version 4 of pipeline `simple` does not exist / `gofer pipeline config list simple`",
            ),
        );
    }

    #[test]
    fn a_deploy_on_an_old_base_is_a_conflict_unless_it_is_done_already() {
        check_deploy("1d 2l 3u", 3, Some(2), Ok(Deploy::Switch { from: Some(2), to: 3 }));
        check_deploy(
            "1d 2l 3u",
            3,
            Some(1),
            Err("Conflict version 2 of pipeline `simple` is live, not version 1"),
        );
        check_deploy("1u", 1, Some(0), Ok(Deploy::Switch { from: None, to: 1 }));
        check_deploy("1l 2u", 2, Some(0), Err("is live, not no version"));
        check_deploy(
            "1u 2u",
            2,
            Some(1),
            Err("no version of pipeline `simple` is live, not version 1"),
        );
        check_deploy("1d 2l", 2, Some(1), Ok(Deploy::AlreadyLive(2)));
    }

    #[test]
    fn an_unknown_version_offers_the_nearest_numbers() {
        let problem = deploy(&key("default"), &versions("1d 2d 8l 9u"), 7, None).unwrap_err();
        assert_eq!(problem.nearest, ["8", "9", "2"]);
    }

    #[test]
    fn the_oldest_deprecated_versions_go_and_nothing_else() {
        let check = |state: &str, limit: u32, want: &[Version]| {
            assert_eq!(prune(&versions(state), limit), want, "{state} {limit}");
        };
        check("1d 2d 3d 4d 5l", VERSIONS_KEPT_DEFAULT, &[]);
        check("6l 5d 4d 3d 2d 1d", VERSIONS_KEPT_DEFAULT, &[1]);
        check("1l 2d 3d 4d 5d 6d 7d", 5, &[2, 3]);
        check("1u 2u 3u 4u 5u 6l", 5, &[]);
        check("1u 2d 3l 4u", 1, &[2]);
        check("1l 2d", 1, &[]);
        check("1d 2d 3l", 0, &[]);
    }

    #[test]
    fn a_rollback_goes_one_version_further_back() {
        let check = |state: &str, want: Option<Version>| {
            assert_eq!(rollback_target(&versions(state)), want, "{state}");
        };
        check("1d 2d 3l", Some(2));
        check("1d 2l 3d", Some(1));
        check("1u 2l", None);
        check("1d 2u", None);
    }

    #[track_caller]
    fn check_start(namespace: &str, gate: StartGate, want: Result<Version, (&str, &str)>) {
        let got = may_start(&key(namespace), &gate);
        let got = got.map_err(|problem| {
            assert_eq!(problem.kind, Kind::Rejected);
            (problem.reason, problem.next)
        });
        assert_eq!(got.as_ref().map_err(|(reason, next)| (*reason, next.as_str())).copied(), want);
    }

    #[test]
    fn a_refused_start_names_the_command_that_helps() {
        let open = StartGate { ingress_on: true, enabled: true, live: Some(2), newest: Some(3) };
        check_start("default", open, Ok(2));
        check_start(
            "default",
            StartGate { ingress_on: false, enabled: false, ..open },
            Err(("INGRESS_OFF", "`gofer service toggle-event-ingress` lets runs in again")),
        );
        check_start(
            "default",
            StartGate { enabled: false, live: None, ..open },
            Err(("PIPELINE_DISABLED", "`gofer pipeline enable simple` lets it start again")),
        );
        check_start(
            "default",
            StartGate { live: None, ..open },
            Err((
                "NOTHING_DEPLOYED",
                "`gofer pipeline deploy simple 3` makes its newest version live",
            )),
        );
        check_start(
            "staging",
            StartGate { live: None, newest: Some(1), ..open },
            Err((
                "NOTHING_DEPLOYED",
                "`gofer pipeline deploy simple 1 --namespace staging` makes its newest version live",
            )),
        );
        check_start(
            "default",
            StartGate { live: None, newest: None, ..open },
            Err(("NOTHING_DEPLOYED", "`gofer up` registers and deploys it")),
        );
    }

    #[test]
    fn the_smaller_limit_wins_and_0_is_none() {
        assert_eq!(effective_parallelism(0, 0), None);
        assert_eq!(effective_parallelism(3, 0), Some(3));
        assert_eq!(effective_parallelism(0, 2), Some(2));
        assert_eq!(effective_parallelism(3, 2), Some(2));
        assert_eq!(effective_parallelism(1, 2), Some(1));
    }

    proptest! {
        /// Registers, deploys and prunes at random: numbers are never given twice, at most one
        /// version is live, and the live and the newest one are always there.
        #[test]
        fn versions_live_through_any_sequence(
            steps in prop::collection::vec((0_u64..9, any::<bool>()), 1..60),
            limit in 0_u32..4,
        ) {
            let mut held: Vec<VersionEntry> = Vec::new();
            let mut given = std::collections::BTreeSet::new();
            for (number, is_deploy) in steps {
                let newest = held.iter().map(|entry| entry.version).max();
                let target = newest.unwrap_or(0).saturating_sub(number);
                if !is_deploy {
                    let Registration::New(version) = register(newest.map(|version| ("old", version)), "new")
                    else { panic!("other content is a new version") };
                    prop_assert!(given.insert(version), "version {version} was given twice");
                    held.push(VersionEntry { version, state: ConfigState::Unreleased });
                } else if let Ok(Deploy::Switch { from, to }) = deploy(&key("default"), &held, target, None) {
                    for entry in &mut held {
                        if Some(entry.version) == from { entry.state = ConfigState::Deprecated; }
                        if entry.version == to { entry.state = ConfigState::Live; }
                    }
                }
                let live_before = live_version(&held);
                let newest_before = held.iter().map(|entry| entry.version).max();
                let pruned = prune(&held, limit);
                held.retain(|entry| !pruned.contains(&entry.version));
                prop_assert_eq!(live_version(&held), live_before);
                prop_assert_eq!(held.iter().map(|entry| entry.version).max(), newest_before);
                prop_assert!(held.iter().filter(|entry| entry.state == ConfigState::Live).count() <= 1);
            }
        }
    }
}
