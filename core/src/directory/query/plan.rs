//! The pieces of SQL that the statements of one query share.
//!
//! A query that depends on liveness reads two sets of rows, those with an end and those without one, and joins the
//! results: in the first set the end is a plain column, and the second set is small. All other queries read the whole table
//! at once.

use super::{
    choice::{counting_index, narrowing_index, ordering_index, searches},
    order::{Direction, Order, OrderBy},
    params::ListQuery,
    stretch::{Stretch, after, upto},
};
use crate::{
    directory::{
        filter::{
            Condition, DateColumn,
            render::{Clause, RowSet},
        },
        holding::Holding,
        index::Index,
        sql::Binder,
        view::View,
    },
    id::TenantId,
    store::{Statement, Value},
};

/// A query, ready to be written as a count or as a list of keys.
pub(in crate::directory) struct Plan {
    binder: Binder,
    tenant: String,
    holding: Holding,
    /// The place of the instant before which records of that end are due for deletion, and in no answer.
    retained_from: Option<String>,
    order: Order,
    arms: Vec<Arm>,
    /// Whether few records pass, but every one has to be read to find them.
    pub(super) searches: bool,
    /// Whether every record of the tenant passes.
    unfiltered: bool,
}

/// The part of a query over one set of rows.
pub(super) struct Arm {
    row_set: RowSet,
    clauses: Vec<String>,
    /// The sorted column.
    pub(super) sort: String,
    page_index: Index,
    count_index: Index,
}

impl Plan {
    pub(in crate::directory) fn new(
        query: &ListQuery,
        tenant: TenantId,
        view: &View,
        holding: &Holding,
    ) -> Self {
        let mut binder = Binder::default();
        let tenant = binder.wide(tenant.0);
        let order = query.order;
        // Ended records of a shard are in no order of their beginning, and the narrowest index that has it is that of their ends.
        let without_index = |condition: &Condition| {
            holding.one_tenant && matches!(condition, Condition::Date(DateColumn::Online, _))
        };
        let split = order.by == OrderBy::OfflineDate
            || (holding.one_tenant && order.by == OrderBy::OnlineDate)
            || query.conditions.iter().any(|one| one.is_about_liveness() || without_index(one));
        let row_sets: &[RowSet] = if split { &[RowSet::Ended, RowSet::Open] } else { &[RowSet::Whole] };
        let arms: Vec<_> = row_sets
            .iter()
            .filter_map(|row_set| Arm::new(*row_set, query, view, holding, &mut binder))
            .collect();
        let unfiltered = !split && arms.iter().any(|arm| arm.clauses.is_empty());
        let searches = query.conditions.iter().any(searches);
        let retained_from = view.retained_from.map(|from| binder.wide(from.millis()));
        let holding = holding.clone();
        Self { binder, tenant, holding, retained_from, order, arms, searches, unfiltered }
    }

    /// SQL that yields the number of records.
    pub(super) fn count(&self) -> String {
        if self.unfiltered {
            return self.count_of_tenant() + &self.count_due();
        }
        self.count_by(|arm| arm.count_index, |_| Some(Vec::new()))
    }

    /// SQL that yields the number of records within a stretch of the order.
    fn count_within(&mut self, stretch: &Stretch) -> String {
        let bounds = self.bounds(stretch);
        let mut bounds = bounds.into_iter();
        self.count_by(|arm| arm.page_index, |_| bounds.next().flatten())
    }

    fn count_by(
        &self,
        index: impl Fn(&Arm) -> Index,
        mut bounds: impl FnMut(&Arm) -> Option<Vec<String>>,
    ) -> String {
        let counts: Vec<_> = self
            .arms
            .iter()
            .filter_map(|arm| {
                let bounds = bounds(arm)?;
                Some(format!("(SELECT count(*) {})", self.from(arm, index(arm), &bounds)))
            })
            .collect();
        if counts.is_empty() { "0".to_owned() } else { counts.join(" + ") }
    }

