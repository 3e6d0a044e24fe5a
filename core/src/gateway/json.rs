//! The JSON encoding (`sdkType=js`), in binary messages both ways (`docs/rules/openim.md#json`).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::frame::{Request, Response};
use crate::json::quoted;

#[derive(Deserialize)]
struct WireRequest {
    #[serde(rename = "reqIdentifier", default)]
    identifier: i32,
    #[serde(rename = "sendID", default)]
    send_id: Option<String>,
    #[serde(rename = "operationID", default)]
    operation_id: Option<String>,
    #[serde(rename = "msgIncr", default)]
    msg_incr: Option<String>,
    #[serde(default)]
    data: Option<String>,
}

/// Reads a request; `None` when it is not one.
pub(super) fn decode(bytes: &[u8]) -> Option<Request> {
    let wire: WireRequest = crate::json::object(bytes).ok()?;
    Some(Request {
        identifier: wire.identifier,
        send_id: wire.send_id.unwrap_or_default(),
        operation_id: wire.operation_id.unwrap_or_default(),
        msg_incr: wire.msg_incr.unwrap_or_default(),
        data: STANDARD.decode(wire.data.unwrap_or_default()).ok()?,
    })
}

/// Writes a response.
pub(super) fn encode(response: &Response) -> Vec<u8> {
    let Response { identifier, msg_incr, operation_id, error_code, error_message, data } = response;
    let [msg_incr, operation_id, error_message] =
        [msg_incr, operation_id, error_message].map(|text| quoted(text));
    // Base64 has nothing that JSON escapes.
    let data =
        data.as_ref().map_or_else(|| "null".to_owned(), |data| format!("\"{}\"", STANDARD.encode(data)));
    let text = format!(
        r#"{{"reqIdentifier":{identifier},"msgIncr":{msg_incr},"operationID":{operation_id},"errCode":{error_code},"errMsg":{error_message},"data":{data}}}"#
    );
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openim::Code;

    #[test]
    fn frames_are_written_as_the_vectors_show() {
        let json = |response: &Response| String::from_utf8(encode(response)).unwrap();
        assert_eq!(
            json(&Response::kick()),
            r#"{"reqIdentifier":2002,"msgIncr":"","operationID":"","errCode":0,"errMsg":"","data":null}"#
        );
        let request = decode(
            br#"{"reqIdentifier":1001,"token":"","sendID":"u1","operationID":"op1","msgIncr":"u1_op1","data":"CgJ1MQ=="}"#,
        )
        .unwrap();
        assert_eq!(request.data, b"\x0a\x02u1");
        assert_eq!(
            json(&request.answer(Some(Vec::new()))),
            r#"{"reqIdentifier":1001,"msgIncr":"u1_op1","operationID":"op1","errCode":0,"errMsg":"","data":""}"#
        );
        assert_eq!(
            json(&request.fail(Code::NoPermission)),
            r#"{"reqIdentifier":1001,"msgIncr":"u1_op1","operationID":"op1","errCode":1002,"errMsg":"NoPermissionError","data":null}"#
        );
    }

    #[test]
    fn left_out_and_null_members_are_empty() {
        assert_eq!(decode(b"{}"), Some(Request::default()));
        assert_eq!(decode(br#"{"sendID":null,"data":null}"#), Some(Request::default()));
    }

    #[test]
    fn what_is_not_a_request_is_refused() {
        for bytes in
            [&b""[..], b"[]", b"{", b"{}{}", b"\xff\xfe", br#"{"reqIdentifier":"1001"}"#, br#"{"data":"%%"}"#]
        {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }
}
