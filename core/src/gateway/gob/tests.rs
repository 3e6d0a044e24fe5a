//! What Go's encoder and the stock clients sent, and what nobody should.

use proptest::prelude::*;

use super::{
    decode,
    decode::{Value, read_struct, text},
    encode,
    encode::{DEFINITION, put_bytes, put_signed, put_unsigned},
    reader::Reader,
};
use crate::{
    gateway::frame::{Request, Response},
    openim::Code,
};

/// What the native client 3.8.3 sent for the newest sequence numbers of alice, without its gzip.
const NATIVE_REQUEST: &str = "657f0301010c47656e6572616c577352657101ff80000106010d5265714964656e7469666965720104000105546f6b656e010c00010653656e644944010c00010b4f7065726174696f6e4944010c0001074d7367496e6372010c00010444617461010a00000058ff8001fe07d20205616c696365012430646661656432382d383262302d343564352d396663612d6463346337303235363561380119616c6963655f3137393533303133373332373031353039383801070a05616c69636500";
/// The kick that it understood, with another type id than ours.
const KICK_AS_65: &str = "60ff81030101045265737001ff82000106010d5265714964656e74696669657201040001074d7367496e6372010c00010b4f7065726174696f6e4944010c000107457272436f646501040001064572724d7367010c00010444617461010a00000007ff8201fe0fa400";

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn vector(id: &str) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/openim.json");
    let vectors: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let frames = vectors["gobFrames"].as_array().unwrap();
    unhex(frames.iter().find(|frame| frame["id"] == id).unwrap()["hex"].as_str().unwrap())
}

/// Reads our own answers back, as a client does.
fn decode_response(stream: &[u8]) -> Option<Response> {
    let mut response = Response::default();
    read_struct(stream, |name, value| {
        match (name, value) {
            (b"ReqIdentifier", Value::Int(number)) => response.identifier = number.try_into().ok()?,
            (b"MsgIncr", Value::String(bytes)) => response.msg_incr = text(bytes)?,
            (b"OperationID", Value::String(bytes)) => response.operation_id = text(bytes)?,
            (b"ErrCode", Value::Int(number)) => response.error_code = number,
            (b"ErrMsg", Value::String(bytes)) => response.error_message = text(bytes)?,
            (b"Data", Value::Bytes(bytes)) => response.data = Some(bytes.to_vec()),
            _ => return None,
        }
        Some(())
    })?;
    Some(response)
}

/// A field as some sender has it; [`Sent::Zero`] is described and left out of the value.
#[derive(Clone, Debug)]
enum Sent {
    Zero(i64),
    Number(i64, u64),
    Signed(i64),
    Bytes(i64, Vec<u8>),
}

impl Sent {
    fn string(text: &str) -> Self {
        if text.is_empty() { Self::Zero(6) } else { Self::Bytes(6, text.into()) }
    }

    fn id(&self) -> i64 {
        match self {
            Self::Zero(id) | Self::Number(id, _) | Self::Bytes(id, _) => *id,
            Self::Signed(_) => 2,
        }
    }
}

fn request_fields(request: &Request) -> Vec<(String, Sent)> {
    let identifier = request.identifier.into();
    let data = request.data.clone();
    [
        ("ReqIdentifier", if identifier == 0 { Sent::Zero(2) } else { Sent::Signed(identifier) }),
        ("Token", Sent::Zero(6)),
        ("SendID", Sent::string(&request.send_id)),
        ("OperationID", Sent::string(&request.operation_id)),
        ("MsgIncr", Sent::string(&request.msg_incr)),
        ("Data", if data.is_empty() { Sent::Zero(5) } else { Sent::Bytes(5, data) }),
    ]
    .map(|(name, sent)| (name.to_owned(), sent))
    .into()
}

