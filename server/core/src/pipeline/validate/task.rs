//! Rules within one task: each field is checked on its own, so that one bad field hides no other.

use std::collections::BTreeMap;

use super::fault::{Fault, Faults, code};
use super::parents::{TaskNames, named};
use super::{broken_description, broken_timeout, place_of, process, syntax};
use crate::ids::TaskId;
use crate::pipeline::config::{PullPolicy, RegistryAuth, Retries, TaskConfig};
use crate::pipeline::draft::{DraftPair, DraftRegistryAuth, DraftRetries, DraftTask, Place};
use crate::pipeline::limits::{
    CPU_MILLI_MAX, CREDENTIAL_BYTES_MAX, LABELS_MAX, MEMORY_BYTES_MAX, MEMORY_BYTES_MIN,
    RETRIES_MAX, RETRY_FACTOR_MAX, RETRY_WAIT_MS_MAX,
};
use crate::pipeline::text::{quote, shorten};
use crate::placeholder::{self, PlaceholderFault};
use crate::variables::broken_rules;

/// Checks task number `at`. Gives its config, or none after reporting at least one fault.
pub(super) fn check(
    at: usize,
    task: &DraftTask,
    names: &TaskNames<'_>,
    faults: &mut Faults,
) -> Option<TaskConfig> {
    let depends_on = names.check_parents(at, task, faults);
    let mut check = TaskCheck { task, shown: names.shown(at), faults };
    let id = check.id();
    check.plain_fields();
    let process = process::check(&mut check);
    let registry_auth = check.registry_auth();
    let pull_policy = check.pull_policy();
    let variables = check.variables();
    let labels = check.labels();
    let retries = check.retries();
    let cpu_milli = check.cpu_milli();
    let memory_bytes = check.memory_bytes();
    // Only now may a bad id end the check: everything else is reported.
    Some(TaskConfig {
        id: id?,
        description: task.description.clone(),
        image: task.image.clone(),
        registry_auth,
        pull_policy,
        depends_on,
        variables,
        entrypoint: process.entrypoint,
        command: process.command,
        script: task.script.clone(),
        retries,
        timeout_ms: task.timeout_ms,
        cpu_milli,
        memory_bytes,
        user: (!task.user.is_empty()).then(|| task.user.clone()),
        workdir: (!task.workdir.is_empty()).then(|| task.workdir.clone()),
        labels,
    })
}

/// A task under check. Each method reports what it finds and gives the checked value; where there
/// was a fault, the value is never used.
pub(super) struct TaskCheck<'a> {
    pub(super) task: &'a DraftTask,
    /// What messages call the task.
    shown: String,
    faults: &'a mut Faults,
}

