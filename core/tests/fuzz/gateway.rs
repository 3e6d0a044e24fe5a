//! A message of a gateway client, in every form that one may have agreed on. The first byte chooses the form.

use rollcall_core::gateway::{Encoding, Payload, Wire, decode, encode, payload::Subscribe};

pub fn check(input: &[u8]) {
    let Some((form, message)) = input.split_first() else { return };
    let encoding = if form & 1 == 0 { Encoding::Gob } else { Encoding::Json };
    let wire = Wire { encoding, gzip: form & 2 != 0 };
    let Ok(request) = decode(wire, message) else { return };
    if let Ok(read) = Subscribe::decode(&request.data, 3) {
        assert!(
            read.subscribe.len() <= 3 && read.unsubscribe.len() <= 3,
            "of a longer list the last are kept"
        );
    }
    // An answer has the request's names, so what was understood survives being written and read again.
    let Payload::Binary(answer) = encode(wire, &request.answer(Some(request.data.clone()))) else {
        unreachable!("answers are binary")
    };
    let again = decode(wire, &answer).expect("an answer can be read");
    assert_eq!(
        (again.identifier, again.msg_incr, again.operation_id, again.data),
        (request.identifier, request.msg_incr, request.operation_id, request.data)
    );
}
