//! The CLOSE message that consoles get before an order closes them (`docs/rules/message-center.md#socket`).

use serde::Serialize;

use super::{Principal, Receivers};

/// The title and content of the message.
const FORCED_OFFLINE: &str = "forced_offline";
/// The most ids of the order that a message repeats.
const IDS: usize = 100;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    media_type: &'static str,
    receive_object_type: &'static str,
    receive_object_ids: Vec<String>,
    title: &'static str,
    content: &'static str,
    from: &'a str,
    send_by: &'a str,
    send_by_name: &'a str,
    send_date: &'a str,
}

/// The message as one receiver gets it. That of an order to many users is written once, without ids.
pub(crate) fn to_receiver(notice: &str, user: Option<i64>) -> String {
    // Quotes inside of a text are escaped, so only the member itself reads like this.
    match user {
        Some(user) => {
            notice.replacen(r#""receiveObjectIds":[]"#, &format!(r#""receiveObjectIds":["{user}"]"#), 1)
        }
        None => notice.to_owned(),
    }
}

/// The CLOSE message of an order by `caller`. `id` is a fresh UUID, `date` the formatted date, `ids` what the order named
/// the receiver by. An order to users names the receiver alone, so that no receiver learns of the others.
///
/// # Errors
/// When the message has no JSON form. An order fails then: it must not be stored with an empty notice.
pub fn close_notice(
    id: &str,
    receivers: Receivers,
    ids: impl IntoIterator<Item = i64>,
    caller: &Principal,
    date: &str,
) -> Result<String, serde_json::Error> {
    let message = Message {
        id,
        kind: "CLOSE",
        media_type: "PLAIN_TEXT",
        receive_object_type: receivers.name(),
        receive_object_ids: ids.into_iter().take(IDS).map(|id| id.to_string()).collect(),
        title: FORCED_OFFLINE,
        content: FORCED_OFFLINE,
        from: &caller.username,
        send_by: caller.user.as_str(),
        send_by_name: caller.name(),
        send_date: date,
    };
    serde_json::to_string(&message)
}
