//! What a failed pull means: whether there is no such image, the registry refuses us, or it is worth
//! another try. Unsure answers are retryable: a wrong final "no" would fail a user's run for nothing.
//! A registry's own words are shown, cut short and without our password.

use std::error::Error;

use gofer_core::ports::driver::{DriverError, FaultKind};
use gofer_images::{ErrorKind, ImageError};
use oci_client::errors::{OciDistributionError, OciEnvelope, OciErrorCode};
use tokio::task::JoinError;

use super::limits;
use super::login::Login;
use crate::engine::image_fault;

/// Words of a sign-in service that does not know us. All that the client tells of such a service's
/// answer is its text.
const REFUSED: &[&str] =
    &["unauthorized", "denied", "forbidden", "incorrect", "invalid", "authentication required"];

/// Words of a service that is out of order, whatever else it says.
const OUT_OF_ORDER: &[&str] = &[
    "unavailable",
    "bad gateway",
    "gateway time",
    "internal server error",
    "internal error",
    "too many requests",
    "toomanyrequests",
    "timeout",
];

/// What an answer comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// There is no such image.
    Missing,
    /// We are not who may have it.
    Refused,
    /// It is kept from us, or there is none: some registries tell nobody which.
    Hidden,
    /// Nobody answered, or not now.
    Unanswered,
    /// Anything else.
    Unsure,
}

/// Makes faults of one pull.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    pub(super) image: &'a str,
    pub(super) login: &'a Login,
}

impl Judge<'_> {
    /// The fault of a call to the registry.
    pub(super) fn registry(&self, error: &OciDistributionError) -> DriverError {
        let verdict = judge(error);
        let said = said(error);
        let (what, retryable) = match (verdict, self.login.is_known()) {
            (Verdict::Missing, _) => ("there is no such image", false),
            (Verdict::Refused, true) => ("the registry refused the credentials", false),
            (Verdict::Hidden, true) => {
                ("it does not exist, or the registry needs other credentials", false)
            }
            (Verdict::Refused | Verdict::Hidden, false) => {
                ("it does not exist, or the registry needs credentials", false)
            }
            (Verdict::Unanswered, _) => ("the registry did not answer", true),
            (Verdict::Unsure, _) => ("the registry's answer is of no use", true),
        };
        let gap = match (verdict, &self.login.gap) {
            (Verdict::Refused | Verdict::Hidden, Some(gap)) => format!(" ({gap})"),
            (_, Some(_) | None) => String::new(),
        };
        self.fault(retryable, &format!("{what}: {said}{gap}"))
    }

    /// The fault of a machine on which no registry can be asked.
    pub(super) fn no_client(&self, error: &OciDistributionError) -> DriverError {
        let hint = "install ca-certificates, or name a file of such certificates in SSL_CERT_FILE";
        let (image, cause) = (self.image, chain(error));
        crate::fault::engine(format!("could not pull image {image}, TLS fails: {cause}; {hint}"))
    }

    /// The fault of a transfer that broke off.
    pub(super) fn cut(&self, error: &dyn Error) -> DriverError {
        self.fault(true, &format!("the registry broke off: {}", chain(error)))
    }

    /// The fault of a registry that was waited for.
    pub(super) fn silence(&self, tried: &str) -> DriverError {
        let limit = limits::DOCUMENT_LIMIT.as_secs();
        self.fault(true, &format!("the registry did not {tried} within {limit} seconds"))
    }

    /// The fault of content that is not what was promised. Another transfer may bring it whole.
    pub(super) fn damaged(&self, what: &str) -> DriverError {
        self.fault(true, &format!("what came is damaged: {what}"))
    }

    /// The fault of an image that cannot be used, however often it is asked for.
    pub(super) fn useless(&self, why: &str) -> DriverError {
        self.fault(false, why)
    }

    /// The fault of the store in keeping what came.
    pub(super) fn store(&self, error: &ImageError) -> DriverError {
        let fault = image_fault(&format!("pull image {}", self.image), error);
        // What was there and is gone again was pruned meanwhile.
        let retryable = fault.retryable || error.kind == ErrorKind::Missing;
        DriverError { retryable, message: self.login.hide(&fault.message), ..fault }
    }

    /// The same for content: what is not as promised may come whole the next time.
    pub(super) fn content(&self, error: &ImageError) -> DriverError {
        if error.kind == ErrorKind::Damaged {
            return self.damaged(&error.to_string());
        }
        self.store(error)
    }

    /// The fault of another pull, which this one waited for.
    pub(super) fn shared(&self, what: &str, fault: &DriverError) -> DriverError {
        let message = format!(
            "could not pull image {}, another pull of {what} failed: {}",
            self.image, fault.message
        );
        DriverError { message: self.login.hide(&message), ..fault.clone() }
    }

    /// The fault of a step that did not come back: it panicked, or the server goes down.
    pub(super) fn lost(&self, error: &JoinError) -> DriverError {
        crate::fault::of_join(&format!("pull image {}", self.image), error)
    }

    /// The fault of an answer that the client stumbled over.
    pub(super) fn stumble(&self) -> DriverError {
        self.fault(true, "the registry's answer is of no use: it breaks the rules of HTTP")
    }

    fn fault(&self, retryable: bool, what: &str) -> DriverError {
        let message = self.login.hide(&format!("could not pull image {}, {what}", self.image));
        DriverError { retryable, ..DriverError::new(FaultKind::Image, message) }
    }
}

