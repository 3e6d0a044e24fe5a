//! A stretch of an ordered list between two positions, as SQL.

use serde::{Deserialize, Serialize};

use super::{
    order::{Direction, Order, OrderBy, Position, SortValue},
    plan::Arm,
};
use crate::directory::{filter::render::Clause, sql::Binder};

/// A stretch of the order: the positions after the first, up to and including the second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// The position before the first; none, where it begins with the list.
    pub after: Option<Position>,
    /// The last position; none, where it ends with the list.
    pub upto: Option<Position>,
}

/// Rows that come after `position`, in the form that an index over the sorted column can use.
pub(super) fn after(arm: &Arm, order: Order, position: &Position, binder: &mut Binder) -> Clause {
    let Some((k, value, id)) = operands(arm, position, binder) else {
        return match (order.direction, arm.has_nulls(order)) {
            (Direction::Ascending, false) => Clause::Always,
            (Direction::Descending, false) => Clause::Never,
            (Direction::Ascending, true) => null_test(arm, "IS NOT NULL OR", "<", position, binder),
            (Direction::Descending, true) => null_test(arm, "IS NULL AND", "<", position, binder),
        };
    };
    Clause::Test(match (order.by, order.direction) {
        (OrderBy::Id, Direction::Ascending) => format!("{k} > {value}"),
        (OrderBy::Id, Direction::Descending) => format!("{k} < {value}"),
        (_, Direction::Ascending) => format!("{k} >= {value} AND ({k} > {value} OR id < {id})"),
        (_, Direction::Descending) if arm.has_nulls(order) => {
            format!("({k} IS NULL OR {k} < {value} OR ({k} = {value} AND id < {id}))")
        }
        (_, Direction::Descending) => format!("{k} <= {value} AND ({k} < {value} OR id < {id})"),
    })
}

/// Rows that come no later than `position`: the others.
pub(super) fn upto(arm: &Arm, order: Order, position: &Position, binder: &mut Binder) -> Clause {
    let Some((k, value, id)) = operands(arm, position, binder) else {
        return match (order.direction, arm.has_nulls(order)) {
            (Direction::Ascending, false) => Clause::Never,
            (Direction::Descending, false) => Clause::Always,
            (Direction::Ascending, true) => null_test(arm, "IS NULL AND", ">=", position, binder),
            (Direction::Descending, true) => null_test(arm, "IS NOT NULL OR", ">=", position, binder),
        };
    };
    Clause::Test(match (order.by, order.direction) {
        (OrderBy::Id, Direction::Ascending) => format!("{k} <= {value}"),
        (OrderBy::Id, Direction::Descending) => format!("{k} >= {value}"),
        (_, Direction::Ascending) if arm.has_nulls(order) => {
            format!("({k} IS NULL OR {k} < {value} OR ({k} = {value} AND id >= {id}))")
        }
        (_, Direction::Ascending) => format!("{k} <= {value} AND ({k} < {value} OR id >= {id})"),
        (_, Direction::Descending) => format!("{k} >= {value} AND ({k} > {value} OR id >= {id})"),
    })
}

/// The column, the position's value and its id as SQL; `None` when the value is NULL.
fn operands(arm: &Arm, position: &Position, binder: &mut Binder) -> Option<(String, String, String)> {
    let value = match &position.value {
        SortValue::Null => return None,
        SortValue::Int(number) => binder.wide(*number),
        SortValue::Text(text) => binder.text(text),
    };
    Some((arm.sort.clone(), value, binder.wide(position.id.number())))
}

fn null_test(arm: &Arm, null: &str, relation: &str, position: &Position, binder: &mut Binder) -> Clause {
    let id = binder.wide(position.id.number());
    Clause::Test(format!("({} {null} id {relation} {id})", arm.sort))
}
