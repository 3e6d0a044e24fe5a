//! The meaning of a condition, spelled out over one record.

use super::condition::{Comparison, Condition, DateColumn, Second, TextColumns, TextTest};
use crate::directory::{record::Record, view::View};

impl Condition {
    /// Whether the record passes, as seen in `view`.
    pub fn holds(&self, record: &Record, view: &View) -> bool {
        match self {
            Self::User(test) => test.holds(Some(&record.user)),
            Self::Text(columns, test) => test.holds(*columns, record),
            Self::Online { online, offline } => {
                if view.is_online(record) {
                    *online
                } else {
                    *offline
                }
            }
            Self::Date(column, test) => {
                let date = match column {
                    DateColumn::Online => Some(record.online_at),
                    DateColumn::Offline => view.ended_at(record),
                };
                test.holds(date.map(Second::of).as_ref())
            }
        }
    }
}

impl<T: Ord> Comparison<T> {
    fn holds(&self, value: Option<&T>) -> bool {
        let Some(value) = value else { return matches!(self, Self::Null) };
        match self {
            Self::Equal(bound) => value == bound,
            Self::NotEqual(bound) => value != bound,
            Self::Greater(bound) => value > bound,
            Self::GreaterOrEqual(bound) => value >= bound,
            Self::Less(bound) => value < bound,
            Self::LessOrEqual(bound) => value <= bound,
            Self::In(members) => members.contains(value),
            Self::NotIn(members) => !members.contains(value),
            Self::Null => false,
            Self::NotNull => true,
        }
    }
}

impl TextTest {
    fn holds(&self, columns: TextColumns, record: &Record) -> bool {
        match columns {
            TextColumns::FullName => self.holds_for(&record.full_name),
            TextColumns::DeviceId => self.holds_for(&record.device_id),
            TextColumns::RemoteAddress => self.holds_for(&record.remote_address),
            TextColumns::NameAndAddress => {
                let (name, address) =
                    (self.holds_for(&record.full_name), self.holds_for(&record.remote_address));
                if self.is_negative() { name && address } else { name || address }
            }
        }
    }

    fn holds_for(&self, text: &str) -> bool {
        match self {
            Self::Equal(bound) => text == bound,
            Self::NotEqual(bound) => text != bound,
            Self::In(members) => members.iter().any(|member| member == text),
            Self::NotIn(members) => !members.iter().any(|member| member == text),
            Self::Contains(part) => text.contains(part.as_str()),
            Self::NotContains(part) => !text.contains(part.as_str()),
            Self::StartsWith(part) => text.starts_with(part.as_str()),
            Self::NotStartsWith(part) => !text.starts_with(part.as_str()),
            Self::Null => false,
            Self::NotNull => true,
        }
    }

    /// Whether the test is about what is not there; in two fields it must hold of both.
    pub(super) const fn is_negative(&self) -> bool {
        // SQL asks this too, so that the property tests would not see a test that is missing here.
        match self {
            Self::NotEqual(_)
            | Self::NotIn(_)
            | Self::NotContains(_)
            | Self::NotStartsWith(_)
            | Self::Null => true,
            Self::Equal(_) | Self::In(_) | Self::Contains(_) | Self::StartsWith(_) | Self::NotNull => false,
        }
    }
}
