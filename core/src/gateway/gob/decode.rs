//! Reading a struct of builtin fields by their names, and a [`Request`] out of one.

use super::reader::Reader;
use crate::gateway::frame::Request;

/// The largest stream that is looked at. A gzip'd message may hold this much; others are bounded before.
const STREAM_BYTES: usize = 1 << 20;
/// The most fields of a struct; a request has six.
const FIELDS: u64 = 32;
/// Smaller type ids belong to gob itself, no stream describes them.
const FIRST_TYPE: i64 = 64;

/// Reads a request; `None` when it is not one.
///
/// Beyond the request's own strings nothing is allocated.
pub(in crate::gateway) fn decode(stream: &[u8]) -> Option<Request> {
    let mut request = Request::default();
    read_struct(stream, |name, value| {
        match (name, value) {
            (b"ReqIdentifier", Value::Int(number)) => request.identifier = number.try_into().ok()?,
            (b"SendID", Value::String(bytes)) => request.send_id = text(bytes)?,
            (b"OperationID", Value::String(bytes)) => request.operation_id = text(bytes)?,
            (b"MsgIncr", Value::String(bytes)) => request.msg_incr = text(bytes)?,
            (b"Data", Value::Bytes(bytes)) => request.data = bytes.to_vec(),
            (b"ReqIdentifier" | b"SendID" | b"OperationID" | b"MsgIncr" | b"Data", _) => return None,
            // The token is one of these: the connection was judged by its own, and clients send it empty.
            _ => {}
        }
        Some(())
    })?;
    Some(request)
}

/// Go's strings may hold any bytes, ours may not.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    str::from_utf8(bytes).ok().map(str::to_owned)
}

/// The value of one field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    String(&'a [u8]),
    /// A bool, an unsigned integer or a float, which no field that we know is.
    Other,
}

/// Hands each field that the stream's one value carries to `field`, in the sender's order; fields that are zero
/// are not there. `None` when the stream is anything else than descriptions of structs with builtin fields,
/// followed by a value of one of them, or when `field` says so.
pub(super) fn read_struct<'a>(
    stream: &'a [u8],
    mut field: impl FnMut(&'a [u8], Value<'a>) -> Option<()>,
) -> Option<()> {
    if stream.len() > STREAM_BYTES {
        return None;
    }
    let mut value = last_message(stream)?;
    let id = value.signed()?;
    let mut fields = described(stream, id)?;
    let mut last = 0;
    loop {
        let next = value.next_field(last)?;
        if next == 0 {
            return value.end();
        }
        // Both lists are in order, so one pass over the description names every value.
        for _ in last + 1..next {
            fields.next()?;
        }
        let Named { name, id } = fields.next()?;
        field(name, read_value(&mut value, id)?)?;
        last = next;
    }
}

fn last_message(stream: &[u8]) -> Option<Reader<'_>> {
    let mut messages = Reader::new(stream);
    loop {
        let message = messages.message()?;
        if messages.end().is_some() {
            return Some(message);
        }
    }
}

/// The fields of the type that the value has. Reading the descriptions only once the value is known saves us from
/// keeping them: how many a stream holds costs time in proportion, and no memory.
fn described(stream: &[u8], wanted: i64) -> Option<Fields<'_>> {
    let mut messages = Reader::new(stream);
    let mut found = None;
    loop {
        let mut message = messages.message()?;
        // Negative means a description; the last message is the value, which has a description's positive id.
        let id = message.signed()?;
        if messages.end().is_some() {
            return found;
        }
        if id > -FIRST_TYPE {
            return None;
        }
        let fields = Fields::of_description(message)?;
        // A type is described once: two descriptions would leave the choice to us.
        if id.checked_neg() == Some(wanted) && found.replace(fields).is_some() {
            return None;
        }
    }
}

/// What the descriptions of a type and of a field have in common.
struct Named<'a> {
    name: &'a [u8],
    id: i64,
}

impl<'a> Named<'a> {
    fn read(from: &mut Reader<'a>) -> Option<Self> {
        let mut read = Self { name: b"", id: 0 };
        let mut number = 0;
        loop {
            number = from.next_field(number)?;
            match number {
                0 => return Some(read),
                1 => read.name = from.bytes()?,
                2 => read.id = from.signed()?,
                _ => return None,
            }
        }
    }
}

/// The fields of a struct, as described.
struct Fields<'a> {
    left: u64,
    from: Reader<'a>,
}

impl<'a> Fields<'a> {
    /// Reads a description up to its end: `{3: {1: {name, id}, 2: [{name, id}]}}`. The other numbers stand for
    /// arrays, slices, maps and types that encode themselves, which a request has none of.
    fn of_description(mut from: Reader<'a>) -> Option<Self> {
        if from.next_field(0)? != 3 {
            return None;
        }
        let mut fields = Self { left: 0, from };
        let mut number = 0;
        loop {
            number = from.next_field(number)?;
            match number {
                0 => break,
                // Clients call the type `GeneralWsReq` today; the message's own id is the one that counts.
                1 => {
                    Named::read(&mut from)?;
                }
                2 => {
                    let left = from.unsigned()?;
                    if left > FIELDS {
                        return None;
                    }
                    fields = Self { left, from };
                    for _ in 0..left {
                        let field = Named::read(&mut from)?;
                        if !matches!(field.id, 1..=6) {
                            return None;
                        }
                    }
                }
                _ => return None,
            }
        }
        if from.next_field(3)? != 0 {
            return None;
        }
        from.end()?;
        Some(fields)
    }

    fn next(&mut self) -> Option<Named<'a>> {
        self.left = self.left.checked_sub(1)?;
        Named::read(&mut self.from)
    }
}

fn read_value<'a>(from: &mut Reader<'a>, id: i64) -> Option<Value<'a>> {
    Some(match id {
        2 => Value::Int(from.signed()?),
        5 => Value::Bytes(from.bytes()?),
        6 => Value::String(from.bytes()?),
        // A bool is zero or one; a float is its bits in reverse byte order.
        1 | 3 | 4 => {
            from.unsigned()?;
            Value::Other
        }
        _ => return None,
    })
}