    /// SQLite counts all rows from the inner pages of one index, but not the rows of one tenant. A shard and most origins hold
    /// one tenant, so the statement checks for other tenants first.
    fn count_of_tenant(&self) -> String {
        if let Some(records) = self.holding.records {
            return records.to_string();
        }
        let tenant = &self.tenant;
        let others = |relation: &str| {
            format!(
                "EXISTS (SELECT 1 FROM record INDEXED BY record_by_tenant WHERE tenant {relation} {tenant})"
            )
        };
        format!(
            "CASE WHEN {} OR {} THEN (SELECT count(*) FROM record INDEXED BY record_by_tenant \
             WHERE tenant = {tenant}) ELSE (SELECT count(*) FROM record) END",
            others("<"),
            others(">")
        )
    }

    /// SQL that takes the records off that are due for deletion: few, and none right after a sweep.
    fn count_due(&self) -> String {
        let due = |due| format!(" - (SELECT count(*) {due}{})", self.holding.shown());
        self.due().map(due).unwrap_or_default()
    }

    /// SQL over the records that are due for deletion; `None` where there is no limit of age.
    fn due(&self) -> Option<String> {
        let (from, tenant, index) = (self.retained_from.as_ref()?, &self.tenant, Index::Ended.hint());
        Some(format!(
            "FROM record {index} WHERE tenant = {tenant} AND offline_at IS NOT NULL AND offline_at < {from}"
        ))
    }

    /// SQL that yields `k` and `id` of the records, unordered.
    pub(super) fn keys(&self) -> String {
        self.keys_by(|_| Some(Vec::new()))
    }

    fn keys_by(&self, mut bounds: impl FnMut(&Arm) -> Option<Vec<String>>) -> String {
        let keys: Vec<_> = self
            .arms
            .iter()
            .filter_map(|arm| {
                let bounds = bounds(arm)?;
                Some(format!("SELECT {} AS k, id {}", arm.sort, self.from(arm, arm.page_index, &bounds)))
            })
            .collect();
        if keys.is_empty() {
            "SELECT CAST(NULL AS INTEGER) AS k, CAST(NULL AS INTEGER) AS id WHERE false".to_owned()
        } else {
            keys.join(" UNION ALL ")
        }
    }

    /// `ORDER BY …` over `k` and `id`, each with this prefix.
    pub(super) fn order_by(&self, prefix: &str) -> String {
        let direction = self.order.direction.name();
        match self.order.by {
            // The column is its own tie-breaker.
            OrderBy::Id => format!("ORDER BY {prefix}k {direction}"),
            // Without a word for it, NULL is the lowest value to one engine and the highest to another.
            OrderBy::OfflineDate => {
                let nulls = match self.order.direction {
                    Direction::Ascending => "FIRST",
                    Direction::Descending => "LAST",
                };
                format!("ORDER BY {prefix}k {direction} NULLS {nulls}, {prefix}id DESC")
            }
            _ => format!("ORDER BY {prefix}k {direction}, {prefix}id DESC"),
        }
    }

