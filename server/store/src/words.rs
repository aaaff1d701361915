//! Values in columns and back, in one place. Enums are stored as the words of the core's own serde
//! names, so that there is one list of them; what is only read back is stored as JSON. A stored
//! value that does not read back is an error with its name, never a guess.

use gofer_core::run::{Actor, ActorKind, TaskState};
use serde::Serialize;
use serde::de::value::{Error as WordError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};

use crate::error::StoreError;

/// The word of a unit variant.
pub(crate) fn word(value: impl Serialize) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        Ok(other) => Err(StoreError::unreadable("word", format!("{other} is not one"))),
        Err(source) => Err(StoreError::unreadable("word", source)),
    }
}

/// The unit variant of a word.
pub(crate) fn from_word<T: DeserializeOwned>(
    what: &'static str,
    word: &str,
) -> Result<T, StoreError> {
    let word: StrDeserializer<'_, WordError> = word.into_deserializer();
    T::deserialize(word).map_err(|source| StoreError::unreadable(what, source))
}

/// A value as JSON.
pub(crate) fn json(what: &'static str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::unreadable(what, source))
}

/// The value of a JSON text.
pub(crate) fn from_json<T: DeserializeOwned>(
    what: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::unreadable(what, source))
}

/// A name of the core's from its column.
pub(crate) fn parsed<T: TryFrom<String>>(what: &'static str, text: String) -> Result<T, StoreError>
where
    T::Error: std::error::Error + Send + Sync + 'static,
{
    T::try_from(text).map_err(|source| StoreError::unreadable(what, source))
}

/// Who did something, from its two columns.
pub(crate) fn actor(kind: &str, name: String) -> Result<Actor, StoreError> {
    Ok(Actor { kind: from_word::<ActorKind>("actor's kind", kind)?, name })
}

/// The word for where a task run is.
pub(crate) fn task_state_word(state: &TaskState) -> &'static str {
    match state {
        TaskState::Waiting => "WAITING",
        TaskState::Backoff { .. } => "BACKOFF",
        TaskState::Starting { .. } => "STARTING",
        TaskState::Running { .. } => "RUNNING",
        TaskState::Stopping { .. } => "STOPPING",
        TaskState::Complete { .. } => "COMPLETE",
    }
}