fn description(type_id: i64, fields: &[(String, Sent)]) -> Vec<u8> {
    let mut body = Vec::new();
    put_signed(&mut body, -type_id);
    body.extend(b"\x03\x01\x01\x05Other\x01");
    put_signed(&mut body, type_id);
    body.extend(b"\x00\x01");
    put_unsigned(&mut body, fields.len() as u64);
    for (name, sent) in fields {
        body.push(1);
        put_bytes(&mut body, name.as_bytes());
        body.push(1);
        put_signed(&mut body, sent.id());
        body.push(0);
    }
    body.extend(b"\x00\x00");
    framed(&body)
}

fn value(type_id: i64, fields: &[(String, Sent)]) -> Vec<u8> {
    let mut body = Vec::new();
    put_signed(&mut body, type_id);
    let mut step = 0;
    for (_, sent) in fields {
        step += 1;
        if matches!(sent, Sent::Zero(_)) {
            continue;
        }
        put_unsigned(&mut body, step);
        step = 0;
        match sent {
            Sent::Zero(_) => {}
            Sent::Number(_, number) => put_unsigned(&mut body, *number),
            Sent::Signed(number) => put_signed(&mut body, *number),
            Sent::Bytes(_, bytes) => put_bytes(&mut body, bytes),
        }
    }
    body.push(0);
    framed(&body)
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    put_bytes(&mut message, body);
    message
}

fn stream(type_id: i64, fields: &[(String, Sent)]) -> Vec<u8> {
    [description(type_id, fields), value(type_id, fields)].concat()
}

fn named(name: &str, sent: Sent) -> (String, Sent) {
    (name.to_owned(), sent)
}

fn sample() -> Request {
    Request {
        identifier: 2004,
        send_id: "u1".into(),
        operation_id: "op2".into(),
        msg_incr: "u1_op2".into(),
        data: b"\x0a\x02u1\x10\x01".into(),
    }
}

#[test]
fn requests_of_gos_encoder_are_read_as_the_vectors_show() {
    let newest = Request {
        identifier: 1001,
        send_id: "u1".into(),
        operation_id: "op1".into(),
        msg_incr: "u1_op1".into(),
        data: b"\x0a\x02u1".into(),
    };
    assert_eq!(decode(&vector("G1")), Some(newest));
    assert_eq!(decode(&vector("G2")), Some(sample()));
}

#[test]
fn a_request_of_the_native_client_is_read() {
    let request = Request {
        identifier: 1001,
        send_id: "alice".into(),
        operation_id: "0dfaed28-82b0-45d5-9fca-dc4c702565a8".into(),
        msg_incr: "alice_1795301373270150988".into(),
        data: b"\x0a\x05alice".into(),
    };
    assert_eq!(decode(&unhex(NATIVE_REQUEST)), Some(request));
}

#[test]
fn responses_are_written_as_the_vectors_show() {
    assert_eq!(DEFINITION[..], vector("G4"));
    assert_eq!(encode(&Response::kick()), vector("G5"));

    let tips = b"\x0a\x08\x0a\x02u1\x12\x02\x02\x05".to_vec();
    let push = Response { identifier: 2005, data: Some(tips.clone()), ..Response::default() };
    assert_eq!(encode(&push), vector("G7"));

    let subscribe = Request {
        identifier: 2005,
        operation_id: "op3".into(),
        msg_incr: "op3x".into(),
        ..Request::default()
    };
    assert_eq!(encode(&subscribe.answer(Some(tips))), vector("G8"));

    let send =
        Request { identifier: 1003, operation_id: "o".into(), msg_incr: "m".into(), ..Request::default() };
    assert_eq!(encode(&send.fail(Code::Args)), vector("G10"));
}

#[test]
fn no_data_and_empty_data_are_the_same_bytes() {
    let request = sample();
    assert_eq!(encode(&request.answer(None)), encode(&request.answer(Some(Vec::new()))));
}

#[test]
fn the_kick_that_the_native_client_understood_differs_from_ours_in_the_type_id_only() {
    let captured = unhex(KICK_AS_65);
    assert_eq!(decode_response(&captured), Some(Response::kick()));
    let ours = encode(&Response::kick());
    let differing: Vec<_> = (0..ours.len()).filter(|at| ours[*at] != captured[*at]).collect();
    assert_eq!((ours.len(), differing), (captured.len(), vec![2, 13, 99]));
}

