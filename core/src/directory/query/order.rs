//! The order of a list (`docs/rules/message-center.md#paging`).
//!
//! Every order is total: records that are equal in the sorted column are ordered by id, latest first, so that pages
//! neither repeat a record nor skip one.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::{
    directory::{record::Record, view::View},
    id::RecordId,
};

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderBy {
    /// `id`
    #[default]
    Id,
    /// `userId`
    UserId,
    /// `fullName`, by code points
    FullName,
    /// `onlineDate`
    OnlineDate,
    /// `offlineDate`; records that are online have none, which is the lowest value
    OfflineDate,
}

impl OrderBy {
    /// Every column that a list may be sorted by.
    pub const ALL: [Self; 5] = [Self::Id, Self::UserId, Self::FullName, Self::OnlineDate, Self::OfflineDate];

    /// The column with exactly this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.name() == name)
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::UserId => "userId",
            Self::FullName => "fullName",
            Self::OnlineDate => "onlineDate",
            Self::OfflineDate => "offlineDate",
        }
    }
}

/// Which end of the column comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// `ASC`: the lowest first.
    Ascending,
    /// `DESC`: the highest first.
    #[default]
    Descending,
}

impl Direction {
    /// The direction with exactly this name, which is also its SQL keyword.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Ascending, Self::Descending].into_iter().find(|direction| direction.name() == name)
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ascending => "ASC",
            Self::Descending => "DESC",
        }
    }
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The column.
    pub by: OrderBy,
    /// Its direction; the tie-breaker is always the highest id first.
    pub direction: Direction,
}

/// A value of the column that a list is sorted by. `Null` is the lowest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SortValue {
    /// No value.
    Null,
    /// A number or an instant.
    Int(i64),
    /// A text.
    Text(String),
}

/// The position of a record in an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Its value in the sorted column.
    pub value: SortValue,
    /// Its id.
    pub id: RecordId,
}

impl Order {
    /// The position of the record in `view`.
    pub fn position(self, record: &Record, view: &View) -> Position {
        let value = match self.by {
            OrderBy::Id => SortValue::Int(record.id.number()),
            OrderBy::UserId => SortValue::Int(record.user),
            OrderBy::FullName => SortValue::Text(record.full_name.clone()),
            OrderBy::OnlineDate => SortValue::Int(record.online_at.millis()),
            OrderBy::OfflineDate => {
                view.ended_at(record).map_or(SortValue::Null, |end| SortValue::Int(end.millis()))
            }
        };
        Position { value, id: record.id }
    }

    /// Compares two positions in this order.
    pub fn compare(self, one: &Position, other: &Position) -> Ordering {
        let values = one.value.cmp(&other.value);
        let values = if self.direction == Direction::Descending { values.reverse() } else { values };
        values.then_with(|| other.id.cmp(&one.id))
    }

    /// The positions of all lists in this order, each with the number of its list.
    pub(in crate::directory) fn merged<'a>(
        self,
        lists: impl IntoIterator<Item = &'a [Position]>,
    ) -> Vec<(usize, &'a Position)> {
        let lists = lists.into_iter().enumerate();
        let mut merged: Vec<_> =
            lists.flat_map(|(number, list)| list.iter().map(move |position| (number, position))).collect();
        merged.sort_by(|(_, one), (_, other)| self.compare(one, other));
        merged
    }
}