impl TaskCheck<'_> {
    /// A fault of this task's field. The message begins with the task's name; a sentence about the
    /// task itself ("it has no image") reads on from there.
    pub(super) fn fault(&self, code: &'static str, field: &str, message: &str) -> Fault {
        let shown = &self.shown;
        let field = format!("tasks[{shown}].{field}");
        let message = match message.strip_prefix("it ") {
            Some(rest) => format!("{} {rest}", named(shown)),
            None => format!("{}: {message}", named(shown)),
        };
        Fault::new(code, &field, &message).at(self.task.place.as_ref())
    }

    /// Reports a fault of this task.
    pub(super) fn report(&mut self, code: &'static str, field: &str, message: &str) {
        let fault = self.fault(code, field, message);
        self.faults.add(fault);
    }

    /// Reports a fault that was put together elsewhere.
    pub(super) fn add(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    /// Reports a broken rule of syntax.
    fn broken(&mut self, code: &'static str, field: &str, broken: Option<syntax::Broken>) {
        let Some(broken) = broken else { return };
        let fault = self.fault(code, field, &broken.rule);
        self.faults.add(fault.maybe_help(broken.help));
    }

    fn id(&mut self) -> Option<TaskId> {
        match TaskId::parse(&self.task.id) {
            Ok(id) => Some(id),
            Err(problem) => {
                // The rule names the id; the number of the task stands in the field.
                let fault = self.fault(code::ID, "id", "");
                self.add(
                    Fault::new(code::ID, &fault.field, &problem.message)
                        .at(self.task.place.as_ref()),
                );
                None
            }
        }
    }

    fn plain_fields(&mut self) {
        let task = self.task;
        if let Some(rule) = broken_description(&task.description) {
            self.report(code::DESCRIPTION, "description", &format!("its description {rule}"));
        }
        if task.image.is_empty() {
            self.report(code::IMAGE_EMPTY, "image", "it has no image");
        } else {
            self.broken(code::IMAGE, "image", syntax::broken_image(&task.image));
        }
        if let Some(rule) = broken_timeout(task.timeout_ms) {
            self.report(code::TIMEOUT, "timeout", &format!("its time limit {rule}"));
        }
        if !task.user.is_empty() {
            self.broken(code::USER, "user", syntax::broken_user(&task.user));
        }
        if !task.workdir.is_empty() {
            self.broken(code::WORKDIR, "workdir", syntax::broken_workdir(&task.workdir));
        }
        if task.inject_api_token {
            let message = "an API token needs access control, which this server does not have yet";
            let fault = self.fault(code::API_TOKEN, "inject_api_token", message);
            self.add(fault.help("leave `inject_api_token` out"));
        }
    }

    fn variables(&mut self) -> BTreeMap<String, String> {
        let task = self.task;
        let pairs = task.variables.iter().map(|pair| (pair.key.as_str(), pair.value.as_str()));
        for broken in broken_rules(pairs) {
            let pair = broken.variable.as_ref().and_then(|(at, _)| task.variables.get(*at));
            let place = place_of(pair.and_then(|pair| pair.place.as_ref()), task.place.as_ref());
            let fault = self.fault(broken.code, &broken.field("variables"), &broken.message);
            self.add(fault.at(place));
        }
        for pair in &task.variables {
            let place = place_of(pair.place.as_ref(), task.place.as_ref());
            let field = format!("variables[{}]", shorten(&pair.key));
            let what = format!("variable {}", quote(&pair.key));
            self.placeholders(&field, &what, &pair.value, place);
        }
        by_key(&task.variables)
    }

    /// Reports the faults of the placeholders in a value; `what` names it.
    fn placeholders(&mut self, field: &str, what: &str, value: &str, place: Option<&Place>) {
        let mut found = placeholder::parse(value).err().unwrap_or_default().into_iter();
        while let Some(fault) = found.next() {
            if self.faults.is_full() {
                // A value of 4 MiB may hold a million faults.
                self.faults.count(found.len() + 1);
                return;
            }
            let code = match fault {
                PlaceholderFault::Unknown { .. } => code::PLACEHOLDER_UNKNOWN,
                PlaceholderFault::Unterminated { .. } => code::PLACEHOLDER_OPEN,
                PlaceholderFault::BadKey { .. } => code::PLACEHOLDER_KEY,
            };
            let message = format!("{what}: {fault}");
            let report = self.fault(code, field, &message).at(place);
            let help = if self.faults.has_few() { fault.help() } else { None };
            self.add(report.maybe_help(help));
        }
    }

    fn labels(&mut self) -> BTreeMap<String, String> {
        let task = self.task;
        let mut seen = BTreeMap::new();
        for pair in &task.labels {
            let place = place_of(pair.place.as_ref(), task.place.as_ref());
            let field = format!("labels[{}]", shorten(&pair.key));
            let twice = seen.insert(pair.key.as_str(), ()).is_some();
            let twice = twice.then(|| format!("label {} is set twice", quote(&pair.key)));
            for rule in syntax::broken_label(&pair.key, &pair.value).into_iter().chain(twice) {
                let fault = self.fault(code::LABEL, &field, &rule);
                self.add(fault.at(place));
            }
        }
        if task.labels.len() > LABELS_MAX {
            let message =
                format!("it has {} labels; at most {LABELS_MAX} are allowed", task.labels.len());
            self.report(code::LABEL, "labels", &message);
        }
        by_key(&task.labels)
    }

    fn registry_auth(&mut self) -> Option<RegistryAuth> {
        let auth: &DraftRegistryAuth = self.task.registry_auth.as_ref()?;
        let place = place_of(auth.place.as_ref(), self.task.place.as_ref());
        for (part, text) in [("username", &auth.username), ("password", &auth.password)] {
            let field = format!("registry_auth.{part}");
            let rule = if text.is_empty() {
                Some("is empty".to_owned())
            } else if text.len() > CREDENTIAL_BYTES_MAX {
                Some(format!("has {} bytes; at most 16 KiB are allowed", text.len()))
            } else if text.chars().any(char::is_control) {
                Some("holds a control character".to_owned())
            } else {
                None
            };
            if let Some(rule) = rule {
                let fault = self.fault(
                    code::REGISTRY_AUTH,
                    &field,
                    &format!("the registry's {part} {rule}"),
                );
                self.add(fault.at(place));
            }
            self.placeholders(&field, &format!("the registry's {part}"), text, place);
        }
        Some(RegistryAuth { username: auth.username.clone(), password: auth.password.clone() })
    }

    fn pull_policy(&mut self) -> PullPolicy {
        let text = self.task.pull_policy.replace('_', "-").to_ascii_lowercase();
        match text.as_str() {
            "" | "if-not-present" => PullPolicy::IfNotPresent,
            "always" => PullPolicy::Always,
            "never" => PullPolicy::Never,
            // The rest is no policy; the value given back is not used after a fault.
            _ => {
                let message = format!("there is no pull policy {}", quote(&self.task.pull_policy));
                let fault = self.fault(code::PULL_POLICY, "pull_policy", &message);
                self.add(fault.help("write `if-not-present`, `always` or `never`"));
                PullPolicy::IfNotPresent
            }
        }
    }

    fn retries(&mut self) -> Retries {
        let Some(retries) = &self.task.retries else { return Retries::NONE };
        let place = place_of(retries.place.as_ref(), self.task.place.as_ref());
        for (field, rule) in broken_retries(retries) {
            let fault = self.fault(code::RETRIES, &format!("retries.{field}"), &rule);
            self.add(fault.at(place));
        }
        Retries {
            count: retries.count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
            delay_ms: retries.delay_ms.unwrap_or(0),
            factor_milli: factor_milli(retries.factor.unwrap_or(1.0)),
            cap_ms: retries.cap_ms,
        }
    }

    fn cpu_milli(&mut self) -> Option<u32> {
        let milli = self.task.cpu_milli?;
        if !(1..=CPU_MILLI_MAX).contains(&milli) {
            let message = format!(
                "its share is {milli} thousandths of a CPU; 1 to {CPU_MILLI_MAX} are allowed"
            );
            self.report(code::CPU, "cpu", &message);
        }
        u32::try_from(milli).ok()
    }

    fn memory_bytes(&mut self) -> Option<u64> {
        let bytes = self.task.memory_bytes?;
        if !(MEMORY_BYTES_MIN..=MEMORY_BYTES_MAX).contains(&bytes) {
            let message = format!("its memory limit is {bytes} bytes; 6 MiB to 1 PiB are allowed");
            self.report(code::MEMORY, "memory", &message);
        }
        Some(bytes)
    }
}

