//! The text of an error together with its causes, and its code beside an answer.

use std::{borrow::Cow, error::Error, fmt};

/// An error and its causes, in one line.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// What an answer says went wrong: the `errCode` of OpenIM, the `eKey` of the message center. An extension of the answer, for logs
/// and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorCode(pub Cow<'static, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the object could not be asked")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("the network is down")]
    struct Inner;

    #[test]
    fn causes_follow_what_they_caused() {
        assert_eq!(Chain(&Outer(Inner)).to_string(), "the object could not be asked: the network is down");
    }
}
