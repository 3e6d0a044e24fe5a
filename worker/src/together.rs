//! Questions to several objects at the same time.
//!
//! Whatever is asked, one loop waits for it: a stream of futures would be compiled anew for every kind of question.

use std::{cell::Cell, future::Future};

use futures_util::{
    StreamExt as _,
    future::{FutureExt as _, LocalBoxFuture},
    stream,
};

use crate::stub::AT_ONCE;

/// All answers, in the order of their questions.
pub(crate) async fn all<T>(asked: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    answers(asked, |_| true).await
}

/// The same; after an error nothing more is asked.
pub(crate) async fn all_or_error<T, E>(
    asked: impl Iterator<Item = impl Future<Output = Result<T, E>>>,
) -> Result<Vec<T>, E> {
    answers(asked, Result::is_ok).await.into_iter().collect()
}

async fn answers<T>(asked: impl Iterator<Item = impl Future<Output = T>>, go_on: fn(&T) -> bool) -> Vec<T> {
    let asked: Vec<_> = asked.collect();
    let answers: Vec<Cell<Option<T>>> = asked.iter().map(|_| Cell::new(None)).collect();
    let placed = asked.into_iter().zip(&answers).map(|(question, place)| {
        let answered = async move {
            let answer = question.await;
            let goes_on = go_on(&answer);
            place.set(Some(answer));
            goes_on
        };
        answered.boxed_local()
    });
    wait(placed.collect()).await;
    answers.into_iter().filter_map(Cell::into_inner).collect()
}

/// Waits for the end of all, or of the first that says no.
async fn wait(asked: Vec<LocalBoxFuture<'_, bool>>) {
    let mut asked = stream::iter(asked).buffer_unordered(AT_ONCE);
    while let Some(true) = asked.next().await {}
}
