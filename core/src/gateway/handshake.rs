//! The query of an upgrade request (`docs/rules/openim.md#handshake`).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::wire::{Encoding, Wire};
use crate::{
    openim::{Code, OpenImError},
    platform::Platform,
    secret::Secret,
    token::TokenText,
};

/// The parsed query of an upgrade request. The token is not verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The claimed user.
    pub send_id: String,
    /// The token.
    pub token: TokenText,
    /// The claimed platform.
    pub platform: Platform,
    /// The id of the request, for tracing.
    pub operation_id: String,
    /// Whether the application starts in the background.
    pub background: bool,
    /// The encoding of messages.
    pub wire: Wire,
    /// Whether the client waits for the result as a first text message (`isMsgResp`).
    pub wants_result: bool,
}

/// The reason why a handshake failed, and how to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeError {
    /// The error for the client.
    pub error: OpenImError,
    /// True: upgrade, send the envelope as a text message, close. False: answer HTTP 200 with the envelope.
    pub in_band: bool,
}

/// The parameters that no handshake is without.
const PARAMETERS: [&str; 5] = ["sendID", "token", "platformID", "operationID", "v"];

/// The fields as received, from the query or from `v`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    #[serde(rename = "userID")]
    send_id: String,
    token: Secret<String>,
    #[serde(rename = "platformID")]
    platform: i64,
    #[serde(rename = "operationID")]
    operation_id: String,
    compression: String,
    #[serde(rename = "sdkType")]
    sdk_type: String,
    #[serde(rename = "sendResponse")]
    wants_result: bool,
    background: bool,
}

impl Handshake {
    /// Whether a query string names parameters of a handshake.
    pub fn is_named_in(query: &str) -> bool {
        form_urlencoded::parse(query.as_bytes()).any(|(name, _)| PARAMETERS.contains(&name.as_ref()))
    }

    /// Parses the query string of an upgrade. `compression` is the HTTP header of that name, the fallback of the
    /// parameter.
    ///
    /// # Errors
    /// 1602 with the first problem. The wish for an answer in band is honoured whatever the problem is.
    pub fn parse(query: &str, compression: Option<&str>) -> Result<Self, HandshakeError> {
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        let first = |name: &str| {
            pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref()).unwrap_or_default()
        };
        let read = match first("v") {
            "" => from_query(&first),
            packed => from_packed(packed),
        };
        let in_band = match (&read, first("v")) {
            (Ok(fields), _) => fields.wants_result,
            (Err(_), "") => boolean(first("isMsgResp")).unwrap_or(false),
            (Err(_), _) => false,
        };
        let refuse = |detail: &'static str| HandshakeError {
            error: OpenImError::new(Code::ConnArgs, detail),
            in_band,
        };
        let fields = read.map_err(refuse)?;
        if fields.operation_id.is_empty() {
            return Err(refuse("operationID is empty"));
        }
        if fields.token.expose().is_empty() {
            return Err(refuse("token is empty"));
        }
        if fields.send_id.is_empty() {
            return Err(refuse("sendID is empty"));
        }
        let platform =
            Platform::from_number(fields.platform).ok_or_else(|| refuse("platformID is invalid"))?;
        let encoding = match fields.sdk_type.as_str() {
            "" | "go" => Encoding::Gob,
            "js" => Encoding::Json,
            _ => return Err(refuse("sdkType is invalid")),
        };
        let compression = match fields.compression.as_str() {
            "" => compression.unwrap_or_default(),
            named => named,
        };
        Ok(Self {
            send_id: fields.send_id,
            token: fields.token,
            platform,
            operation_id: fields.operation_id,
            background: fields.background,
            wire: Wire { encoding, gzip: compression == "gzip" },
            wants_result: fields.wants_result,
        })
    }
}

