//! Questions before a deletion. Without a terminal nothing is asked: the flag that answers is named.

use std::io::BufRead;

use crate::context::Context;
use crate::failure::Failure;

/// Has the id typed back, unless `--yes` was given. `what` names the thing, as in ``pipeline `simple` ``.
pub(crate) fn type_back(context: &mut Context, what: &str, id: &str) -> Result<(), Failure> {
    if context.settings.yes {
        return Ok(());
    }
    if context.settings.no_input || !context.settings.stdin_is_terminal {
        return Err(
            Failure::invalid(format!("deleting {what} needs to be confirmed")).next("add --yes")
        );
    }
    let place = format!("on {}", context.settings.host);
    context.out.warn(&format!("This deletes {what} {place} for ever. Type `{id}` to go on:"));
    let mut typed = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut typed)
        .map_err(|error| Failure::internal("read the answer", &error))?;
    if typed.trim() == id {
        return Ok(());
    }
    Err(Failure::invalid(format!("`{}` is not `{id}`, so nothing was deleted", typed.trim())))
}