#[test]
fn fields_are_known_by_name_whatever_their_order_and_the_type_id() {
    for type_id in [64, 65, 66, 71, 127, 128, 40_000, i64::MAX] {
        let mut fields = request_fields(&sample());
        fields.reverse();
        assert_eq!(decode(&stream(type_id, &fields)), Some(sample()));
    }
}

#[test]
fn unknown_builtin_fields_are_passed_over() {
    let mut fields = request_fields(&sample());
    fields[1].1 = Sent::string("a token in the request is not looked at");
    fields.insert(0, named("Flag", Sent::Number(1, 1)));
    fields.insert(2, named("Count", Sent::Number(3, u64::MAX)));
    fields.insert(4, named("Ratio", Sent::Number(4, 0xf83f)));
    fields.insert(5, named("Blob", Sent::Bytes(5, vec![0xff; 300])));
    fields.insert(6, named("Text", Sent::Bytes(6, b"\xff not UTF-8".into())));
    fields.push(named("Offset", Sent::Signed(i64::MIN)));
    assert_eq!(decode(&stream(65, &fields)), Some(sample()));
}

#[test]
fn fields_that_are_zero_or_not_described_are_empty() {
    let all_zero = stream(65, &request_fields(&Request::default()));
    assert_eq!(decode(&all_zero), Some(Request::default()));
    assert_eq!(decode(&stream(65, &[])), Some(Request::default()));
    // An older encoder leaves an empty list of fields out, and an anonymous struct has no name.
    let bare = [framed(b"\xff\x81\x03\x00\x00"), value(65, &[])].concat();
    assert_eq!(decode(&bare), Some(Request::default()));
}

#[test]
fn the_value_picks_its_description_among_several() {
    let fields = request_fields(&sample());
    let others: Vec<u8> =
        (100..200).flat_map(|id| description(id, &[named("Flag", Sent::Zero(1))])).collect();
    let (before, after) = (description(65, &fields), value(65, &fields));
    assert_eq!(decode(&[&before[..], &others, &after].concat()), Some(sample()));
    assert_eq!(decode(&[&others[..], &before, &after].concat()), Some(sample()));
    assert_eq!(decode(&[&others[..], &after].concat()), None, "not described");
    assert_eq!(decode(&[&before[..], &before, &after].concat()), None, "described twice");
    assert_eq!(decode(&[&after[..], &before].concat()), None, "described afterwards");
    assert_eq!(decode(&[&before[..], &after, &after].concat()), None, "two values");
    assert_eq!(decode(&before), None, "no value");
}

#[test]
fn numbers_with_leading_zeros_are_read_as_go_reads_them() {
    assert_eq!(Reader::new(b"\xff\x05").unsigned(), Some(5));
    assert_eq!(Reader::new(b"\xf8\0\0\0\0\0\0\x0f\xa4").signed(), Some(2002));
    assert_eq!(Reader::new(b"\xf7\0\0\0\0\0\0\0\x0f\xa4").unsigned(), None, "nine bytes");
    assert_eq!(Reader::new(b"\x80").unsigned(), None, "128 bytes");
    assert_eq!(Reader::new(b"\xfe\x0f").unsigned(), None, "cut off");
}

#[test]
fn an_identifier_fits_32_bits() {
    for (number, read) in [
        (i64::from(i32::MAX), Some(i32::MAX)),
        (i64::from(i32::MIN), Some(i32::MIN)),
        (i64::from(i32::MAX) + 1, None),
        (i64::MIN, None),
        (i64::MAX, None),
    ] {
        let decoded = decode(&stream(65, &[named("ReqIdentifier", Sent::Signed(number))]));
        assert_eq!(decoded.map(|request| request.identifier), read);
    }
}

