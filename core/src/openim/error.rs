//! An error as a client sees it (`docs/rules/openim.md#envelope`).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Code;
use crate::{deny, json::quoted, token::TokenError};

/// The style of `errDlt`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DetailStyle {
    /// `detail: [code]name`, as in the published pages; an empty detail leaves the leading colon.
    #[default]
    Seed,
    /// The detail alone, as servers since 3.8 write it.
    V38,
}

/// An error code with a detail of this occurrence. Never holds a token or a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenImError {
    /// The row of the error table.
    pub code: Code,
    /// A text for people; may be empty.
    pub detail: Cow<'static, str>,
}

impl OpenImError {
    /// An error with a detail.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// The text of `errDlt`.
    pub fn detail_text(&self, style: DetailStyle) -> String {
        match style {
            DetailStyle::Seed => format!("{}: [{}]{}", self.detail, self.code.number(), self.code.name()),
            DetailStyle::V38 => self.detail.to_string(),
        }
    }

    /// The whole answer: an envelope without `data`.
    pub fn to_json(&self, style: DetailStyle) -> String {
        let detail = self.detail_text(style);
        envelope(self.code.number(), self.code.name(), &detail)
    }

    /// The envelope of success without `data`.
    pub fn none_as_json() -> String {
        envelope(0, "", "")
    }
}

fn envelope(code: i64, message: &str, detail: &str) -> String {
    let (message, detail) = (quoted(message), quoted(detail));
    format!(r#"{{"errCode":{code},"errMsg":{message},"errDlt":{detail}}}"#)
}

impl From<Code> for OpenImError {
    fn from(code: Code) -> Self {
        Self::new(code, "")
    }
}

impl From<TokenError> for OpenImError {
    fn from(error: TokenError) -> Self {
        let code = match error {
            TokenError::Malformed => Code::TokenMalformed,
            TokenError::Algorithm | TokenError::Signature | TokenError::IssuedInFuture => Code::TokenUnknown,
            TokenError::Expired => Code::TokenExpired,
            TokenError::NotValidYet => Code::TokenNotValidYet,
            TokenError::Kicked | TokenError::Denied(_) => Code::TokenKicked,
            TokenError::NotIssued => Code::TokenNotExist,
        };
        let detail: Cow<'static, str> = match error {
            TokenError::Algorithm => "signing method is unavailable".into(),
            TokenError::Signature => "signature is invalid".into(),
            TokenError::IssuedInFuture => "token used before issued".into(),
            TokenError::Denied(until) => Cow::Owned(deny::told(until)),
            _ => "".into(),
        };
        Self::new(code, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_without_detail_keeps_the_leading_colon() {
        let error = OpenImError::from(Code::RecordNotFound);
        assert_eq!(
            error.to_json(DetailStyle::Seed),
            r#"{"errCode":1004,"errMsg":"RecordNotFoundError","errDlt":": [1004]RecordNotFoundError"}"#
        );
        assert_eq!(
            error.to_json(DetailStyle::V38),
            r#"{"errCode":1004,"errMsg":"RecordNotFoundError","errDlt":""}"#
        );
    }

    #[test]
    fn success_without_data_is_three_empty_members() {
        assert_eq!(OpenImError::none_as_json(), r#"{"errCode":0,"errMsg":"","errDlt":""}"#);
    }

    #[test]
    fn every_code_has_its_own_number_and_a_name() {
        let mut numbers: Vec<_> = Code::ALL.into_iter().map(Code::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), Code::ALL.len());
        assert!(Code::ALL.into_iter().all(|code| !code.name().is_empty()));
    }
}
