//! The failures of commands.

use anyhow::anyhow;
use tonic::{Code, Status};

use crate::client::{Error, describe};

/// The reason why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request cannot be carried out: wrong flags, a port in use, an unreadable file. Exit code
    /// 2.
    Usage(anyhow::Error),
    /// The command failed while it ran. Exit code 1.
    Failed(anyhow::Error),
}

impl Failure {
    /// Changes the text.
    pub(crate) fn map_text(self, change: impl FnOnce(&str) -> String) -> Self {
        let changed = |error: anyhow::Error| anyhow!(change(&format!("{error:#}")));
        match self {
            Self::Usage(error) => Self::Usage(changed(error)),
            Self::Failed(error) => Self::Failed(changed(error)),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Address { .. } | Error::Options(_) => Self::Usage(error.into()),
            Error::Cursors { foreign: true, .. } => Self::Usage(error.into()),
            Error::Tls { .. } | Error::Cursors { .. } => Self::Failed(error.into()),
            Error::Unreachable { .. } => Self::Failed(anyhow!("{error}: is `frameway serve` running there?")),
            Error::Refused(status) => of_status(describe(&status), &status),
        }
    }
}

/// Turns a refused call into a failure; `action` names the action, for example `creating the group`.
pub(crate) fn refused(action: &str, status: &Status) -> Failure {
    of_status(format!("{action}: {}", describe(status)), status)
}

/// Turns an error of the client into a failure; `action` names the action.
pub(crate) fn failure_while(action: &str, error: Error) -> Failure {
    match error {
        Error::Refused(status) => refused(action, &status),
        Error::Address { .. }
        | Error::Options(_)
        | Error::Unreachable { .. }
        | Error::Tls { .. }
        | Error::Cursors { .. } => error.into(),
    }
}

fn of_status(text: String, status: &Status) -> Failure {
    // The caller wrote something invalid; the server is not at fault.
    let invalid = status.code() == Code::InvalidArgument;
    if invalid { Failure::Usage(anyhow!(text)) } else { Failure::Failed(anyhow!(text)) }
}
