//! Where in a JSON text a reader stopped, as the names of members and the numbers of items.
//!
//! `serde_json` says a line and a column. A second reading of the text up to there finds the value that stands there. It
//! costs time for texts that did not read only, and one visitor serves every type.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// The value where an error stands, from the outermost one inwards.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Place(Vec<Step>);

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Item(usize),
}

impl Place {
    /// The value that an error in `text` is about. It began or ended last before the error.
    pub(super) fn of(text: &str, error: &serde_json::Error) -> Self {
        let mut place = Self::default();
        let read = text.get(..offset(text, error.line(), error.column())).unwrap_or(text);
        // Behind a value a digit is a fault. Where the reader looked at a value's first byte only, the digit begins it.
        let text = format!("{read}0");
        let walk = Walk { place: &mut place, depth: 0, step: None };
        // The text ends in the middle, so this fails; the place of the failure is the answer.
        let _ = walk.deserialize(&mut serde_json::Deserializer::from_str(&text));
        place
    }

    /// The object or list around this value.
    pub(super) fn around(mut self) -> Self {
        self.0.pop();
        self
    }

    fn enter(&mut self, depth: usize, step: Option<Step>) {
        self.0.truncate(depth);
        self.0.extend(step);
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.0.iter().enumerate() {
            match step {
                Step::Member(name) if depth == 0 => f.write_str(name)?,
                Step::Member(name) => write!(f, ".{name}")?,
                Step::Item(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// How many bytes of `text` lie before a line and column as `serde_json` counts them.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    before + column
}

/// Reads any value, and leaves the place of the last one that began or ended.
struct Walk<'a> {
    place: &'a mut Place,
    /// How many steps lead to what is around the value.
    depth: usize,
    /// The step to the value itself; the outermost value has none.
    step: Option<Step>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let depth = self.depth + usize::from(self.step.is_some());
        self.place.enter(self.depth, self.step);
        deserializer.deserialize_any(Inside { place: self.place, depth })
    }
}

struct Inside<'a> {
    place: &'a mut Place,
    depth: usize,
}

impl<'de> Visitor<'de> for Inside<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key()? {
            let step = Some(Step::Member(name));
            members.next_value_seed(Walk { place: self.place, depth: self.depth, step })?;
        }
        self.place.enter(self.depth, None);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for index in 0.. {
            let step = Some(Step::Item(index));
            let item = items.next_element_seed(Walk { place: self.place, depth: self.depth, step })?;
            if item.is_none() {
                break;
            }
        }
        self.place.enter(self.depth, None);
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
