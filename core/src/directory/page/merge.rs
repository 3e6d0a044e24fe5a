//! The rounds of questions and answers with the shards.

use std::{collections::BTreeMap, slice};

use super::{
    question::{Found, Question, ShardQuery},
    split::{Sampling, Split},
};
use crate::{
    directory::{
        query::{ListQuery, Listed, Position, Stretch},
        record::Record,
        view::View,
    },
    id::RecordId,
};

/// The bounds of one question to a shard.
#[derive(Clone, Copy, Debug)]
pub(in crate::directory) struct Limits {
    /// The keys beyond the page's size that a shard may return.
    pub(in crate::directory) slack: u64,
    /// A page that ends within so many records is read with its rows at once, which saves a round for the pages that
    /// people read.
    pub(in crate::directory) direct: u64,
    /// The most positions that a shard samples to find the beginning of a page.
    pub(in crate::directory) samples: u64,
}

pub(super) const LIMITS: Limits = Limits { slack: 1_000, direct: 100, samples: 512 };

/// The rounds of narrowing after which the merge gives up exactness. Unchanged data never needs so many; data that moves
/// while it is counted must not keep a request alive.
const ROUNDS: u32 = 12;

/// The next step of a merge.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Ask their shards these, all at once, and return the answers in this order.
    Ask(Vec<Ask>),
    /// The finished page.
    Done(Listed),
}

/// Questions to one shard.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The shard's number, from 0.
    pub shard: usize,
    /// What it is asked.
    pub query: ShardQuery,
}

/// The answers to one [`Ask`]; `None` for a shard that was never written and holds no record.
pub type Answer = Option<Vec<Found>>;

/// The shards' answers make no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// There are more or fewer answers than questions.
    #[error("a shard's answer is missing")]
    Missing,
    /// An answer is not of its question's kind.
    #[error("a shard answered another question")]
    AnotherQuestion,
}

/// A query to several databases, each of which holds a part of a tenant's records.
///
/// Pages are exact while the data is unchanged. A record that changes between two rounds may be missed or moved, as it
/// may between two pages; the merge still ends.
///
/// ```text
/// let mut merge = Merge::new(query, view, shards);
/// let mut answers = Vec::new();
/// let listed = loop {
///     match merge.advance(answers)? {
///         Step::Ask(asks) => answers = ask(asks).await?,
///         Step::Done(listed) => break listed,
///     }
/// };
/// ```
#[derive(Debug)]
pub struct Merge {
    query: ListQuery,
    view: View,
    shards: usize,
    limits: Limits,
    total: u64,
    rounds: u32,
    waiting: Waiting,
}

/// The answers that the merge waits for.
#[derive(Debug)]
enum Waiting {
    Nothing,
    Lists,
    Totals(Wanted),
    Narrowed { split: Split, passed: bool, wanted: Wanted },
    Rows(Vec<(usize, Position)>),
}

/// The rows that are read beside the counts.
#[derive(Debug)]
enum Wanted {
    Samples(Vec<Sampling>),
    Positions,
}

impl Merge {
    /// A query to `shards` databases; with one, it is a single question.
    pub const fn new(query: ListQuery, view: View, shards: usize) -> Self {
        Self::with_limits(query, view, shards, LIMITS)
    }

    pub(in crate::directory) const fn with_limits(
        query: ListQuery,
        view: View,
        shards: usize,
        limits: Limits,
    ) -> Self {
        Self { query, view, shards, limits, total: 0, rounds: 0, waiting: Waiting::Nothing }
    }

    /// Takes the answers to the last step, none at first, and returns the next step.
    ///
    /// # Errors
    /// When the answers do not fit the questions; the merge is of no more use then.
    pub fn advance(&mut self, answers: Vec<Answer>) -> Result<Step, MergeError> {
        match std::mem::replace(&mut self.waiting, Waiting::Nothing) {
            Waiting::Nothing => Ok(self.begin()),
            Waiting::Lists => self.lists(&answers),
            Waiting::Totals(wanted) => self.totals(&answers, wanted),
            Waiting::Narrowed { split, passed, wanted } => self.narrowed(&answers, split, passed, wanted),
            Waiting::Rows(page) => self.rows(&answers, page),
        }
    }