fn judge(error: &OciDistributionError) -> Verdict {
    match error {
        OciDistributionError::UnauthorizedError { .. } => Verdict::Refused,
        OciDistributionError::AuthenticationFailure(text) => of_sign_in(text),
        OciDistributionError::RegistryError { envelope, .. } => of_envelope(envelope),
        OciDistributionError::ServerError { code, .. } => of_status(*code),
        OciDistributionError::ImageManifestNotFoundError(_) => Verdict::Missing,
        OciDistributionError::RequestError(_) | OciDistributionError::IoError(_) => {
            Verdict::Unanswered
        }
        OciDistributionError::ConfigConversionError(_)
        | OciDistributionError::DigestError(_)
        | OciDistributionError::GenericError(_)
        | OciDistributionError::HeaderValueError(_)
        | OciDistributionError::ImageIndexParsingNoPlatformResolverError
        | OciDistributionError::IncompatibleLayerMediaTypeError(_)
        | OciDistributionError::JsonError(_)
        | OciDistributionError::ManifestEncodingError(_)
        | OciDistributionError::ManifestParsingError(_)
        | OciDistributionError::PushNoDataError
        | OciDistributionError::PushLayerNoDataError
        | OciDistributionError::PullNoLayersError
        | OciDistributionError::RegistryNoDigestError
        | OciDistributionError::RegistryNoLocationError
        | OciDistributionError::RegistryTokenDecodeError(_)
        | OciDistributionError::SpecViolationError(_)
        | OciDistributionError::UrlParseError(_)
        | OciDistributionError::UnsupportedMediaTypeError(_)
        | OciDistributionError::UnsupportedSchemaVersionError(_)
        | OciDistributionError::VersionedParsingError(_) => Verdict::Unsure,
    }
}

/// The first code that says something counts.
fn of_envelope(envelope: &OciEnvelope) -> Verdict {
    let verdict = |code: &OciErrorCode| match code {
        OciErrorCode::Unauthorized => Verdict::Refused,
        // The hub answers so for what does not exist, too.
        OciErrorCode::Denied => Verdict::Hidden,
        OciErrorCode::ManifestUnknown
        | OciErrorCode::NameUnknown
        | OciErrorCode::NameInvalid
        | OciErrorCode::NotFound
        | OciErrorCode::BlobUnknown
        | OciErrorCode::ManifestBlobUnknown
        | OciErrorCode::TagInvalid => Verdict::Missing,
        OciErrorCode::Toomanyrequests => Verdict::Unanswered,
        OciErrorCode::BlobUploadInvalid
        | OciErrorCode::BlobUploadUnknown
        | OciErrorCode::DigestInvalid
        | OciErrorCode::ManifestInvalid
        | OciErrorCode::ManifestUnverified
        | OciErrorCode::SizeInvalid
        | OciErrorCode::Unsupported
        | OciErrorCode::Other(_) => Verdict::Unsure,
    };
    let mut verdicts = envelope.errors.iter().map(|error| verdict(&error.code));
    verdicts.find(|verdict| *verdict != Verdict::Unsure).unwrap_or(Verdict::Unsure)
}

fn of_status(code: u16) -> Verdict {
    match code {
        401 => Verdict::Refused,
        403 => Verdict::Hidden,
        404 | 410 => Verdict::Missing,
        408 | 425 | 429 | 500..=599 => Verdict::Unanswered,
        _ => Verdict::Unsure, // any other number
    }
}

