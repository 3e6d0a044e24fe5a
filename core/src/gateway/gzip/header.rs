//! The header of a gzip stream (RFC 1952, section 2.3).

use super::crc::crc;

/// Magic, and deflate.
const BEGIN: [u8; 3] = [0x1f, 0x8b, 8];

/// What flags say that the header has.
const CHECKSUM: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const RESERVED: u8 = 0b1110_0000;

/// What follows the header; `None` when it is none.
pub(super) fn skip(stream: &[u8]) -> Option<&[u8]> {
    // Behind the flags: four bytes of time, one of hints, one of a system.
    let ([a, b, c, flags, ..], mut rest) = stream.split_first_chunk::<10>()?;
    if [*a, *b, *c] != BEGIN || flags & RESERVED != 0 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (length, extra) = rest.split_first_chunk::<2>()?;
        rest = extra.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & CHECKSUM != 0 {
        let header = stream.get(..stream.len() - rest.len())?;
        let (checksum, content) = rest.split_first_chunk::<2>()?;
        if crc(header).to_le_bytes().first_chunk() != Some(checksum) {
            return None;
        }
        rest = content;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_skipped_and_none_is_invented() {
        let bare = |flags: u8| [0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 5, 6];
        assert_eq!(skip(&[&bare(0)[..], b"rest"].concat()), Some(&b"rest"[..]));
        let parts = [&bare(EXTRA | NAME | COMMENT)[..], b"\x03\0xyz", b"name\0", b"\0", b"rest"].concat();
        assert_eq!(skip(&parts), Some(&b"rest"[..]));
        for length in 0..parts.len() - b"rest".len() {
            assert_eq!(skip(&parts[..length]), None, "{length}");
        }
        for flags in [32, 64, 128] {
            assert_eq!(skip(&bare(flags)), None);
        }
    }

    #[test]
    fn a_checksum_of_the_header_is_verified() {
        let header = [0x1f, 0x8b, 8, CHECKSUM, 0, 0, 0, 0, 0, 255];
        let [low, high, ..] = crc(&header).to_le_bytes();
        assert_eq!(skip(&[&header[..], &[low, high], b"rest"].concat()), Some(&b"rest"[..]));
        assert_eq!(skip(&[&header[..], &[low, !high], b"rest"].concat()), None);
    }
}
