//! Writing a [`Response`].

use crate::gateway::frame::Response;

/// Go's description of the struct `Resp` before its first value; the type id is 66. Any client reads its
/// fields by these names.
pub(super) const DEFINITION: &[u8; 97] = b"\x60\xff\x83\
    \x03\x01\x01\x04Resp\x01\xff\x84\x00\x01\x06\
    \x01\x0dReqIdentifier\x01\x04\x00\
    \x01\x07MsgIncr\x01\x0c\x00\
    \x01\x0bOperationID\x01\x0c\x00\
    \x01\x07ErrCode\x01\x04\x00\
    \x01\x06ErrMsg\x01\x0c\x00\
    \x01\x04Data\x01\x0a\x00\x00\x00";
const TYPE: i64 = 66;

/// Writes a response.
pub(in crate::gateway) fn encode(response: &Response) -> Vec<u8> {
    let data = response.data.as_deref().unwrap_or_default();
    let strings = response.msg_incr.len() + response.operation_id.len() + response.error_message.len();
    // The numbers, lengths and steps are at most 64 bytes.
    let mut value = Vec::with_capacity(64 + strings + data.len());
    put_signed(&mut value, TYPE);
    let mut fields = Fields { value, skipped: 0 };
    fields.number(response.identifier.into());
    fields.bytes(response.msg_incr.as_bytes());
    fields.bytes(response.operation_id.as_bytes());
    fields.number(response.error_code);
    fields.bytes(response.error_message.as_bytes());
    fields.bytes(data);
    let value = fields.finish();

    // The length before it is at most nine bytes.
    let mut stream = Vec::with_capacity(DEFINITION.len() + 9 + value.len());
    stream.extend_from_slice(DEFINITION);
    put_bytes(&mut stream, &value);
    stream
}

/// A struct's fields in their order. Those that are zero are left out, and counted in the next one's step.
struct Fields {
    value: Vec<u8>,
    skipped: u64,
}

impl Fields {
    fn number(&mut self, number: i64) {
        if self.step(number == 0) {
            put_signed(&mut self.value, number);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.step(bytes.is_empty()) {
            put_bytes(&mut self.value, bytes);
        }
    }

    fn step(&mut self, zero: bool) -> bool {
        if zero {
            self.skipped += 1;
        } else {
            put_unsigned(&mut self.value, self.skipped + 1);
            self.skipped = 0;
        }
        !zero
    }

    fn finish(mut self) -> Vec<u8> {
        self.value.push(0);
        self.value
    }
}

pub(super) fn put_unsigned(out: &mut Vec<u8>, number: u64) {
    if let Ok(byte @ ..128) = u8::try_from(number) {
        out.push(byte);
        return;
    }
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    // How many bytes follow, negated: -8 for all of them.
    out.push((zeros as u8).wrapping_sub(8));
    out.extend(bytes.iter().skip(zeros));
}

pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_unsigned(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // A slice is shorter than 2^63 bytes on every target.
    put_unsigned(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