fn of_sign_in(text: &str) -> Verdict {
    let lower = text.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(OUT_OF_ORDER) {
        Verdict::Unanswered
    } else if has(REFUSED) || lower.trim().is_empty() {
        Verdict::Refused
    } else {
        Verdict::Unsure
    }
}

/// The registry's words, without addresses and line breaks.
fn said(error: &OciDistributionError) -> String {
    let text = if let OciDistributionError::RegistryError { envelope, .. } = error {
        let words = envelope.errors.iter().map(|error| {
            if error.message.is_empty() {
                format!("{:?}", error.code)
            } else {
                error.message.clone()
            }
        });
        words.collect::<Vec<String>>().join("; ")
    } else if let OciDistributionError::ServerError { code, message, .. } = error {
        format!("HTTP status {code} {message}")
    } else {
        chain(error)
    };
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let shown: String = text.trim().chars().map(printable).take(limits::SAID_CHARS_MAX).collect();
    shown
}

/// The error with its causes: the client's own text stops at "error sending request".
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
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
    use gofer_core::ports::driver::RegistryLogin;

    async fn login(password: Option<&str>) -> Login {
        let reference = gofer_images::Reference::parse("r.io/a:1");
        let task = password.map(|password| RegistryLogin {
            username: "me".to_owned(),
            password: password.to_owned(),
        });
        super::super::login::find(task.as_ref(), None, &reference).await
    }

    fn envelope(code: &str) -> OciDistributionError {
        let text = format!(
            r#"{{"errors":[{{"code":"X","message":""}},{{"code":"{code}","message":"m"}}]}}"#
        );
        let envelope = serde_json::from_str(&text).unwrap();
        OciDistributionError::RegistryError { envelope, url: "u".to_owned() }
    }

    fn status(code: u16) -> OciDistributionError {
        OciDistributionError::ServerError { code, url: "u".to_owned(), message: "m".to_owned() }
    }

    #[tokio::test]
    async fn what_can_never_work_is_final_and_a_hiccup_is_not() {
        let (someone, nobody) = (login(Some("hunter22")).await, login(None).await);
        let check = |error: &OciDistributionError, login: &Login, retryable: bool, text: &str| {
            let fault = Judge { image: "r.io/a:1", login }.registry(error);
            assert_eq!((fault.kind, fault.retryable), (FaultKind::Image, retryable), "{fault:?}");
            assert!(fault.message.contains(text), "{fault:?}");
            assert!(fault.message.contains("r.io/a:1") && !fault.message.contains("hunter22"));
        };
        check(&envelope("MANIFEST_UNKNOWN"), &someone, false, "no such image");
        check(&envelope("NAME_UNKNOWN"), &nobody, false, "no such image");
        check(&envelope("UNAUTHORIZED"), &someone, false, "refused the credentials");
        check(&envelope("DENIED"), &nobody, false, "needs credentials");
        check(&envelope("TOOMANYREQUESTS"), &nobody, true, "did not answer");
        check(&envelope("ARTIFACT_LOCKED"), &nobody, true, "of no use");
        check(&status(404), &nobody, false, "no such image");
        check(&status(403), &someone, false, "other credentials");
        check(&status(503), &someone, true, "did not answer");
        check(&status(302), &someone, true, "of no use");
        let sign_in = |text: &str| OciDistributionError::AuthenticationFailure(text.to_owned());
        check(&sign_in("incorrect username or password"), &someone, false, "credentials");
        check(&sign_in("the password hunter22 is incorrect"), &someone, false, "***");
        check(&sign_in(""), &someone, false, "credentials");
        check(&sign_in("<h1>503 Service Unavailable</h1>"), &someone, true, "did not answer");
        check(&sign_in("?"), &someone, true, "of no use");
    }

    #[tokio::test]
    async fn a_registrys_words_are_cut_short_and_on_one_line() {
        let login = login(None).await;
        let message = format!("a\nb\u{1b}[1m{}", "x".repeat(10_000));
        let error = OciDistributionError::ServerError { code: 500, url: String::new(), message };
        let fault = Judge { image: "a", login: &login }.registry(&error);
        assert!(
            fault.message.len() < 500 && !fault.message.contains(['\n', '\u{1b}']),
            "{fault:?}"
        );
    }
}