fn from_query<'a>(first: &impl Fn(&str) -> &'a str) -> Result<Fields, &'static str> {
    Ok(Fields {
        send_id: first("sendID").to_owned(),
        token: Secret::from(first("token")),
        platform: first("platformID").parse().map_err(|_| "platformID is not int")?,
        wants_result: boolean(first("isMsgResp")).ok_or("isMsgResp is not bool")?,
        background: boolean(first("isBackground")).ok_or("isBackground is not bool")?,
        operation_id: first("operationID").to_owned(),
        compression: first("compression").to_owned(),
        sdk_type: first("sdkType").to_owned(),
    })
}

fn from_packed(packed: &str) -> Result<Fields, &'static str> {
    let json = URL_SAFE_NO_PAD.decode(packed).map_err(|_| "data is not base64")?;
    // The parser's own message could quote the token.
    crate::json::object(&json).map_err(|_| "data is not json, info=not an object of the documented members")
}

/// Go's spellings of a bool; empty means false.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "sendID=u1&token=T&platformID=5&operationID=op1";

    fn refused(query: &str) -> (String, bool) {
        let error = Handshake::parse(query, None).unwrap_err();
        assert_eq!(error.error.code, Code::ConnArgs);
        (error.error.detail.into_owned(), error.in_band)
    }

    #[test]
    fn the_stock_clients_queries_are_understood() {
        let js =
            Handshake::parse(&format!("{GOOD}&isBackground=false&isMsgResp=true&sdkType=js"), None).unwrap();
        assert_eq!(js.wire, Wire { encoding: Encoding::Json, gzip: false });
        assert!(js.wants_result && !js.background);
        let native = Handshake::parse(&format!("{GOOD}&isBackground=true&compression=gzip"), None).unwrap();
        assert_eq!(native.wire, Wire { encoding: Encoding::Gob, gzip: true });
        assert!(!native.wants_result && native.background);
        let unknown = Handshake::parse(&format!("{GOOD}&sdkVersion=3.9&x=%ff"), Some("gzip")).unwrap();
        assert!(unknown.wire.gzip);
    }

    #[test]
    fn v_replaces_all_others() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/openim.json");
        let vectors: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let v = vectors["vParameter"]["v"].as_str().unwrap();
        let packed = Handshake::parse(&format!("v={v}&sendID=other&platformID=x"), None).unwrap();
        assert_eq!((packed.send_id.as_str(), packed.token.expose().as_str()), ("u1", "T"));
        assert_eq!((packed.platform, packed.wire.encoding), (Platform::Web, Encoding::Json));
        assert!(packed.wants_result && !packed.background);
    }

    #[test]
    fn each_fault_has_its_words_and_the_wish_for_an_answer_is_heard_first() {
        for (query, detail) in [
            ("sendID=u1&token=T&operationID=op1", "platformID is not int"),
            ("sendID=u1&token=T&platformID=5.0&operationID=op1", "platformID is not int"),
            ("sendID=u1&token=T&platformID=12&operationID=op1", "platformID is invalid"),
            ("sendID=u1&token=T&platformID=5", "operationID is empty"),
            ("sendID=u1&platformID=5&operationID=op1", "token is empty"),
            ("token=T&platformID=5&operationID=op1", "sendID is empty"),
            ("sendID=u1&token=T&platformID=5&operationID=op1&sdkType=py", "sdkType is invalid"),
            ("sendID=u1&token=T&platformID=5&operationID=op1&isBackground=maybe", "isBackground is not bool"),
        ] {
            assert_eq!(refused(query), (detail.into(), false));
            assert_eq!(refused(&format!("{query}&isMsgResp=T")), (detail.into(), true));
        }
        assert_eq!(refused(&format!("{GOOD}&isMsgResp=yes")), ("isMsgResp is not bool".into(), false));
        assert_eq!(refused("v=%%%"), ("data is not base64".into(), false));
        assert_eq!(
            refused("v=AAAA"),
            ("data is not json, info=not an object of the documented members".into(), false)
        );
    }

    #[test]
    fn nothing_in_a_query_makes_the_parser_panic() {
        use proptest::prelude::*;
        proptest!(|(query in "\\PC{0,200}|((sendID|token|platformID|v|isMsgResp)=[^&]{0,20}&){0,6}")| {
            let _ = Handshake::parse(&query, Some("gzip"));
        });
    }
}
