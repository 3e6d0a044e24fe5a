//! The body of a force-off order (`docs/rules/message-center.md#force-off`).

use serde::{Deserialize, Deserializer};

use super::{MessageCenterError, Principal};
use crate::{
    config::{MessageCenter, ReceiveTypes},
    json::{self, Integer, List},
    ordered::distinct,
};

/// The most ids in one order.
pub const IDS_LIMIT: usize = 10_000;

/// The kind of receivers, as the documents name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Receivers {
    /// All users of these tenants.
    Tenant,
    /// Direct members of these departments.
    Dept,
    /// Members of these groups.
    Group,
    /// These users.
    User,
    /// All users of the caller's tenant.
    All,
}

/// A parsed order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The kind of the ids.
    pub receivers: Receivers,
    /// Ascending, each once; empty only for [`Receivers::All`].
    pub ids: Vec<i64>,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    broadcast: Option<bool>,
    #[serde(default, rename = "receiveObjectType")]
    receivers: Option<Word>,
    #[serde(default, rename = "receiveObjectIds")]
    ids: Option<List<Option<Integer>, IDS_LIMIT>>,
}

/// Every word of the documents' enumeration. Not all of them are supported.
#[derive(Clone, Copy)]
enum Word {
    Known(Receivers),
    Policy,
    ToPolicy,
}

impl Receivers {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tenant => "TENANT",
            Self::Dept => "DEPT",
            Self::Group => "GROUP",
            Self::User => "USER",
            Self::All => "ALL",
        }
    }
}

impl Order {
    /// Parses the body of an order. `None` is an order without receivers, which succeeds. `members` says whether the members
    /// of departments and groups can be resolved.
    ///
    /// # Errors
    /// The first rule that the body broke.
    pub fn parse(
        body: &[u8],
        settings: &MessageCenter,
        members: bool,
    ) -> Result<Option<Self>, MessageCenterError> {
        let body: Body =
            json::object(body).map_err(|_| MessageCenterError::Unparsable { too_large: false })?;
        let word =
            body.receivers.ok_or_else(|| MessageCenterError::Invalid("must not be null".to_owned()))?;
        let extended = settings.receive_types == ReceiveTypes::Extended;
        let receivers = match word {
            Word::Known(receivers @ (Receivers::User | Receivers::Tenant)) => receivers,
            Word::Known(Receivers::All) if extended => Receivers::All,
            Word::Known(receivers @ (Receivers::Dept | Receivers::Group)) if extended && members => receivers,
            other => {
                return Err(MessageCenterError::Invalid(format!(
                    "Unsupported enum constant value: {}",
                    other.name()
                )));
            }
        };
        if body.ids.as_ref().is_some_and(|ids| ids.length > IDS_LIMIT) {
            return Err(MessageCenterError::Invalid(format!("size must be between 0 and {IDS_LIMIT}")));
        }
        if receivers == Receivers::All {
            return Ok(Some(Self { receivers, ids: Vec::new() }));
        }
        let ids = body.ids.map(|ids| ids.items).unwrap_or_default();
        let ids = distinct(ids.into_iter().flatten().map(|Integer(id)| id));
        match (ids.is_empty(), body.broadcast.unwrap_or(true)) {
            (true, true) => Err(MessageCenterError::NobodyNamed),
            (true, false) => Ok(None),
            (false, _) => Ok(Some(Self { receivers, ids })),
        }
    }

    /// Whether the caller is the order's only receiver.
    pub fn is_own(&self, caller: &Principal) -> bool {
        self.receivers == Receivers::User
            && caller.user.number().is_some_and(|own| self.ids.iter().all(|id| *id == own))
    }
}

