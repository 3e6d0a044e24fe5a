//! The errors of the message center and their texts (`docs/rules/message-center.md#errors`).

use std::time::Duration;

use crate::{directory::filter::QueryError, id::TenantId};

/// An error of the message center. It displays as the answer's `msg`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageCenterError {
    /// A list's query string broke a rule.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A member of a body broke a rule; the text of the constraint.
    #[error("{0}")]
    Invalid(String),
    /// The body does not have the route's form, or is too large.
    #[error("Parameter parsing failed")]
    Unparsable {
        /// Whether it exceeds the limit.
        too_large: bool,
    },
    /// A parameter of the path or a header is not a number.
    #[error("Parameter parsing failed, field {field}, rejected {rejected}")]
    Binding {
        /// The parameter.
        field: &'static str,
        /// The rejected text.
        rejected: String,
    },
    /// A broadcast order without ids.
    #[error("Query field objectIds is empty")]
    NobodyNamed,
    /// One token in the header and another in the query.
    #[error("The token must stand in one place")]
    TwoTokens,
    /// No token.
    #[error("Unauthorized access")]
    Unauthorized,
    /// An invalid, expired or revoked token.
    #[error("Unauthorized access")]
    InvalidToken,
    /// A good token without the permission.
    #[error("Insufficient permissions, access is forbidden")]
    Forbidden,
    /// Only the operator's client and OpenIM administrators may name another tenant.
    #[error("Access tenant {0} is denied")]
    ForeignTenant(String),
    /// A path or body names a tenant outside of the caller's.
    #[error("Access tenant {0} is denied")]
    OutOfScope(TenantId),
    /// A page of an origin that is not among `server.allowed_origins` asks for a socket.
    #[error("Pages of this origin may not connect")]
    ForeignPage,
    /// No record of that user in this tenant.
    #[error("Not found resource MessageCenterOnline「{0}」")]
    NoRecord(i64),
    /// No order of that id in this tenant.
    #[error("Not found resource ForceOff「{0}」")]
    NoOrder(String),
    /// The receipt of a dry run that was of another caller or body, or is over.
    #[error("The receipt does not belong to this call, or is over")]
    Conflict,
    /// No such route.
    #[error("Not found handler {method} {path}")]
    NoHandler {
        /// The request's method.
        method: String,
        /// Its path.
        path: String,
    },
    /// A route that has other methods.
    #[error("Not supported http request httpMethod {method}, supported httpMethod [{supported}]")]
    Method {
        /// The request's method.
        method: String,
        /// What the route has.
        supported: &'static str,
    },
    /// A body of another media type than JSON.
    #[error("Not supported http media type {0}")]
    MediaType(String),
    /// An internal error, or a user could not be asked.
    #[error("Unknown exceptions, please contact us")]
    Internal,
    /// The token issuer is down, or rejects our own credentials.
    #[error("The issuer of tokens cannot be asked")]
    IssuerDown,
    /// There is no room for the request's body or its session, no place for a question about its token, or the process is about to stop.
    #[error("The server is busy, please try again")]
    Busy,
    /// Too many tokens of the client's address were not good.
    #[error("too many requests")]
    TooManyRequests {
        /// Seconds to wait.
        seconds: u64,
    },
}

impl MessageCenterError {
    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Unparsable { too_large: true } => 413,
            Self::Query(_)
            | Self::Invalid(_)
            | Self::Unparsable { .. }
            | Self::Binding { .. }
            | Self::NobodyNamed
            | Self::TwoTokens => 400,
            Self::Unauthorized | Self::InvalidToken => 401,
            Self::Forbidden | Self::ForeignTenant(_) | Self::OutOfScope(_) | Self::ForeignPage => 403,
            Self::NoRecord(_) | Self::NoOrder(_) | Self::NoHandler { .. } => 404,
            Self::Method { .. } => 405,
            Self::Conflict => 409,
            Self::MediaType(_) => 415,
            Self::TooManyRequests { .. } => 429,
            Self::Internal => 500,
            Self::IssuerDown | Self::Busy => 503,
        }
    }

    /// `code` of the envelope: `E0` for the caller's errors, `E2` for the server's.
    pub const fn code(&self) -> &'static str {
        if self.status() < 500 { "E0" } else { "E2" }
    }

    /// `ext.eKey`: the stable key of the error for programs.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Query(error) => error.key(),
            Self::Invalid(_) => "param_validation_error",
            Self::Unparsable { .. } => "param_parsing_error",
            Self::Binding { .. } => "param_binding_error",
            Self::NobodyNamed | Self::TwoTokens => "protocol_error",
            Self::Unauthorized => "unauthorized",
            Self::InvalidToken => "invalid_token",
            // The key of a foreign tenant in the header makes consoles log out.
            Self::Forbidden | Self::OutOfScope(_) | Self::ForeignPage => "forbidden",
            Self::ForeignTenant(_) => "fatal_exit",
            Self::NoRecord(_) | Self::NoOrder(_) => "resource_not_found",
            Self::Conflict => "conflict",
            Self::NoHandler { .. } => "handler_not_found",
            Self::Method { .. } => "method_not_supported",
            Self::MediaType(_) => "media_type_not_supported",
            Self::Internal => "unknown_error",
            Self::IssuerDown => "introspection_unavailable",
            Self::Busy => "server_busy",
            Self::TooManyRequests { .. } => "too_many_requests",
        }
    }

    /// The same request is refused for this time.
    pub fn too_many_requests(wait: Duration) -> Self {
        // Rounded up: a retry within the last second would come too early.
        Self::TooManyRequests { seconds: (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1) }
    }

    /// The header `Retry-After`, in seconds.
    pub const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::IssuerDown | Self::Busy => Some(1),
            Self::TooManyRequests { seconds } => Some(*seconds),
            _ => None,
        }
    }

    /// The header `WWW-Authenticate` that goes with a 401.
    pub const fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::Unauthorized => Some("Bearer"),
            Self::InvalidToken => Some("Bearer error=\"invalid_token\""),
            _ => None,
        }
    }
}