    fn begin(&mut self) -> Step {
        let (offset, limit) = (self.query.page.offset(), self.query.page.size());
        if self.shards == 1 {
            self.waiting = Waiting::Lists;
            return self.ask(|_| vec![Question::Window { offset, limit }]);
        }
        if offset + limit <= self.limits.direct {
            self.waiting = Waiting::Lists;
            return self.ask(|_| vec![Question::Window { offset: 0, limit: offset + limit }]);
        }
        let total = Question::Count(Stretch::default());
        let stretch = Stretch::default();
        if offset <= self.limits.slack {
            self.waiting = Waiting::Totals(Wanted::Positions);
            let positions = Question::Positions { stretch, limit: offset + limit };
            return self.ask(|_| vec![total.clone(), positions.clone()]);
        }
        // Users are spread evenly, so the page begins near its share of each shard; half as much again and the slack make
        // sure that the samples reach it. Where users are not spread evenly, the next round knows the totals.
        let share = offset / (self.shards as u64).max(1);
        let sampling = Sampling::of((share + share / 2 + self.limits.slack).min(offset + 1), self.limits);
        let samples = Question::Samples { stretch, reach: sampling.reach, step: sampling.step };
        self.waiting = Waiting::Totals(Wanted::Samples(vec![sampling; self.shards]));
        self.ask(|_| vec![total.clone(), samples.clone()])
    }

    /// Merges the first records and the total of each shard.
    fn lists(&self, answers: &[Answer]) -> Result<Step, MergeError> {
        let mut listed = Listed::default();
        for answer in self.each(answers)? {
            let part = match found(answer, 0)? {
                None => continue,
                Some(Found::Listed(part)) => part,
                Some(_) => return Err(MergeError::AnotherQuestion),
            };
            listed.total += part.total;
            listed.records.extend(part.records.iter().cloned());
        }
        if self.shards > 1 {
            let order = self.query.order;
            let offset = usize::try_from(self.query.page.offset()).unwrap_or(usize::MAX);
            let places: Vec<_> =
                listed.records.iter().map(|record| order.position(record, &self.view)).collect();
            let page = order.merged(places.iter().map(slice::from_ref)).into_iter();
            let page = page.skip(offset).take(self.size());
            let mut records: Vec<_> = listed.records.into_iter().map(Some).collect();
            listed.records = page.filter_map(|(number, _)| records.get_mut(number)?.take()).collect();
        }
        Ok(Step::Done(listed))
    }

    fn totals(&mut self, answers: &[Answer], wanted: Wanted) -> Result<Step, MergeError> {
        let offset = self.query.page.offset();
        let totals = self.counts(answers)?;
        self.total = totals.iter().sum();
        if self.total <= offset {
            return Ok(Step::Done(Listed { total: self.total, records: Vec::new() }));
        }
        let split = Split::new(self.query.order, offset, totals);
        self.go_on(answers, 1, split, wanted)
    }

    fn narrowed(
        &mut self,
        answers: &[Answer],
        mut split: Split,
        passed: bool,
        wanted: Wanted,
    ) -> Result<Step, MergeError> {
        if passed {
            let counted: u64 = self.counts(answers)?.iter().sum();
            split.counted(counted);
        }
        self.go_on(answers, usize::from(passed), split, wanted)
    }

    /// Takes the positions at `index`, then narrows further or picks the page.
    fn go_on(
        &mut self,
        answers: &[Answer],
        index: usize,
        mut split: Split,
        wanted: Wanted,
    ) -> Result<Step, MergeError> {
        let positions = self.positions(answers, index)?;
        let samplings = match wanted {
            Wanted::Positions => return Ok(self.pick(&positions, split.skip())),
            Wanted::Samples(samplings) => samplings,
        };
        let samples: Vec<_> = samplings.into_iter().zip(positions).collect();
        let passed = split.narrow(&samples);
        self.rounds += 1;
        let count = passed.map(Question::Count);
        if split.skip() <= self.limits.slack || self.rounds >= ROUNDS {
            let limit = split.skip().min(self.limits.slack) + self.query.page.size();
            let rest = Stretch { after: split.stretch().after.clone(), upto: None };
            let positions = Question::Positions { stretch: rest, limit };
            self.waiting = Waiting::Narrowed { split, passed: count.is_some(), wanted: Wanted::Positions };
            return Ok(self.ask(|_| count.iter().chain([&positions]).cloned().collect()));
        }
        let samplings = split.samplings(self.limits);
        let questions: Vec<Vec<_>> = samplings
            .iter()
            .map(|sampling| {
                let Sampling { reach, step } = *sampling;
                let samples = Question::Samples { stretch: split.stretch().clone(), reach, step };
                count.iter().cloned().chain([samples]).collect()
            })
            .collect();
        self.waiting =
            Waiting::Narrowed { split, passed: count.is_some(), wanted: Wanted::Samples(samplings) };
        Ok(self.ask(|shard| questions.get(shard).cloned().unwrap_or_default()))
    }