impl Word {
    const ALL: [Self; 7] = [
        Self::Known(Receivers::Tenant),
        Self::Known(Receivers::Dept),
        Self::Known(Receivers::Group),
        Self::Known(Receivers::User),
        Self::Policy,
        Self::ToPolicy,
        Self::Known(Receivers::All),
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Known(receivers) => receivers.name(),
            Self::Policy => "POLICY",
            Self::ToPolicy => "TO_POLICY",
        }
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::parsed(deserializer, |text| {
            let word = Self::ALL.into_iter().find(|word| word.name().eq_ignore_ascii_case(text));
            word.ok_or("no word of the enumeration")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Option<Order>, MessageCenterError> {
        Order::parse(body.as_bytes(), &MessageCenter::default(), true)
    }

    fn why(body: &str) -> (&'static str, String) {
        let error = parse(body).unwrap_err();
        (error.key(), error.to_string())
    }

    #[test]
    fn ids_are_numbers_or_texts_and_counted_once() {
        let body =
            r#"{"receiveObjectType":"user","receiveObjectIds":[101,"101",null,"9223372036854775807"]}"#;
        let order = parse(body).unwrap().unwrap();
        assert_eq!(order, Order { receivers: Receivers::User, ids: [101, i64::MAX].into() });
    }

    #[test]
    fn an_order_that_names_nobody_is_never_one_to_everybody() {
        for ids in
            ["", r#","receiveObjectIds":[]"#, r#","receiveObjectIds":null"#, r#","receiveObjectIds":[null]"#]
        {
            for kind in ["USER", "TENANT", "DEPT", "GROUP"] {
                let body = |broadcast: &str| format!(r#"{{"receiveObjectType":"{kind}"{broadcast}{ids}}}"#);
                assert_eq!(why(&body("")).0, "protocol_error", "{kind}{ids}");
                assert_eq!(why(&body(r#","broadcast":true"#)).0, "protocol_error", "{kind}{ids}");
                assert_eq!(parse(&body(r#","broadcast":false"#)), Ok(None), "{kind}{ids}");
            }
        }
        assert!(parse(r#"{"receiveObjectType":"ALL"}"#).unwrap().is_some());
    }

    #[test]
    fn what_cannot_be_carried_out_is_refused_by_its_name() {
        let unsupported =
            |word: &str| ("param_validation_error", format!("Unsupported enum constant value: {word}"));
        for word in ["POLICY", "TO_POLICY"] {
            assert_eq!(
                why(&format!(r#"{{"receiveObjectType":"{word}","receiveObjectIds":[1]}}"#)),
                unsupported(word)
            );
        }
        let strict = MessageCenter { receive_types: ReceiveTypes::Strict, ..MessageCenter::default() };
        for word in ["DEPT", "GROUP", "ALL"] {
            let body = format!(r#"{{"receiveObjectType":"{word}","receiveObjectIds":[1]}}"#);
            let error = Order::parse(body.as_bytes(), &strict, true).unwrap_err();
            assert_eq!((error.key(), error.to_string()), unsupported(word));
            let unknowable = Order::parse(body.as_bytes(), &MessageCenter::default(), false);
            assert_eq!(unknowable.is_err(), word != "ALL");
        }
        assert_eq!(why("{}"), ("param_validation_error", "must not be null".into()));
    }

    #[test]
    fn what_does_not_read_is_a_parsing_error() {
        for body in [
            "",
            "{broadcast:",
            "[]",
            r#"{"receiveObjectType":"ROBOT","receiveObjectIds":[7]}"#,
            r#"{"receiveObjectType":7,"receiveObjectIds":[7]}"#,
            r#"{"receiveObjectType":"USER","receiveObjectIds":7}"#,
            r#"{"receiveObjectType":"USER","receiveObjectIds":[1.5]}"#,
            r#"{"receiveObjectType":"USER","receiveObjectIds":["x"]}"#,
            r#"{"receiveObjectType":"USER","receiveObjectIds":[9223372036854775808]}"#,
            r#"{"receiveObjectType":"USER","receiveObjectIds":[1],"broadcast":"maybe"}"#,
        ] {
            assert_eq!(why(body), ("param_parsing_error", "Parameter parsing failed".into()), "{body}");
        }
    }

    #[test]
    fn an_order_has_a_limit() {
        let body = |count| {
            let ids: Vec<usize> = (0..count).collect();
            serde_json::json!({"receiveObjectType": "USER", "receiveObjectIds": ids}).to_string()
        };
        assert!(parse(&body(IDS_LIMIT)).is_ok());
        assert_eq!(
            why(&body(IDS_LIMIT + 1)),
            ("param_validation_error", "size must be between 0 and 10000".into())
        );
    }
}
