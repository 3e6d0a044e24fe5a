//! What crosses the wire, and the numbers that a client sees.

use super::*;

/// What comes out at the other end of the wire.
pub fn crossed<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_slice(&serde_json::to_vec(value).unwrap()).unwrap()
}

/// The command as a user's object gets it: from a Worker, from an upgrade's header, or made by the object itself.
pub(super) fn arrived(command: &Command) -> Command {
    match command {
        Command::Open(opening) => Command::Open(Box::new(crossed(opening.as_ref()))),
        Command::OpenConsole(opening) => Command::OpenConsole(Box::new(crossed(opening.as_ref()))),
        Command::IssueToken { .. }
        | Command::VerifyToken { .. }
        | Command::VerifyBearer(_)
        | Command::Unlock { .. }
        | Command::Overview { .. }
        | Command::Snapshot { .. }
        | Command::Restore(_)
        | Command::Status
        | Command::Watch { .. }
        | Command::Unwatch { .. }
        | Command::Notified(_)
        | Command::ForceOff(_) => crossed(command),
        own => own.clone(),
    }
}

pub fn platform(number: u8) -> Platform {
    Platform::from_number(number.into()).unwrap()
}

/// The number that a client sees.
pub fn code(error: TokenError) -> i64 {
    OpenImError::from(error).code.number()
}

/// The number that a client sees, and what is said about it.
pub fn refusal(error: &OpenError) -> (i64, String) {
    let failure = OpenImError::from(error.clone());
    (failure.code.number(), failure.detail.into_owned())
}
