//! The few protobuf messages of the gateway, by hand: field numbers and wire types are the interface.

use anyhow::{Context as _, Result, bail};

/// `SetAppBackgroundStatusReq`: 1 `userID`, 2 `isBackground`.
pub fn background_status(user: &str, is_background: bool) -> Vec<u8> {
    let mut out = Vec::new();
    bytes_field(&mut out, 1, user.as_bytes());
    if is_background {
        out.extend([0x10, 1]);
    }
    out
}

/// `GetMaxSeqReq` and every other message whose only field is 1 `userID`.
pub fn user_only(user: &str) -> Vec<u8> {
    let mut out = Vec::new();
    bytes_field(&mut out, 1, user.as_bytes());
    out
}

/// `DelUserPushTokenReq`: 1 `userID`, 2 `platformID`.
pub fn push_token(user: &str, platform: u64) -> Vec<u8> {
    let mut out = user_only(user);
    out.push(0x10);
    varint(&mut out, platform);
    out
}

/// `SubUserOnlineStatus`: 1 `subscribeUserID`, 2 `unsubscribeUserID`, both repeated.
pub fn subscription(subscribe: &[&str], unsubscribe: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for user in subscribe {
        bytes_field(&mut out, 1, user.as_bytes());
    }
    for user in unsubscribe {
        bytes_field(&mut out, 2, user.as_bytes());
    }
    out
}

/// One element of `SubUserOnlineStatusTips`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The user.
    pub user: String,
    /// The platforms on which the user is online, as sent.
    pub platforms: Vec<u64>,
}

/// `SubUserOnlineStatusTips`: 1 repeated {1 `userID`, 2 packed `onlinePlatformIDs`}.
pub fn tips(mut message: &[u8]) -> Result<Vec<Tip>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let (field, value) = bytes_of(&mut message)?;
        if field != 1 {
            bail!("SubUserOnlineStatusTips has no field {field}");
        }
        found.push(tip(value)?);
    }
    Ok(found)
}

fn tip(mut message: &[u8]) -> Result<Tip> {
    let mut tip = Tip { user: String::new(), platforms: Vec::new() };
    while !message.is_empty() {
        match bytes_of(&mut message)? {
            (1, value) => tip.user = String::from_utf8(value.to_vec()).context("userID is not UTF-8")?,
            (2, mut packed) => {
                while !packed.is_empty() {
                    tip.platforms.push(read_varint(&mut packed)?);
                }
            }
            (other, _) => bail!("SubUserOnlineStatusElem has no field {other}"),
        }
    }
    Ok(tip)
}

fn bytes_field(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn read_varint(from: &mut &[u8]) -> Result<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = from.split_first().context("a varint ends early")?;
        *from = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(value);
        }
    }
    bail!("a varint is longer than ten bytes")
}

fn bytes_of<'a>(from: &mut &'a [u8]) -> Result<(u64, &'a [u8])> {
    let tag = read_varint(from)?;
    if tag & 7 != 2 {
        bail!("field {} has wire type {}, expected 2", tag >> 3, tag & 7);
    }
    let length = usize::try_from(read_varint(from)?)?;
    let (value, rest) = from.split_at_checked(length).context("a field ends early")?;
    *from = rest;
    Ok((tag >> 3, value))
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    #[test]
    fn payloads_are_those_of_the_vectors() {
        assert_eq!(STANDARD.encode(background_status("u1", true)), "CgJ1MRAB");
        assert_eq!(STANDARD.encode(background_status("u1", false)), "CgJ1MQ==");
        assert_eq!(STANDARD.encode(user_only("u1")), "CgJ1MQ==");
        assert_eq!(STANDARD.encode(push_token("u1", 5)), "CgJ1MRAF");
        assert_eq!(subscription(&["u1"], &["u2"]), b"\x0a\x02u1\x12\x02u2");
    }

    #[test]
    fn the_published_push_is_read() {
        let message = STANDARD.decode("CggKAnUxEgICBQ==").unwrap();
        assert_eq!(tips(&message).unwrap(), vec![Tip { user: "u1".into(), platforms: vec![2, 5] }]);
    }

    #[test]
    fn a_cut_message_is_an_error() {
        let message = STANDARD.decode("CggKAnUxEgICBQ==").unwrap();
        for length in 1..message.len() {
            assert!(tips(&message[..length]).is_err(), "{length} bytes");
        }
    }
}
