//! The primitives of gob, taken from the front of a slice (`docs/rules/openim.md#gob`).

/// What is left of a stream, a message or a value. Every method is `None` when there is too little of it, and
/// takes no memory whatever length the bytes claim.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// `Some` when nothing is left, so that `?` refuses trailing bytes.
    pub(super) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// An unsigned integer: itself below 128, else the negated count of its bytes and then the bytes, big end
    /// first. Leading zero bytes are accepted, as Go does.
    pub(super) fn unsigned(&mut self) -> Option<u64> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        if first < 128 {
            return Some(first.into());
        }
        let count = usize::from(first.wrapping_neg());
        if count > size_of::<u64>() {
            return None;
        }
        Some(self.take(count)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// A signed integer: the lowest bit says whether the others are complemented.
    pub(super) fn signed(&mut self) -> Option<i64> {
        let folded = self.unsigned()?;
        let half = (folded >> 1).cast_signed();
        Some(if folded & 1 == 0 { half } else { !half })
    }

    /// A string or a byte slice.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.unsigned()?).ok()?;
        self.take(length)
    }

    /// The body of a message.
    pub(super) fn message(&mut self) -> Option<Self> {
        self.bytes().map(Self)
    }

    /// The number of a struct's next field after `last`, from 1; zero at the end of the struct. The wire carries
    /// the difference, since fields come in order and those that are zero are left out.
    pub(super) fn next_field(&mut self, last: u64) -> Option<u64> {
        match self.unsigned()? {
            0 => Some(0),
            step => last.checked_add(step),
        }
    }
}
