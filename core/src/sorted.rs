//! Order, by one sort for everything.
//!
//! The standard library's sorts and trees are compiled anew for each type and each order, at 2 to 5 KB of the worker's
//! module a time. Here only numbers of places are sorted.

use std::cmp::Ordering;

/// Puts items into an order; those that are alike stay as they were.
pub fn sort<T>(items: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    let places = places(items.len(), &|one, other| match (items.get(one), items.get(other)) {
        (Some(one), Some(other)) => compare(one, other),
        _ => Ordering::Equal,
    });
    let mut taken: Vec<Option<T>> = items.drain(..).map(Some).collect();
    items.extend(places.into_iter().filter_map(|place| taken.get_mut(place)?.take()));
}

#[inline(never)]
fn places(length: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..length).collect();
    places.sort_unstable_by(|one, other| compare(*one, *other).then(one.cmp(other)));
    places
}

/// Each item once, in ascending order.
pub fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    sort(&mut items, T::cmp);
    items.dedup();
    items
}

/// The items of each key together, keys in ascending order, items as they came.
pub fn groups<K: Ord, T>(items: impl IntoIterator<Item = (K, T)>) -> Vec<(K, Vec<T>)> {
    let mut items: Vec<(K, T)> = items.into_iter().collect();
    sort(&mut items, |(one, _), (other, _)| one.cmp(other));
    let mut groups: Vec<(K, Vec<T>)> = Vec::new();
    for (key, item) in items {
        match groups.last_mut().filter(|(last, _)| *last == key) {
            Some((_, group)) => group.push(item),
            None => groups.push((key, vec![item])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_order_of_the_standard_library(items: Vec<(u8, String)>) {
            let mut sorted = items.clone();
            sort(&mut sorted, |(one, _), (other, _)| other.cmp(one));
            let mut expected = items.clone();
            expected.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
            prop_assert_eq!(sorted, expected);

            let numbers = || items.iter().map(|(number, _)| *number);
            prop_assert_eq!(set(numbers()), numbers().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());

            let mut expected: BTreeMap<u8, Vec<String>> = BTreeMap::new();
            for (number, text) in &items {
                expected.entry(*number).or_default().push(text.clone());
            }
            prop_assert_eq!(groups(items), expected.into_iter().collect::<Vec<_>>());
        }
    }
}
