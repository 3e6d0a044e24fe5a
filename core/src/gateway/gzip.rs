//! Gzip around each binary message, when the handshake asked for it (`docs/rules/openim.md#gzip`).

use std::io::{self, Write as _};

use crc::{CRC_32_ISO_HDLC, Crc, Table};
use flate2::{Compression, Decompress, FlushDecompress, Status, write::DeflateEncoder};

/// The largest message that is inflated. The caller bounds what it was deflated to.
const INFLATED_BYTES: usize = 1 << 20;
/// DEFLATE cannot do better: 258 bytes for two bits.
const BEST_RATIO: usize = 1032;
/// Longer messages are compressed, shorter ones wrapped as they are.
///
/// Measured with flate2 1.1 and miniz_oxide 0.9, on x86-64: the compressor allocates 344 KiB and takes 10 to 70 us
/// for the smallest message, at level 0, 1 or 6 alike; a stored block takes one allocation of the message's size
/// and less than 0.5 us. Compressing saves 12 bytes of a kick (116 instead of 128), 15 to 20 of an answer without
/// data, and pays only for a reply about dozens of users: 468 instead of 808 bytes for 40, 729 instead of 1,424 for
/// 80. There level 1 comes within 2 % of level 6, in two thirds (80 users) to a seventh (3,000) of its time.
const STORED_BYTES: usize = 1024;
/// Magic, deflate, no flags, no time, no hints, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// The same of what the fastest compressor made.
const FAST_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];
/// Whether a stored block is the last, its length, and that inverted.
const BLOCK_HEADER_BYTES: usize = 5;
const TRAILER_BYTES: usize = 8;
/// The longest name or comment in a header.
const TEXT_BYTES: usize = 65_535;

/// The checksum of a header.
const CHECKED: u8 = 1 << 1;
/// Extra fields in a header.
const EXTRA: u8 = 1 << 2;
/// The name of a file.
const NAME: u8 = 1 << 3;
/// A comment.
const COMMENT: u8 = 1 << 4;
/// Flags that must not be set.
const RESERVED: u8 = 0b1110_0000;

/// The checksum. flate2's own has a table of 16 KB, which is a sixtieth of the worker's module; this one has 1 KB.
static CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

/// Unwraps exactly one gzip stream; `None` when it is damaged or cut off, followed by anything, or larger inside
/// than [`INFLATED_BYTES`].
///
/// The trailer names the length of the content, so that much is allocated and no more: a stream that holds more or
/// less is damaged. Beside the content, the decompressor takes 43 KiB.
pub(super) fn decode(stream: &[u8]) -> Option<Vec<u8>> {
    let (deflated, trailer) = behind_header(stream)?.split_last_chunk::<TRAILER_BYTES>()?;
    let [sum @ .., _, _, _, _] = *trailer;
    let [_, _, _, _, length @ ..] = *trailer;
    let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
    if length > INFLATED_BYTES || length > stream.len().saturating_mul(BEST_RATIO) {
        return None;
    }
    // With room for one byte more, what is longer inside shows.
    let mut content = Vec::with_capacity(length + 1);
    let mut decompress = Decompress::new(false);
    let status = decompress.decompress_vec(deflated, &mut content, FlushDecompress::Finish).ok()?;
    let is_read = u64::try_from(deflated.len()).is_ok_and(|bytes| decompress.total_in() == bytes);
    let is_whole = matches!(status, Status::StreamEnd) && is_read && content.len() == length;
    (is_whole && CRC.checksum(&content) == u32::from_le_bytes(sum)).then_some(content)
}

