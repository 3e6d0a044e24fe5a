//! The checksum of gzip: CRC-32 (RFC 1952, section 8).
//!
//! flate2's own comes with a table of 16 KB that nothing can compress, for a speed that short messages have no use for.

/// What four bits do to the checksum.
const NIBBLES: [u32; 16] = nibbles();

const fn nibbles() -> [u32; 16] {
    let mut table = [0; 16];
    let mut nibble = 0;
    while nibble < 16 {
        let mut sum = nibble;
        let mut bit = 0;
        while bit < 4 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
            bit += 1;
        }
        #[allow(clippy::indexing_slicing, reason = "while compiling, and within bounds")]
        {
            table[nibble as usize] = sum;
        }
        nibble += 1;
    }
    table
}

/// The checksum of some bytes.
pub(super) fn crc(bytes: &[u8]) -> u32 {
    #[allow(clippy::indexing_slicing, reason = "four bits are below 16")]
    let step = |sum: u32| (sum >> 4) ^ NIBBLES[(sum & 15) as usize];
    !bytes.iter().fold(!0, |sum, byte| step(step(sum ^ u32::from(*byte))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_check_value_of_the_algorithm() {
        assert_eq!(crc(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc(b""), 0);
    }

    proptest! {
        #[test]
        fn it_is_what_others_compute(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut other = flate2::Crc::new();
            other.update(&bytes);
            prop_assert_eq!(crc(&bytes), other.sum());
        }
    }
}