#[test]
fn a_known_field_of_another_type_is_refused() {
    for (name, sent) in [
        ("ReqIdentifier", Sent::Number(3, 1001)),
        ("ReqIdentifier", Sent::string("1001")),
        ("SendID", Sent::Bytes(5, b"u1".into())),
        ("MsgIncr", Sent::Signed(1)),
        ("OperationID", Sent::Bytes(6, b"\xff".into())),
        ("Data", Sent::string("text")),
    ] {
        assert_eq!(decode(&stream(65, &[named(name, sent)])), None, "{name}");
    }
}

#[test]
fn types_that_are_not_structs_of_builtin_fields_are_refused() {
    // Zero, complex, interface, two that gob keeps for itself, a user's, and none at all.
    for id in [0, 7, 8, 16, 23, 65, 70, -2, i64::MAX] {
        assert_eq!(decode(&stream(65, &[named("Extra", Sent::Zero(id))])), None, "{id}");
    }
    let slice_of_strings = framed(b"\xff\x87\x02\x01\x02\xff\x88\x00\x01\x0c\x00\x00");
    let request = stream(65, &request_fields(&sample()));
    assert_eq!(decode(&[slice_of_strings, request].concat()), None);
    // A value of a builtin type needs no description.
    assert_eq!(decode(&framed(b"\x0c\x00\x02u1")), None);
    let below_users = stream(63, &request_fields(&sample()));
    assert_eq!(decode(&below_users), None);
}

#[test]
fn limits_are_kept() {
    let many = |count: usize| -> Vec<_> {
        (0..count).map(|number| named(&format!("F{number}"), Sent::Number(1, 1))).collect()
    };
    assert_eq!(decode(&stream(65, &many(32))), Some(Request::default()));
    assert_eq!(decode(&stream(65, &many(33))), None);

    let with_data = |length| stream(65, &request_fields(&Request { data: vec![1; length], ..sample() }));
    let overhead = with_data(1 << 19).len() - (1 << 19);
    assert!(decode(&with_data((1 << 20) - overhead)).is_some());
    assert_eq!(decode(&with_data((1 << 20) - overhead + 1)), None);
}

#[test]
fn lengths_beyond_the_input_are_refused() {
    let fields = [named("Data", Sent::Zero(5))];
    for length in
        [&b"\x02"[..], b"\xff\x02", b"\xfc\xff\xff\xff\xff", b"\xf8\xff\xff\xff\xff\xff\xff\xff\xff"]
    {
        let body = [b"\xff\x82\x01", length, b"\x00"].concat();
        assert_eq!(decode(&[description(65, &fields), framed(&body)].concat()), None);
        assert_eq!(decode(&[length, b"\x00"].concat()), None);
    }
    let far = framed(b"\xff\x82\xf8\xff\xff\xff\xff\xff\xff\xff\xff\x00");
    assert_eq!(decode(&[description(65, &fields), far].concat()), None, "a field far beyond the description");
    let claimed = framed(b"\xff\x81\x03\x01\x00\x01\xf8\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00");
    assert_eq!(decode(&[claimed, framed(b"\xff\x82\x00")].concat()), None, "2^64 fields");
}

#[test]
fn a_cut_or_continued_stream_is_refused() {
    for frame in [vector("G1"), vector("G2"), unhex(NATIVE_REQUEST)] {
        for length in 0..frame.len() {
            assert_eq!(decode(&frame[..length]), None, "{length}");
        }
        for more in [&b"\0"[..], b"\x01\x00", &frame] {
            assert_eq!(decode(&[&frame[..], more].concat()), None);
        }
    }
}

#[test]
fn bytes_after_the_end_inside_a_message_are_refused() {
    let fields = [named("Data", Sent::Zero(5))];
    let definition = description(65, &fields);
    assert_eq!(decode(&[&definition[..], &framed(b"\xff\x82\x00")].concat()), Some(Request::default()));
    assert_eq!(decode(&[&definition[..], &framed(b"\xff\x82\x00\x00")].concat()), None);
    let longer = framed(&[&definition[1..], b"\x00"].concat());
    assert_eq!(decode(&[longer, framed(b"\xff\x82\x00")].concat()), None);
}

