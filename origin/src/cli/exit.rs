//! Exit statuses, for scripts.

/// An error with an exit status of its own; any other error is status 1.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The command line cannot be carried out as it stands.
    #[error("{0}")]
    Usage(String),
    /// The token is missing, or the server refused it.
    #[error("{0}")]
    Token(String),
    /// Every question was answered, and the answer is no.
    #[error("{0}")]
    Negative(String),
}

impl CliError {
    const fn status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Token(_) => 3,
            Self::Negative(_) => 4,
        }
    }
}

/// The exit statuses in `--help`.
pub(super) const HELP: &str = "\
Exit status:
  0  done
  1  failed: no server answered, or it could not do it
  2  the command line is wrong
  3  the token is missing, refused, or may not do this
  4  no: health is not ok, a line was rejected, a user is online or may be, or the question was declined";

/// The exit status after `error`.
pub(crate) fn status(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<CliError>().map_or(1, CliError::status)
}

/// Whether the reader of stdout has closed it, as `head` does: no error to report.
pub(super) fn is_hung_up(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
