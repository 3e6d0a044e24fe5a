//! Errors in a list's query string (`docs/rules/message-center.md#errors`).

/// The first rule that a query string broke. It displays as the answer's `msg`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A value is not of its parameter's type.
    #[error("Parameter parsing failed, field {field}, rejected {rejected}")]
    Unreadable {
        /// The parameter, such as `pageNo` or `filters[0].op`.
        field: String,
        /// What was given.
        rejected: String,
    },
    /// A parameter begins like a filter and is none, or is written in another form than the same filter's other members.
    #[error(
        "Parameter parsing failed, field {field}, rejected {rejected}; a filter is filters[0].key, filters[0].op and \
         filters[0].value, or all three as filters[0][key] or as filters.0.key"
    )]
    FilterForm {
        /// The parameter.
        field: String,
        /// What was given.
        rejected: String,
    },
    /// A number is below its limit.
    #[error("must be greater than or equal to {0}")]
    TooSmall(i64),
    /// A number is above its limit.
    #[error("must be less than or equal to {0}")]
    TooLarge(i64),
    /// A list is longer than its limit.
    #[error("size must be between 0 and {0}")]
    TooMany(usize),
    /// An order's filter of this key has a blank value.
    #[error("a value of {0} is blank, so that it would select more than was meant")]
    Blank(&'static str),
    /// No filter has this key.
    #[error("Unsupported filter field:{0}")]
    UnsupportedField(String),
    /// The key has no range filter.
    #[error("Unsupported range filter field：{0}")]
    UnsupportedRange(&'static str),
    /// The key has no such match filter.
    #[error("Unsupported match filter field：{0}")]
    UnsupportedMatch(&'static str),
    /// A list is not sorted by this.
    #[error("Unsupported sort filter field:{0}")]
    UnsupportedOrderBy(String),
    /// A filter's value is not of its key's type.
    #[error("Parameter {key} format {value} error")]
    Format {
        /// The filter's key.
        key: &'static str,
        /// What was given.
        value: String,
    },
}

impl QueryError {
    /// `ext.eKey`: the stable key of the error for programs.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Unreadable { .. }
            | Self::FilterForm { .. }
            | Self::TooSmall(_)
            | Self::TooLarge(_)
            | Self::TooMany(_)
            | Self::Blank(_) => "param_validation_error",
            Self::UnsupportedField(_) => "unsupported_filter_field",
            Self::UnsupportedRange(_) => "unsupported_range_filter",
            Self::UnsupportedMatch(_) => "unsupported_match_filter",
            Self::UnsupportedOrderBy(_) => "unsupported_order_by",
            Self::Format { .. } => "param_format_error",
        }
    }

    pub(crate) fn unreadable(field: impl Into<String>, rejected: &str) -> Self {
        Self::Unreadable { field: field.into(), rejected: rejected.to_owned() }
    }
}
