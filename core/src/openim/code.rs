//! The error table (`docs/rules/openim.md#errors`).

/// An error that a client can see, with its number and its name on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// An internal error: storage or a peer failed.
    Internal,
    /// A header, body or parameter is missing or malformed.
    Args,
    /// The caller is known and has no permission.
    NoPermission,
    /// The named thing does not exist.
    RecordNotFound,
    /// The user is registered already.
    RegisteredAlready,
    /// `exp` has passed.
    TokenExpired,
    /// The token is someone else's or another platform's (gateway only).
    TokenInvalid,
    /// The text is no token.
    TokenMalformed,
    /// `nbf` is still to come.
    TokenNotValidYet,
    /// Signature, algorithm or `iat` is wrong.
    TokenUnknown,
    /// Revoked by a login or by an operator.
    TokenKicked,
    /// Well signed, but never issued here.
    TokenNotExist,
    /// The user, or the server, has the maximum number of connections.
    ConnOverMax,
    /// The handshake's parameters are wrong.
    ConnArgs,
}

impl Code {
    /// Every code that this server can answer with.
    pub const ALL: [Self; 14] = [
        Self::Internal,
        Self::Args,
        Self::NoPermission,
        Self::RecordNotFound,
        Self::RegisteredAlready,
        Self::TokenExpired,
        Self::TokenInvalid,
        Self::TokenMalformed,
        Self::TokenNotValidYet,
        Self::TokenUnknown,
        Self::TokenKicked,
        Self::TokenNotExist,
        Self::ConnOverMax,
        Self::ConnArgs,
    ];

    /// `errCode`.
    pub const fn number(self) -> i64 {
        match self {
            Self::Internal => 500,
            Self::Args => 1001,
            Self::NoPermission => 1002,
            Self::RecordNotFound => 1004,
            Self::RegisteredAlready => 1102,
            Self::TokenExpired => 1501,
            Self::TokenInvalid => 1502,
            Self::TokenMalformed => 1503,
            Self::TokenNotValidYet => 1504,
            Self::TokenUnknown => 1505,
            Self::TokenKicked => 1506,
            Self::TokenNotExist => 1507,
            Self::ConnOverMax => 1601,
            Self::ConnArgs => 1602,
        }
    }

    /// Whether the caller's token is at fault.
    pub const fn is_about_the_token(self) -> bool {
        matches!(self.number(), 1501..=1507)
    }

    /// `errMsg`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Internal => "ServerInternalError",
            Self::Args => "ArgsError",
            Self::NoPermission => "NoPermissionError",
            Self::RecordNotFound => "RecordNotFoundError",
            Self::RegisteredAlready => "RegisteredAlreadyError",
            Self::TokenExpired => "TokenExpiredError",
            Self::TokenInvalid => "TokenInvalidError",
            Self::TokenMalformed => "TokenMalformedError",
            Self::TokenNotValidYet => "TokenNotValidYetError",
            Self::TokenUnknown => "TokenUnknownError",
            Self::TokenKicked => "TokenKickedError",
            Self::TokenNotExist => "TokenNotExistError",
            Self::ConnOverMax => "ConnOverMaxNumLimit",
            Self::ConnArgs => "args err, need token, sendID, platformID",
        }
    }
}