fn any_request() -> impl Strategy<Value = Request> {
    (any::<i32>(), "\\PC{0,40}", "\\PC{0,300}", ".{0,40}", prop::collection::vec(any::<u8>(), 0..400))
        .prop_map(|(identifier, send_id, operation_id, msg_incr, data)| Request {
            identifier,
            send_id,
            operation_id,
            msg_incr,
            data,
        })
}

fn any_extra() -> impl Strategy<Value = Sent> {
    prop_oneof![
        (1..=6_i64).prop_map(Sent::Zero),
        (1..u64::MAX).prop_flat_map(
            |number| prop::sample::select(vec![1, 3, 4]).prop_map(move |id| Sent::Number(id, number))
        ),
        (1..i64::MAX).prop_map(Sent::Signed),
        (5..=6_i64, prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(id, bytes)| Sent::Bytes(id, bytes)),
    ]
}

/// Overwrites, inserts and removes some bytes.
fn mutated(frame: &[u8], changes: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    for (at, kind, byte) in changes {
        if frame.is_empty() {
            break;
        }
        let at = at.index(frame.len());
        match kind {
            0 => frame[at] = *byte,
            1 => frame[at] ^= 1 << (byte % 8),
            2 => frame.insert(at, *byte),
            _ => {
                frame.remove(at);
            }
        }
    }
    frame
}

proptest! {
    #[test]
    fn every_request_comes_through(
        request in any_request(),
        type_id in 64_i64..100_000,
        extras in prop::collection::vec(any_extra(), 0..26),
        seed in any::<prop::sample::Index>(),
    ) {
        let mut fields = request_fields(&request);
        for (number, extra) in extras.into_iter().enumerate() {
            let at = seed.index(fields.len());
            fields.insert(at, named(&format!("Extra{number}"), extra));
        }
        prop_assert_eq!(decode(&stream(type_id, &fields)), Some(request));
    }

    #[test]
    fn every_response_comes_through(
        request in any_request(),
        error_code: i64,
        error_message in "\\PC{0,40}",
        data in prop::option::of(prop::collection::vec(any::<u8>(), 1..70_000)),
    ) {
        let response = Response { error_code, error_message, ..request.answer(data) };
        prop_assert_eq!(decode_response(&encode(&response)), Some(response));
    }

    #[test]
    fn numbers_come_through(number: u64) {
        for number in [number, number >> 32, number >> 56, number.leading_zeros().into()] {
            let mut bytes = Vec::new();
            put_unsigned(&mut bytes, number);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.unsigned(), Some(number));
            prop_assert!(reader.end().is_some());
            bytes.clear();
            put_signed(&mut bytes, number.cast_signed());
            prop_assert_eq!(Reader::new(&bytes).signed(), Some(number.cast_signed()));
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn no_bytes_after_a_description_make_the_decoder_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let definition = description(65, &request_fields(&sample()));
        let _ = decode(&[&definition[..], &bytes].concat());
        let _ = decode(&[&definition[..], &framed(&[b"\xff\x82", &bytes[..]].concat())].concat());
        let _ = decode(&[framed(&[b"\xff\x81\x03", &bytes[..]].concat()), framed(b"\xff\x82\x00")].concat());
    }

    #[test]
    fn no_change_of_a_good_request_makes_the_decoder_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 1..6),
    ) {
        for frame in [stream(65, &request_fields(&sample())), unhex(NATIVE_REQUEST)] {
            if let Some(request) = decode(&mutated(&frame, &changes)) {
                // Lengths and counts that a change made larger never make the request larger than its bytes.
                let bytes = request.send_id.len() + request.operation_id.len() + request.msg_incr.len();
                prop_assert!(bytes + request.data.len() <= frame.len() + changes.len());
            }
        }
    }
}
