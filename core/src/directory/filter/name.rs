//! The names of a filter's members, in the three forms that clients write (`docs/rules/message-center.md#filters`).

/// The form in which a name is written. All members of one filter have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `filters[0].key`, as documented.
    Documented,
    /// `filters[0][key]`.
    Brackets,
    /// `filters.0.key`.
    Dots,
}

/// A member of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    /// `key`
    Key,
    /// `op`
    Operator,
    /// `value`
    Value,
    /// One member of a list, such as `value[0]` or `value[]`.
    Listed,
}

/// The name of a parameter that is a filter's member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The filter's index.
    pub(super) index: usize,
    /// The named member.
    pub(super) member: Member,
    /// The form of the whole name.
    pub(super) form: Form,
}

/// Whether a parameter is meant as a filter, readable or not.
pub(super) fn is_filter(name: &str) -> bool {
    const START: &str = "filter";
    name.get(..START.len()).is_some_and(|start| start.eq_ignore_ascii_case(START))
}

/// Reads a name; `None` for all but the three forms.
pub(super) fn read(name: &str) -> Option<Name> {
    let (index, rest) = step(name.strip_prefix("filters")?)?;
    let (member, rest) = step(rest)?;
    let form = match (index.in_brackets, member.in_brackets) {
        (true, false) => Form::Documented,
        (true, true) => Form::Brackets,
        (false, false) => Form::Dots,
        (false, true) => return None,
    };
    let member = match (member.text, rest) {
        ("key", "") => Member::Key,
        ("op", "") => Member::Operator,
        ("value", "") => Member::Value,
        ("value", rest) => {
            let (place, rest) = step(rest)?;
            let is_open = place.in_brackets && place.text.is_empty();
            let fits = place.in_brackets == (form != Form::Dots) && rest.is_empty();
            return (fits && (is_open || number(place.text).is_some())).then_some(Name {
                index: number(index.text)?,
                member: Member::Listed,
                form,
            });
        }
        _ => return None,
    };
    Some(Name { index: number(index.text)?, member, form })
}

/// A part of a name: `.text` or `[text]`.
struct Step<'a> {
    text: &'a str,
    in_brackets: bool,
}

/// The first part of a name, and the rest of it.
fn step(path: &str) -> Option<(Step<'_>, &str)> {
    if let Some(path) = path.strip_prefix('[') {
        let (text, rest) = path.split_once(']')?;
        return Some((Step { text, in_brackets: true }, rest));
    }
    let path = path.strip_prefix('.')?;
    let (text, rest) = path.split_at(path.find(['.', '[']).unwrap_or(path.len()));
    Some((Step { text, in_brackets: false }, rest))
}

/// A number of digits only.
fn number(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms_name_the_same_member() {
        for (word, member) in [("key", Member::Key), ("op", Member::Operator), ("value", Member::Value)] {
            for (name, form) in [
                (format!("filters[3].{word}"), Form::Documented),
                (format!("filters[3][{word}]"), Form::Brackets),
                (format!("filters.3.{word}"), Form::Dots),
            ] {
                assert_eq!(read(&name), Some(Name { index: 3, member, form }), "{name}");
            }
        }
        for (name, form) in [
            ("filters[0].value[0]", Form::Documented),
            ("filters[0].value[]", Form::Documented),
            ("filters[0][value][12]", Form::Brackets),
            ("filters[0][value][]", Form::Brackets),
            ("filters.0.value.1", Form::Dots),
        ] {
            assert_eq!(read(name), Some(Name { index: 0, member: Member::Listed, form }), "{name}");
        }
    }

    #[test]
    fn anything_else_is_a_filter_without_a_meaning() {
        for name in [
            "filter",
            "filters",
            "Filters[0].key",
            "FILTERS.0.key",
            "filter[0].key",
            "filterKey",
            "filters[0",
            "filters[0]",
            "filters[].key",
            "filters[][key]",
            "filters[-1].key",
            "filters[+1].key",
            "filters[a].key",
            "filters..key",
            "filters.0",
            "filters.0[key]",
            "filters[0]key",
            "filters[0].Key",
            "filters[0].key.x",
            "filters[0].key[0]",
            "filters[0][op][0]",
            "filters[0].value.0",
            "filters[0].value[x]",
            "filters[0].value[0][0]",
            "filters.0.value[0]",
            "filters.0.value.",
            "filters.0.value[]",
            "filters[0][key",
            "filters[0][key]x",
            "filters[99999999999999999999].key",
            "filters[٣].key",
        ] {
            assert!(is_filter(name), "{name}");
            assert_eq!(read(name), None, "{name}");
        }
        for name in ["", "fil", "userId", "myfilters[0].key", "filtér"] {
            assert!(!is_filter(name), "{name}");
        }
    }
}