    /// Picks the page's keys, and reads their rows.
    fn pick(&mut self, positions: &[Vec<Position>], skip: u64) -> Step {
        let merged = self.query.order.merged(positions.iter().map(Vec::as_slice));
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let page = merged.into_iter().skip(skip).take(self.size());
        let page: Vec<_> = page.map(|(shard, position)| (shard, position.clone())).collect();
        let asks: Vec<_> = (0..self.shards)
            .filter_map(|shard| {
                let of_shard = page.iter().filter(|(of, _)| *of == shard);
                let ids: Vec<RecordId> = of_shard.map(|(_, position)| position.id).collect();
                (!ids.is_empty()).then(|| self.asking(shard, vec![Question::Records(ids)]))
            })
            .collect();
        if asks.is_empty() {
            return Step::Done(Listed { total: self.total, records: Vec::new() });
        }
        self.waiting = Waiting::Rows(page);
        Step::Ask(asks)
    }

    /// Sorts the rows of the page into its order.
    fn rows(&self, answers: &[Answer], page: Vec<(usize, Position)>) -> Result<Step, MergeError> {
        let shards = (0..self.shards).filter(|shard| page.iter().any(|(of, _)| of == shard));
        let shards: Vec<usize> = shards.collect();
        if shards.len() != answers.len() {
            return Err(MergeError::Missing);
        }
        let mut all: BTreeMap<(usize, RecordId), Record> = BTreeMap::new();
        for (shard, answer) in shards.into_iter().zip(answers) {
            match found(answer, 0)? {
                None => {}
                Some(Found::Records(records)) => {
                    all.extend(records.iter().map(|record| ((shard, record.id), record.clone())));
                }
                Some(_) => return Err(MergeError::AnotherQuestion),
            }
        }
        let records =
            page.into_iter().filter_map(|(shard, position)| all.remove(&(shard, position.id))).collect();
        Ok(Step::Done(Listed { total: self.total, records }))
    }

    fn size(&self) -> usize {
        usize::try_from(self.query.page.size()).unwrap_or(usize::MAX)
    }

    fn ask(&self, questions: impl Fn(usize) -> Vec<Question>) -> Step {
        Step::Ask((0..self.shards).map(|shard| self.asking(shard, questions(shard))).collect())
    }

    fn asking(&self, shard: usize, questions: Vec<Question>) -> Ask {
        let ListQuery { conditions, order, .. } = &self.query;
        let query =
            ShardQuery { conditions: conditions.clone(), order: *order, view: self.view.clone(), questions };
        Ask { shard, query }
    }

    /// The answers, one of each shard.
    fn each<'a>(&self, answers: &'a [Answer]) -> Result<&'a [Answer], MergeError> {
        if answers.len() == self.shards { Ok(answers) } else { Err(MergeError::Missing) }
    }

    /// The number at the first place, of each shard.
    fn counts(&self, answers: &[Answer]) -> Result<Vec<u64>, MergeError> {
        let count = |answer: &Answer| match found(answer, 0)? {
            None => Ok(0),
            Some(Found::Count(count)) => Ok(*count),
            Some(_) => Err(MergeError::AnotherQuestion),
        };
        self.each(answers)?.iter().map(count).collect()
    }

    /// The positions at `index`, of each shard.
    fn positions(&self, answers: &[Answer], index: usize) -> Result<Vec<Vec<Position>>, MergeError> {
        let positions = |answer: &Answer| match found(answer, index)? {
            None => Ok(Vec::new()),
            Some(Found::Positions(positions)) => Ok(positions.clone()),
            Some(_) => Err(MergeError::AnotherQuestion),
        };
        self.each(answers)?.iter().map(positions).collect()
    }
}

/// One answer of a shard; `None` when there is nothing in the shard that it could have read.
fn found(answer: &Answer, index: usize) -> Result<Option<&Found>, MergeError> {
    let Some(answer) = answer else { return Ok(None) };
    answer.get(index).map(Some).ok_or(MergeError::Missing)
}
