//! The choice of the index for a query, written into the statement and not left to the planner.
//!
//! The planner has no statistics to choose by, and the tests of this folder check the plans.

use super::order::OrderBy;
use crate::directory::{
    filter::{Comparison, Condition, DateColumn, TextColumns, TextTest, render::RowSet},
    holding::Holding,
    index::Index,
};

/// The index that leaves the fewest rows to look at, when the conditions name one.
pub(super) fn narrowing_index(row_set: RowSet, conditions: &[Condition], holding: &Holding) -> Option<Index> {
    let ranked = conditions.iter().filter_map(|condition| narrows(row_set, condition, holding));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, index)| index)
}

/// How well an index narrows the rows of a condition: 0 to one user's, 1 to one value's, 2 to a range of values, 3 not at
/// all, but the index is narrower to read than the rows.
fn narrows(row_set: RowSet, condition: &Condition, holding: &Holding) -> Option<(u8, Index)> {
    // The index of open rows is small, and has users and both dates.
    let range = |test_is_range: bool| test_is_range && row_set != RowSet::Open;
    match condition {
        Condition::User(Comparison::Equal(_) | Comparison::In(_)) => Some((0, Index::User)),
        Condition::User(test) if range(is_range(test)) => Some((2, Index::User)),
        Condition::Date(DateColumn::Online, _) if holding.one_tenant => {
            (row_set == RowSet::Ended).then_some((3, Index::Ended))
        }
        Condition::Date(DateColumn::Online, Comparison::Equal(_)) => Some((1, Index::Online)),
        Condition::Date(DateColumn::Online, test) if range(is_range(test)) => Some((2, Index::Online)),
        Condition::Date(DateColumn::Offline, Comparison::Equal(_)) if row_set == RowSet::Ended => {
            Some((1, Index::Ended))
        }
        Condition::Date(DateColumn::Offline, test) if is_range(test) && row_set == RowSet::Ended => {
            Some((2, Index::Ended))
        }
        Condition::Text(TextColumns::FullName, TextTest::Equal(_) | TextTest::In(_)) => {
            Some((1, Index::Name))
        }
        Condition::Text(TextColumns::FullName, TextTest::StartsWith(_)) => Some((2, Index::Name)),
        // A test that most rows pass is not worth an index, since the rows have to be fetched for their ends anyway.
        Condition::Text(columns, test) if is_selective(test) || row_set != RowSet::Open => {
            Some((3, if *columns == TextColumns::DeviceId { Index::User } else { Index::Name }))
        }
        _ => None,
    }
}

/// Whether the test selects the rows that it names, rather than all others.
const fn is_selective(test: &TextTest) -> bool {
    match test {
        TextTest::Equal(_) | TextTest::In(_) | TextTest::Contains(_) | TextTest::StartsWith(_) => true,
        TextTest::NotEqual(_)
        | TextTest::NotIn(_)
        | TextTest::NotContains(_)
        | TextTest::NotStartsWith(_)
        | TextTest::Null
        | TextTest::NotNull => false,
    }
}

const fn is_range<T>(test: &Comparison<T>) -> bool {
    matches!(
        test,
        Comparison::Greater(_)
            | Comparison::GreaterOrEqual(_)
            | Comparison::Less(_)
            | Comparison::LessOrEqual(_)
    )
}

/// Whether few records pass, but every one has to be read to find them.
pub(super) const fn searches(condition: &Condition) -> bool {
    match condition {
        Condition::Text(TextColumns::FullName, test) => matches!(test, TextTest::Contains(_)),
        Condition::Text(_, test) => is_selective(test),
        _ => false,
    }
}

/// The index that has the rows in order, so that a first page reads a first page.
pub(super) const fn ordering_index(row_set: RowSet, by: OrderBy, holding: &Holding) -> Index {
    match (row_set, by) {
        (RowSet::Open, _) => Index::Open,
        (RowSet::Ended, OrderBy::OfflineDate) => Index::Ended,
        // Sorted from its entries, which are narrow: in a shard no index has them in that order.
        (RowSet::Ended, OrderBy::OnlineDate) if holding.one_tenant => Index::Ended,
        (_, OrderBy::Id | OrderBy::OfflineDate) => holding.by_id(),
        (_, OrderBy::UserId) => Index::User,
        (_, OrderBy::FullName) => Index::Name,
        (_, OrderBy::OnlineDate) => Index::Online,
    }
}

/// The index that all rows of a set are counted by.
pub(super) const fn counting_index(row_set: RowSet, holding: &Holding) -> Index {
    match row_set {
        RowSet::Whole if holding.one_tenant => Index::User,
        RowSet::Whole => Index::Tenant,
        RowSet::Ended => Index::Ended,
        RowSet::Open => Index::Open,
    }
}