/// Pairs by key. Of doubles, which are faults, the last stays.
fn by_key(pairs: &[DraftPair]) -> BTreeMap<String, String> {
    pairs.iter().map(|pair| (pair.key.clone(), pair.value.clone())).collect()
}

/// The rules that retries break, with the field of each.
fn broken_retries(retries: &DraftRetries) -> Vec<(&'static str, String)> {
    let mut broken = Vec::new();
    if let Some(count) = retries.count.filter(|count| *count > RETRIES_MAX) {
        broken
            .push(("count", format!("it has {count} retries; at most {RETRIES_MAX} are allowed")));
    }
    let factor = retries.factor.unwrap_or(1.0);
    // Written so that what is no number at all fails as well.
    if !(1.0..=RETRY_FACTOR_MAX).contains(&factor) {
        broken.push((
            "factor",
            format!("the retry factor is {factor}; 1 to {RETRY_FACTOR_MAX} are allowed"),
        ));
    }
    for (field, ms) in [("delay", retries.delay_ms), ("cap", retries.cap_ms)] {
        if let Some(ms) = ms.filter(|ms| *ms > RETRY_WAIT_MS_MAX) {
            broken.push((field, format!("the retry {field} is {ms} ms; at most a day is allowed")));
        }
    }
    if let (Some(delay), Some(cap)) = (retries.delay_ms, retries.cap_ms)
        && cap < delay
    {
        broken.push((
            "cap",
            format!("the retry cap, {cap} ms, is shorter than the delay, {delay} ms"),
        ));
    }
    broken
}

/// A factor in thousandths, rounded; 1000 where it is out of bounds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the factor lies between 1 and 100, so its thousandths fit"
)]
fn factor_milli(factor: f64) -> u32 {
    if (1.0..=RETRY_FACTOR_MAX).contains(&factor) { (factor * 1000.0).round() as u32 } else { 1000 }
}
