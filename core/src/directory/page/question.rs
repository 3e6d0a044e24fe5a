//! Questions to one shard about its part of a list, as data. The shard writes the SQL, for the tables that it has: whoever asks
//! may run other code.

use serde::{Deserialize, Serialize};

use crate::{
    directory::{
        filter::Condition,
        holding::Holding,
        membership,
        query::{
            self, ListQuery, Listed, Order, OrderBy, Plan, Position, SortValue, Stretch, by_ids, read_list,
            read_records,
        },
        record::Record,
        row::{Columns, Row, RowError},
        view::View,
    },
    id::{RecordId, TenantId},
    store::Statement,
};

/// Questions about one list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardQuery {
    /// The conditions of the list.
    pub conditions: Vec<Condition>,
    /// Its order.
    pub order: Order,
    /// The moment and the cutoff under which its records are read.
    pub view: View,
    /// What is asked, in this order.
    pub questions: Vec<Question>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Question {
    /// At most `limit` records after the first `offset`, and the number of all. Answered with [`Found::Listed`].
    Window {
        /// How many records are passed over.
        offset: u64,
        /// How many records are wanted.
        limit: u64,
    },
    /// The number of records within a stretch. Answered with [`Found::Count`].
    Count(Stretch),
    /// The first `limit` positions of a stretch. Answered with [`Found::Positions`].
    Positions {
        /// The stretch.
        stretch: Stretch,
        /// How many positions are wanted.
        limit: u64,
    },
    /// Every `step`th position among the first `reach` of a stretch. Answered with [`Found::Positions`].
    Samples {
        /// The stretch.
        stretch: Stretch,
        /// How many positions are looked at.
        reach: u64,
        /// The distance between two of the answer.
        step: u64,
    },
    /// The first `limit` users with a record that passes, ascending. Asked in the order of users, answered with [`Found::Users`].
    Users {
        /// How many users are wanted.
        limit: u64,
    },
    /// The records with these ids. Answered with [`Found::Records`].
    Records(Vec<RecordId>),
}

/// The answer to one [`Question`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Found {
    /// A window of the list.
    Listed(Listed),
    /// A number of records.
    Count(u64),
    /// Positions in the order of the list.
    Positions(Vec<Position>),
    /// Records in no order; an unknown id has none.
    Records(Vec<Record>),
    /// Users, ascending.
    Users(Vec<i64>),
}

impl ShardQuery {
    /// Answers for a database that holds this, by the statements that `run` executes; `None` when it says that there is no table.
    ///
    /// # Errors
    /// Those of `run`, and rows that are not of their statement's form.
    pub fn answer<E: From<RowError>>(
        &self,
        tenant: TenantId,
        holding: &Holding,
        mut run: impl FnMut(&Statement) -> Result<Option<Vec<Row>>, E>,
    ) -> Result<Option<Vec<Found>>, E> {
        let mut all = Vec::with_capacity(self.questions.len());
        for question in &self.questions {
            let Some(rows) = run(&self.statement(question, tenant, holding))? else { return Ok(None) };
            all.push(self.read(question, &rows)?);
        }
        Ok(Some(all))
    }

    /// The statement that answers a question.
    pub fn statement(&self, question: &Question, tenant: TenantId, holding: &Holding) -> Statement {
        let Self { conditions, order, view, .. } = self;
        let list = || ListQuery { conditions: conditions.clone(), order: *order, ..ListQuery::default() };
        let plan = || Plan::new(&list(), tenant, view, holding);
        match question {
            Question::Window { offset, limit } => {
                query::window(&list(), tenant, view, holding, *offset, *limit)
            }
            Question::Count(stretch) => plan().into_count(stretch),
            Question::Positions { stretch, limit } => plan().into_positions(stretch, *limit),
            Question::Samples { stretch, reach, step } => plan().into_samples(stretch, *reach, *step),
            Question::Users { limit } => plan().into_users(*limit),
            Question::Records(ids) => by_ids(ids.iter().copied()),
        }
    }

    /// Reads the rows of [`Self::statement`].
    ///
    /// # Errors
    /// When a row is not of that form.
    pub fn read(&self, question: &Question, rows: &[Row]) -> Result<Found, RowError> {
        Ok(match question {
            Question::Window { .. } => Found::Listed(read_list(rows)?),
            Question::Count(_) => Found::Count(read_count(rows)?),
            Question::Positions { .. } | Question::Samples { .. } => {
                Found::Positions(rows.iter().map(|row| self.position(row)).collect::<Result<_, _>>()?)
            }
            Question::Users { .. } => Found::Users(membership::users(rows)?),
            Question::Records(_) => Found::Records(read_records(rows)?),
        })
    }

    fn position(&self, row: &Row) -> Result<Position, RowError> {
        let mut columns = Columns(row.iter());
        let value = if self.order.by == OrderBy::FullName {
            SortValue::Text(columns.text("k")?)
        } else {
            columns.optional_number("k")?.map_or(SortValue::Null, SortValue::Int)
        };
        Ok(Position { value, id: columns.id()? })
    }
}

fn read_count(rows: &[Row]) -> Result<u64, RowError> {
    let row = rows.first().ok_or(RowError("count"))?;
    u64::try_from(Columns(row.iter()).number("count")?).map_err(|_| RowError("count"))
}
