//! What a failed Docker call means. Docker tells most faults apart by text only, so the words that
//! count stand here and nowhere else. Unsure texts become [`FaultKind::Engine`], which is
//! retryable: a wrong final "no" would fail a user's run for nothing.

use bollard::errors::Error;
use gofer_core::ports::driver::{DriverError, FaultKind};
use gofer_images::Reference;

/// Words of an engine that has no room. The last two come from a bridge network that is full.
const CAPACITY: &[&str] = &[
    "no space left on device",
    "disk quota exceeded",
    "cannot allocate memory",
    "resource temporarily unavailable",
    "too many open files",
    "no available ipv4 addresses",
    "exchange full",
];
/// Words of a registry that knows us not, or forbids.
const REFUSED: &[&str] = &[
    "unauthorized",
    "no basic auth credentials",
    "authentication required",
    "incorrect username or password",
    "denied",
    "forbidden",
];
/// Words of an image that is not there and will not come by asking again.
const MISSING: &[&str] = &[
    "manifest unknown",
    "not found",
    "does not exist",
    "name unknown",
    "no matching manifest",
    "no such image",
    "invalid reference",
    "invalid repository name",
    "unsupported media type",
];
/// Words of a registry that cannot be reached at all: no network, no such name, nobody there.
const UNREACHED: &[&str] = &[
    "no such host",
    "name resolution",
    "server misbehaving",
    "network is unreachable",
    "no route to host",
    "connection refused",
];
/// Words of a network between engine and registry that failed, whatever else the text says.
const HICCUP: &[&str] = &["connection reset", "timeout", "toomanyrequests", "eof"];

/// Words of an archive that is damaged, beyond what we look at ourselves: its layers.
const DAMAGED: &[&str] = &[
    "invalid diffid",
    "unexpected eof",
    "invalid tar header",
    "invalid checksum",
    "gzip:",
    "breakout",
    "invalid manifest",
    "invalid argument",
    "no such file or directory",
    "invalid character",
    "unsupported",
];

/// The fault of a call that was to do `tried` (for example "inspect container x").
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all that is left is transport, and a new kind of it would be too"
)]
pub(crate) fn of_call(tried: &str, error: &Error) -> DriverError {
    match error {
        Error::DockerResponseServerError { status_code: 502..=504, message } => {
            DriverError::new(FaultKind::Unreachable, format!("could not {tried}: {message}"))
        }
        Error::DockerResponseServerError { message, .. } => of_text(tried, message),
        Error::DockerStreamError { error } => of_text(tried, error),
        Error::JsonDataError { .. }
        | Error::JsonSerdeError { .. }
        | Error::StrParseError { .. } => {
            let message = format!("could not {tried}: the answer is not understood: {error}");
            DriverError::new(FaultKind::Engine, message)
        }
        Error::UnsupportedURISchemeError { .. }
        | Error::URLParseError { .. }
        | Error::InvalidURIError { .. }
        | Error::InvalidURIPartsError { .. }
        | Error::URLEncodedError { .. } => {
            DriverError::new(FaultKind::Config, format!("could not {tried}: {error}"))
        }
        // All that is left is transport: the engine gave no answer, so nothing is known.
        _ => {
            DriverError::new(FaultKind::Unreachable, format!("could not {tried}: {}", chain(error)))
        }
    }
}

/// The fault of a container that could not be made or started, from the engine's text.
pub(crate) fn of_start(tried: &str, text: &str) -> DriverError {
    let lower = text.to_lowercase();
    let execs = lower.contains("exec:") || lower.contains("executable file not found");
    let exit_code = if execs && has(&lower, &["not found", "no such file or directory"]) {
        Some(127)
    } else if execs && has(&lower, &["permission denied", "is a directory", "not a directory"]) {
        Some(126)
    } else {
        None
    };
    let settings = &[
        "unable to find user",
        "unable to find group",
        "uids and gids must be",
        "chdir to cwd",
        "cannot mkdir",
    ];
    if exit_code.is_none() && !has(&lower, settings) {
        return of_text(tried, text);
    }
    let message = format!("could not {tried}: {text}");
    DriverError { exit_code, ..DriverError::new(FaultKind::Config, message) }
}

/// The fault of a pull, from the engine's or the registry's text.
pub(crate) fn of_pull(image: &str, text: &str) -> DriverError {
    let lower = without_name(&text.to_lowercase(), image);
    if has(&lower, CAPACITY) {
        return DriverError::new(
            FaultKind::Capacity,
            format!("could not pull image {image}: {text}"),
        );
    }
    if has(&lower, UNREACHED) {
        let message =
            format!("could not pull image {image}, the registry cannot be reached: {text}");
        return DriverError { retryable: true, ..DriverError::new(FaultKind::Image, message) };
    }
    if has(&lower, HICCUP) {
        let message = format!("could not pull image {image}, the registry did not answer: {text}");
        return DriverError { retryable: true, ..DriverError::new(FaultKind::Image, message) };
    }
    // Docker's hub says "denied" and "does not exist" in one breath, since it tells nobody which.
    let what = match (has(&lower, REFUSED), has(&lower, MISSING)) {
        (true, true) => "it does not exist, or the registry needs other credentials",
        (true, false) => "the registry refused the credentials",
        (false, true) => "there is no such image",
        (false, false) => {
            let message = format!("could not pull image {image}: {text}");
            return DriverError { retryable: true, ..DriverError::new(FaultKind::Image, message) };
        }
    };
    DriverError::new(FaultKind::Image, format!("could not pull image {image}, {what}: {text}"))
}

