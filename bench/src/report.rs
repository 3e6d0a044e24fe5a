//! Figures, and their table.

use std::fmt::Write as _;

/// One row of the table.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// The measured quantity.
    pub(crate) what: String,
    /// The target.
    pub(crate) target: String,
    /// The baseline server's value; a dash where there is none.
    pub(crate) baseline: String,
    /// The origin's value.
    pub(crate) origin: String,
    /// The origin's value divided by the baseline's.
    pub(crate) ratio: Option<f64>,
    /// Whether the target was reached.
    pub(crate) reached: bool,
    /// Further facts for the reader, one sentence each.
    pub(crate) notes: Vec<String>,
    /// What keeps the target out of reach, and what would reach it. Shown if the target was missed.
    pub(crate) obstacle: &'static str,
}

const HEAD: [&str; 6] = ["what", "target", "baseline", "origin", "ratio", "reached"];

fn cells(figure: &Figure) -> [String; 6] {
    let ratio = figure.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    let reached = if figure.reached { "yes" } else { "**no**" };
    let Figure { what, target, baseline, origin, .. } = figure;
    [what.clone(), target.clone(), baseline.clone(), origin.clone(), ratio, reached.to_owned()]
}

/// The section in Markdown: how it was measured, the table, and the notes.
pub(crate) fn section(machine: &str, run: &str, figures: &[Figure]) -> String {
    let mut text = format!("Machine: {machine}.\n\n{run}\n\n");
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    text.push_str(&row(&HEAD.map(str::to_owned)));
    text.push_str(&row(&HEAD.map(|_| "---".to_owned())).replace(' ', ""));
    for figure in figures {
        text.push_str(&row(&cells(figure)));
    }
    for figure in figures {
        let obstacle = (!figure.reached && !figure.obstacle.is_empty()).then_some(figure.obstacle);
        let notes: Vec<&str> = figure.notes.iter().map(String::as_str).chain(obstacle).collect();
        if !notes.is_empty() {
            // Writing to a String does not fail.
            let _ = write!(text, "\n**{}.** {}\n", capital(&figure.what), notes.join(" "));
        }
    }
    wrapped(&text)
}

/// The table for a terminal.
pub(crate) fn table(figures: &[Figure]) -> String {
    let rows: Vec<[String; 6]> =
        std::iter::once(HEAD.map(str::to_owned)).chain(figures.iter().map(cells)).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(text, "{cell:<width$}  ", width = width(column));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().into_iter().flat_map(char::to_uppercase).chain(rest).collect()
}

/// Breaks lines of prose at 125 columns; rows of tables stay whole.
fn wrapped(text: &str) -> String {
    const COLUMNS: usize = 125;
    let mut out = String::new();
    for line in text.lines() {
        let mut column = 0;
        for (index, word) in line.split(' ').enumerate() {
            if index > 0 {
                let breaks = !line.starts_with('|') && column + 1 + word.chars().count() > COLUMNS;
                out.push(if breaks { '\n' } else { ' ' });
                column = if breaks { 0 } else { column + 1 };
            }
            out.push_str(word);
            column += word.chars().count();
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(reached: bool) -> Figure {
        Figure {
            what: "connects".into(),
            target: ">= 0.5 of the baseline".into(),
            baseline: "100/s".into(),
            origin: "75/s".into(),
            ratio: Some(0.75),
            reached,
            notes: vec!["One note.".into()],
            obstacle: "The disk is slow.",
        }
    }

    #[test]
    fn a_missed_target_is_explained() {
        let shown = section("m", "r", &[figure(false)]);
        assert!(
            shown.contains("| connects | >= 0.5 of the baseline | 100/s | 75/s | 0.75 | **no** |"),
            "{shown}"
        );
        assert!(shown.contains("**Connects.** One note. The disk is slow."), "{shown}");
        assert!(!section("m", "r", &[figure(true)]).contains("slow"));
    }

    #[test]
    fn prose_is_wrapped_and_tables_are_not() {
        let long = "word ".repeat(60);
        let lines: Vec<usize> = wrapped(&long).lines().map(str::len).collect();
        assert!(lines.len() > 2 && lines.iter().all(|length| *length <= 125));
        assert_eq!(wrapped(&format!("| {long} |")).lines().count(), 1);
    }

    #[test]
    fn columns_of_the_terminal_are_aligned() {
        let shown = table(&[figure(true)]);
        let at = |line: usize, what: &str| shown.lines().nth(line).unwrap().find(what).unwrap();
        assert_eq!(at(0, "ratio"), at(1, "0.75"));
    }
}
