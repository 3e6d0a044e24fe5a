//! Aligned tables that fit the terminal.

use std::io::IsTerminal as _;

use super::output::{print_line, sanitize};
use comfy_table::{ContentArrangement, Table as Cells, presets::NOTHING};

/// A table that is filled row by row.
pub(super) struct Table(Cells);

impl Table {
    /// A table with a title for each column.
    pub(super) fn of(titles: &[&str]) -> Self {
        let mut cells = Self::untitled();
        cells.0.set_header(titles);
        cells
    }

    /// A table without titles, which continues another one.
    pub(super) fn untitled() -> Self {
        let mut cells = Cells::new();
        cells.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        Self(cells)
    }

    /// Adds a row. The texts may come from any client, and are sanitized.
    pub(super) fn row<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) {
        self.0.add_row(texts.into_iter().map(|text| sanitize(text, None)));
    }

    /// The lines, no wider than `width` if that is possible.
    pub(super) fn lines(mut self, width: Option<u16>) -> Vec<String> {
        match width {
            Some(width) => self.0.set_width(width),
            None => self.0.set_content_arrangement(ContentArrangement::Disabled),
        };
        for column in self.0.column_iter_mut() {
            column.set_padding((0, 2));
        }
        self.0.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Prints it, as wide as the terminal; whole where there is none.
    pub(super) fn print(self) -> std::io::Result<()> {
        self.lines(terminal_width()).iter().try_for_each(|line| print_line(line))
    }
}

/// Columns of the terminal that is stdout.
fn terminal_width() -> Option<u16> {
    let out = std::io::stdout();
    let size = out.is_terminal().then(|| rustix::termios::tcgetwinsize(&out).ok()).flatten()?;
    Some(size.ws_col).filter(|columns| *columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::of(&["USER", "NAME", "AGENT"]);
        table.row(["7", "张三", "curl"]);
        table.row(["2890713225", "margaret", "Mozilla/5.0 of a very long kind"]);
        table
    }

    #[test]
    fn columns_are_aligned_by_what_the_eye_sees() {
        let expected = [
            "USER        NAME      AGENT",
            "7           张三      curl",
            "2890713225  margaret  Mozilla/5.0 of a very long kind",
        ];
        assert_eq!(table().lines(None), expected);
    }

    #[test]
    fn a_table_fits_the_terminal() {
        let lines = table().lines(Some(40));
        assert!(lines.len() > 3 && lines.iter().all(|line| line.chars().count() <= 40), "{lines:#?}");
    }
}