/// The fault of an archive that could not be loaded, from the engine's text.
pub(crate) fn of_load(text: &str) -> DriverError {
    let tried = "load the image archive";
    let lower = text.to_lowercase();
    if has(&lower, DAMAGED) && !has(&lower, CAPACITY) {
        return DriverError::new(FaultKind::Image, format!("could not {tried}: {text}"));
    }
    of_text(tried, text)
}

/// Whether the engine said "no such thing".
pub(crate) fn is_absent(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, .. })
}

/// Whether the engine said "not in this state", or that the name is taken.
pub(crate) fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 409, .. })
}

/// The fault of a call that was given up.
pub(crate) fn of_deadline(tried: &str, limit_s: u64) -> DriverError {
    let message = format!("could not {tried}: no answer within {limit_s} seconds");
    DriverError::new(FaultKind::Unreachable, message)
}

fn of_text(tried: &str, text: &str) -> DriverError {
    let kind =
        if has(&text.to_lowercase(), CAPACITY) { FaultKind::Capacity } else { FaultKind::Engine };
    DriverError::new(kind, format!("could not {tried}: {text}"))
}

/// The text without the words in which the image's name stands: "geofence" is no "eof". A word that
/// goes though it only looks like the name leaves an unsure text, which is retryable.
fn without_name(lower: &str, image: &str) -> String {
    let parts = |text: &'_ str| -> Vec<String> {
        let pieces = text.split(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)));
        let trimmed = pieces.map(|piece| piece.trim_matches(['.', '_', '-']));
        trimmed.filter(|piece| !piece.is_empty()).map(str::to_owned).collect()
    };
    let name = parts(&Reference::parse(image).name.to_lowercase());
    let is_name = |word: &&str| parts(word).iter().any(|part| name.contains(part));
    lower.split_whitespace().filter(|word| !is_name(word)).collect::<Vec<_>>().join(" ")
}

fn has(lower: &str, words: &[&str]) -> bool {
    words.iter().any(|word| lower.contains(word))
}

/// The error with its causes: the library's own text stops at "client error (Connect)".
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_pull(text: &str, kind: FaultKind, retryable: bool) {
        let fault = of_pull("a/b:1", text);
        assert_eq!((fault.kind, fault.retryable), (kind, retryable), "{text}");
        assert!(fault.message.contains(text) && fault.message.contains("a/b:1"));
    }

    #[track_caller]
    fn check_start(text: &str, kind: FaultKind, exit_code: Option<i32>) {
        let fault = of_start("start container x", text);
        assert_eq!((fault.kind, fault.exit_code), (kind, exit_code), "{text}");
    }

    #[test]
    fn a_pull_that_can_never_work_is_final_and_a_hiccup_is_not() {
        check_pull("manifest for a/b:1 not found: manifest unknown", FaultKind::Image, false);
        check_pull(
            "pull access denied for a/b, repository does not exist",
            FaultKind::Image,
            false,
        );
        check_pull("unauthorized: authentication required", FaultKind::Image, false);
        check_pull("no matching manifest for linux/arm64 in the list", FaultKind::Image, false);
        check_pull("dial tcp 127.0.0.1:1: connect: connection refused", FaultKind::Image, true);
        check_pull("lookup registry: no such host", FaultKind::Image, true);
        check_pull("dial tcp 192.0.2.1:443: network is unreachable", FaultKind::Image, true);
        let lost = of_pull("a/b:1", "dial tcp: lookup registry: no such host").message;
        assert!(lost.contains("the registry cannot be reached"), "{lost}");
        check_pull(
            "received unexpected HTTP status: 503 Service Unavailable",
            FaultKind::Image,
            true,
        );
        check_pull("toomanyrequests: you have reached your limit", FaultKind::Image, true);
        check_pull("write /var/lib/x: no space left on device", FaultKind::Capacity, true);
    }

    #[test]
    fn words_in_the_name_of_an_image_are_not_the_engines() {
        let denied =
            "pull access denied for {}, repository does not exist or may require 'docker login'";
        let unknown = "manifest for {} not found: manifest unknown";
        let lost = "Get \"https://registry-1.docker.io/v2/{}/manifests/1\": EOF";
        for image in
            ["geofence:1", "org/timeout-test:latest", "library/eof", "h:5000/no-eof@sha256:ab"]
        {
            for (text, retryable) in [(denied, false), (unknown, false), (lost, true)] {
                let text = text.replace("{}", image);
                let fault = of_pull(image, &text);
                assert_eq!((fault.kind, fault.retryable), (FaultKind::Image, retryable), "{text}");
                assert!(fault.message.contains(&text));
            }
        }
        let full = of_pull("denied/not", "write /var/lib/x: no space left on device");
        assert_eq!(full.kind, FaultKind::Capacity);
    }

    #[test]
    fn a_command_that_cannot_start_gets_the_shells_exit_code() {
        let exec = "runc create failed: unable to start container process: exec:";
        let not_found = format!("{exec} \"x\": executable file not found in $PATH: unknown");
        check_start(&not_found, FaultKind::Config, Some(127));
        let no_file = format!("{exec} \"./x\": stat ./x: no such file or directory: unknown");
        check_start(&no_file, FaultKind::Config, Some(127));
        let denied = format!("{exec} \"/bin\": permission denied: unknown");
        check_start(&denied, FaultKind::Config, Some(126));
        check_start("unable to find user x: no matching entries", FaultKind::Config, None);
        check_start("uids and gids must be in range 0-2147483647", FaultKind::Config, None);
        check_start("mkdir /var/lib/x: no space left on device", FaultKind::Capacity, None);
        check_start("context deadline exceeded", FaultKind::Engine, None);
    }
}