    pub(super) fn bind(&mut self, number: u64) -> String {
        // Within 2^53: a place in a list is at most the largest page times the last page's number.
        self.binder.bind(Value::Int(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    pub(super) fn statement(self, sql: String) -> Statement {
        self.binder.statement(sql)
    }

    /// The number of records, or of those within a stretch; one row with one column.
    pub(in crate::directory) fn into_count(mut self, stretch: &Stretch) -> Statement {
        let count = if *stretch == Stretch::default() { self.count() } else { self.count_within(stretch) };
        self.statement(format!("SELECT {count}"))
    }

    /// The first `limit` positions of a stretch, in order; two columns.
    pub(in crate::directory) fn into_positions(mut self, stretch: &Stretch, limit: u64) -> Statement {
        let keys = self.keys_within(stretch);
        let limit = self.bind(limit);
        let sql = format!(
            "SELECT CAST(k AS TEXT), CAST(id AS TEXT) FROM ({keys} {} LIMIT {limit}) AS page {}",
            self.order_by(""),
            self.order_by("page.")
        );
        self.statement(sql)
    }

    /// The first `limit` users of the records, ascending; one column. The query is in the order of users.
    pub(in crate::directory) fn into_users(mut self, limit: u64) -> Statement {
        let (keys, limit) = (self.keys(), self.bind(limit));
        self.statement(format!(
            "SELECT CAST(k AS TEXT) FROM (SELECT DISTINCT k FROM ({keys}) AS hit ORDER BY k LIMIT {limit}) AS users \
             ORDER BY users.k"
        ))
    }

    /// Every `step`th position among the first `reach` of a stretch, in order; two columns.
    pub(in crate::directory) fn into_samples(
        mut self,
        stretch: &Stretch,
        reach: u64,
        step: u64,
    ) -> Statement {
        let keys = self.keys_within(stretch);
        let (reach, step) = (self.bind(reach), self.bind(step));
        let sql = format!(
            "SELECT CAST(k AS TEXT), CAST(id AS TEXT) FROM (\
             SELECT k, id, row_number() OVER ({}) AS place FROM ({keys} {} LIMIT {reach}) AS reached) AS placed \
             WHERE place % {step} = 0 ORDER BY place",
            self.order_by(""),
            self.order_by("")
        );
        self.statement(sql)
    }

    fn keys_within(&mut self, stretch: &Stretch) -> String {
        let mut bounds = self.bounds(stretch).into_iter();
        self.keys_by(|_| bounds.next().flatten())
    }

    /// For each arm the clauses of the stretch; `None` where the arm has nothing in it.
    fn bounds(&mut self, stretch: &Stretch) -> Vec<Option<Vec<String>>> {
        let order = self.order;
        let binder = &mut self.binder;
        let mut arm_bounds = |arm: &Arm| {
            let after = stretch.after.as_ref().map(|position| after(arm, order, position, binder));
            let upto = stretch.upto.as_ref().map(|position| upto(arm, order, position, binder));
            let mut clauses = Vec::new();
            for clause in [after, upto].into_iter().flatten() {
                match clause {
                    Clause::Always => {}
                    Clause::Never => return None,
                    Clause::Test(test) => clauses.push(test),
                }
            }
            Some(clauses)
        };
        self.arms.iter().map(&mut arm_bounds).collect()
    }

    fn from(&self, arm: &Arm, index: Index, bounds: &[String]) -> String {
        let row_set = match arm.row_set {
            RowSet::Whole => match self.due() {
                None => String::new(),
                Some(due) => format!(" AND id NOT IN (SELECT id {due})"),
            },
            RowSet::Ended => match &self.retained_from {
                None => " AND offline_at IS NOT NULL".to_owned(),
                Some(from) => format!(" AND offline_at IS NOT NULL AND offline_at >= {from}"),
            },
            RowSet::Open => " AND offline_at IS NULL".to_owned(),
        };
        let (index, shown) = (index.hint(), self.holding.shown());
        let mut sql = format!("FROM record {index} WHERE tenant = {}{row_set}{shown}", self.tenant);
        for clause in arm.clauses.iter().chain(bounds) {
            sql.push_str(" AND ");
            sql.push_str(clause);
        }
        sql
    }
}

impl Arm {
    /// `None` when no row of the set can pass.
    fn new(
        row_set: RowSet,
        query: &ListQuery,
        view: &View,
        holding: &Holding,
        binder: &mut Binder,
    ) -> Option<Self> {
        let end = match row_set {
            RowSet::Ended => "offline_at".to_owned(),
            RowSet::Open => view.open_end(binder),
            RowSet::Whole => String::new(),
        };
        let mut clauses = Vec::new();
        for condition in &query.conditions {
            match condition.render(row_set, &end, binder) {
                Clause::Always => {}
                Clause::Never => return None,
                Clause::Test(test) => clauses.push(test),
            }
        }
        let sort = match query.order.by {
            OrderBy::Id => "id".to_owned(),
            OrderBy::UserId => "user".to_owned(),
            OrderBy::FullName => "full_name".to_owned(),
            OrderBy::OnlineDate => "online_at".to_owned(),
            OrderBy::OfflineDate => end,
        };
        let narrowing = narrowing_index(row_set, &query.conditions, holding);
        Some(Self {
            row_set,
            clauses,
            sort,
            page_index: narrowing.unwrap_or_else(|| ordering_index(row_set, query.order.by, holding)),
            count_index: narrowing.unwrap_or_else(|| counting_index(row_set, holding)),
        })
    }
}

impl Arm {
    /// Whether the sorted column may be NULL in this arm.
    pub(super) fn has_nulls(&self, order: Order) -> bool {
        order.by == OrderBy::OfflineDate && self.row_set == RowSet::Open
    }
}