/// What follows the header; `None` when that is none. Its fields mean nothing here.
fn behind_header(stream: &[u8]) -> Option<&[u8]> {
    let (&[0x1f, 0x8b, 8, flags, ..], mut rest) = stream.split_first_chunk::<10>()? else { return None };
    if flags & RESERVED != 0 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (length, fields) = rest.split_first_chunk()?;
        rest = fields.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().take(TEXT_BYTES + 1).position(|byte| *byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & CHECKED != 0 {
        let header = stream.get(..stream.len() - rest.len())?;
        let (sum, deflated) = rest.split_first_chunk::<2>()?;
        if !CRC.checksum(header).to_le_bytes().starts_with(sum) {
            return None;
        }
        rest = deflated;
    }
    Some(rest)
}

/// Wraps `content` as one gzip stream.
pub(super) fn encode(content: &[u8]) -> Vec<u8> {
    if content.len() <= STORED_BYTES {
        return store(content);
    }
    // Compressing into memory cannot fail. If it did, the client would still get its message.
    deflate(content).unwrap_or_else(|_| store(content))
}

fn store(content: &[u8]) -> Vec<u8> {
    let most = HEADER.len() + content.len() + BLOCK_HEADER_BYTES * (content.len() >> 15) + BLOCK_HEADER_BYTES;
    let mut stream = Vec::with_capacity(most + TRAILER_BYTES);
    stream.extend_from_slice(&HEADER);
    let mut rest = content;
    loop {
        let length = u16::try_from(rest.len()).unwrap_or(u16::MAX);
        let (block, after) = rest.split_at(length.into());
        stream.push(after.is_empty().into());
        stream.extend_from_slice(&length.to_le_bytes());
        stream.extend_from_slice(&(!length).to_le_bytes());
        stream.extend_from_slice(block);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    with_trailer(stream, content)
}

fn deflate(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = Vec::with_capacity(content.len() / 2);
    stream.extend_from_slice(&FAST_HEADER);
    let mut encoder = DeflateEncoder::new(stream, Compression::fast());
    encoder.write_all(content)?;
    Ok(with_trailer(encoder.finish()?, content))
}

/// Closes a stream by the checksum and the length of its content.
fn with_trailer(mut stream: Vec<u8>, content: &[u8]) -> Vec<u8> {
    stream.extend_from_slice(&CRC.checksum(content).to_le_bytes());
    // The length is kept modulo 2^32.
    let [a, b, c, d, ..] = u64::try_from(content.len()).unwrap_or_default().to_le_bytes();
    stream.extend_from_slice(&[a, b, c, d]);
    stream
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use flate2::{bufread::GzDecoder, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;

    /// What the native client 3.8.3 sent, and the kick that it understood.
    const NATIVE_REQUEST: &str = "H4sIAAAAAAAA/yTMQUuHMBjH8T31/yuYvYDuXQdzujbvQniIwIK6xdP2GCOZOb3na+wFZZi3zw9+fOn7EiC/p0ARh5e5owm2lUEC1x1NraOw+N5ThBOD8/P4SQFyBskTBdc2O68evyji4sdw7PRh/miDjbtPDS4IGWPsdVvhN/25OOPgLcGtcD2Sk4Yb+S54pZzidW+RO1tZLaS6U2jg5v/8VuhalaIodSm1KJSojYE0O0rsLwAA//94wuyBvwAAAA==";
    const KICK: &str = "H4sIAAAAAAAAAxXKwQmEMBBG4fkxGFAXi1IPOYhgBYZ1lFyiTtKA1mKdmyXH9/GWdBeAmjmcSA+hxGfmy6zso9scCxRBj2E3/itoCPV0stjoDm/63HoQ6Y6V81cOImPYM6veRouKiHR68Gtf+gMhcvmVaQAAAA==";

    fn unbase64(text: &str) -> Vec<u8> {
        STANDARD.decode(text).unwrap()
    }

    fn at_level(content: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_the_native_client_sent_and_understood_is_inflated() {
        let request = decode(&unbase64(NATIVE_REQUEST)).unwrap();
        assert_eq!(request.len(), 191);
        assert!(request.starts_with(b"\x65\x7f\x03\x01\x01\x0cGeneralWsReq"));
        let kick = decode(&unbase64(KICK)).unwrap();
        assert_eq!(kick.len(), 105);
        assert!(kick.ends_with(b"\x07\xff\x82\x01\xfe\x0f\xa4\x00"));
    }

    #[test]
    fn a_stored_block_is_what_the_format_says() {
        assert_eq!(
            encode(b"abc"),
            b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01\x03\0\xfc\xffabc\xc2\x41\x24\x35\x03\0\0\0"
        );
    }

    #[test]
    fn short_messages_are_stored_and_long_ones_compressed() {
        let limit = STORED_BYTES;
        let stored = encode(&vec![b'a'; limit]);
        assert_eq!(stored.len(), limit + 23);
        let compressed = encode(&vec![b'a'; limit + 1]);
        assert!(compressed.len() < 50, "{}", compressed.len());
        assert_eq!(decode(&compressed), Some(vec![b'a'; limit + 1]));
        assert_eq!(decode(&stored), Some(vec![b'a'; limit]));
    }

    #[test]
    fn a_message_of_any_length_can_be_stored() {
        for length in [0, 1, 65_534, 65_535, 65_536, 131_070, 131_071, 200_000] {
            let content = vec![b'a'; length];
            assert_eq!(decode(&store(&content)), Some(content), "{length}");
        }
    }

    #[test]
    fn a_compressed_stream_is_what_others_write() {
        let mixed: Vec<u8> =
            (0..200_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for content in [unbase64(NATIVE_REQUEST).repeat(40), vec![7; 100_000], mixed] {
            assert_eq!(encode(&content), at_level(&content, 1));
            assert_eq!(decode(&encode(&content)).as_ref(), Some(&content));
        }
    }

    #[test]
    fn every_level_is_inflated() {
        let content = unbase64(NATIVE_REQUEST).repeat(40);
        for level in 0..=9 {
            assert_eq!(decode(&at_level(&content, level)).as_ref(), Some(&content), "{level}");
        }
    }

    #[test]
    fn a_header_may_name_what_it_likes() {
        let named = flate2::GzBuilder::new().filename("f").comment("c").extra(&b"xyz"[..]).mtime(1);
        let mut encoder = named.write(Vec::new(), Compression::fast());
        encoder.write_all(b"content").unwrap();
        assert_eq!(decode(&encoder.finish().unwrap()).unwrap(), b"content");
    }

    #[test]
    fn a_header_with_a_checksum_is_held_against_it() {
        let checked = |flags: u8, fields: &[u8]| {
            let header = [&[0x1f, 0x8b, 8, flags | CHECKED, 0, 0, 0, 0, 0, 255], fields].concat();
            let sum = CRC.checksum(&header);
            [&header, &sum.to_le_bytes()[..2], &encode(b"content")[HEADER.len()..]].concat()
        };
        for stream in [checked(0, b""), checked(EXTRA | NAME | COMMENT, b"\x03\0xyzname\0comment\0")] {
            assert_eq!(decode(&stream).unwrap(), b"content");
            let before_content = stream.len() - encode(b"content").len() + HEADER.len();
            for at in 0..before_content {
                let mut damaged = stream.clone();
                damaged[at] ^= 1;
                assert_eq!(decode(&damaged), None, "{at}");
            }
        }
    }

    #[test]
    fn a_name_may_be_as_long_as_flate2_takes_it() {
        for (length, is_taken) in [(TEXT_BYTES, true), (TEXT_BYTES + 1, false)] {
            let named = flate2::GzBuilder::new().filename(vec![b'n'; length]);
            let mut encoder = named.write(Vec::new(), Compression::fast());
            encoder.write_all(b"content").unwrap();
            let stream = encoder.finish().unwrap();
            assert_eq!(decode(&stream).is_some(), is_taken, "{length}");
            assert_eq!(by_flate2(&stream).is_some(), is_taken, "{length}");
        }
    }

    /// One stream and nothing behind it, by flate2's own reader of gzip.
    fn by_flate2(stream: &[u8]) -> Option<Vec<u8>> {
        let mut decoder = GzDecoder::new(stream);
        let mut content = Vec::new();
        decoder.read_to_end(&mut content).ok()?;
        decoder.into_inner().is_empty().then_some(content)
    }

    #[test]
    fn one_mebibyte_is_inflated_and_one_byte_more_is_not() {
        let largest = at_level(&vec![0; INFLATED_BYTES], 9);
        assert!(largest.len() < 1100, "{}", largest.len());
        assert_eq!(decode(&largest).map(|content| content.len()), Some(INFLATED_BYTES));
        assert_eq!(decode(&at_level(&vec![0; INFLATED_BYTES + 1], 9)), None);
    }

    #[test]
    fn a_bomb_that_lies_about_its_length_is_refused() {
        let bomb = at_level(&vec![0; 40 << 20], 9);
        assert!(bomb.len() < 51_200);
        let (rest, _) = bomb.split_last_chunk::<4>().unwrap();
        for length in [0, 1, 1 << 16, 1 << 20, u32::MAX] {
            assert_eq!(decode(&[rest, &length.to_le_bytes()[..]].concat()), None, "{length}");
        }
    }

    #[test]
    fn a_trailer_that_lies_about_the_length_is_refused() {
        let mut stream = encode(b"abc");
        let at = stream.len() - 4;
        for length in [2_u32, 4, 1 << 20] {
            stream[at..].copy_from_slice(&length.to_le_bytes());
            assert_eq!(decode(&stream), None, "{length}");
        }
    }

    #[test]
    fn a_cut_continued_or_damaged_stream_is_refused() {
        for stream in [unbase64(NATIVE_REQUEST), unbase64(KICK), encode(b"abc"), encode(b"")] {
            assert!(decode(&stream).is_some());
            for length in 0..stream.len() {
                assert_eq!(decode(&stream[..length]), None, "{length}");
            }
            for more in [&b"\0"[..], b"\0\0\0\0", b"abcdefgh", &stream] {
                assert_eq!(decode(&[&stream[..], more].concat()), None);
            }
            let checksum = stream.len() - 8;
            for at in [0, 1, 2, checksum, checksum + 4, checksum + 7] {
                let mut damaged = stream.clone();
                damaged[at] ^= 1;
                assert_eq!(decode(&damaged), None, "{at}");
            }
        }
        assert_eq!(decode(br#"{"reqIdentifier":1001}"#), None);
    }

    #[test]
    fn a_second_stream_is_refused_even_when_it_is_empty() {
        assert_eq!(decode(&[encode(b"abc"), encode(b"")].concat()), None);
        assert_eq!(decode(&[encode(b""), encode(b"abc")].concat()), None);
    }

    proptest! {
        #[test]
        fn every_content_comes_through(
            random in prop::collection::vec(any::<u8>(), 0..3000),
            alike in prop::collection::vec(0..3_u8, 0..3000),
        ) {
            for content in [random, alike] {
                prop_assert_eq!(decode(&encode(&content)), Some(content));
            }
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
            let _ = decode(&[b"\x1f\x8b\x08\0\0\0\0\0\0\xff", &bytes[..], b"\0\x10\0\0"].concat());
        }

        #[test]
        fn no_change_of_a_good_stream_makes_the_decoder_panic(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            for mut stream in [unbase64(NATIVE_REQUEST), at_level(&[7; 3000], 6), encode(b"stored")] {
                for (at, byte) in &changes {
                    let at = at.index(stream.len());
                    stream[at] = *byte;
                }
                let _ = decode(&stream);
            }
        }

        #[test]
        fn a_header_is_read_as_flate2_reads_it(
            flags in any::<u8>(),
            fields in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..30),
            sums in any::<bool>(),
        ) {
            let header = [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255], &fields[..]].concat();
            let sum = CRC.checksum(&header).to_le_bytes();
            let sum = if sums { &sum[..2] } else { &[] };
            let stream = [&header, sum, &encode(b"content")[HEADER.len()..]].concat();
            prop_assert_eq!(decode(&stream), by_flate2(&stream));
        }
    }
}
