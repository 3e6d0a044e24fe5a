// Files of what is shown.

/** A cell that a spreadsheet would take for a formula gets an apostrophe, and is text then. */
export function cell(value: string): string {
  const neutral = /^[\s\0]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|^[\t\r\n]/.test(value) ? `'${value}` : value;
  return /[",\r\n]|^\s|\s$|'/.test(neutral) ? `"${neutral.replaceAll('"', '""')}"` : neutral;
}

/** RFC 4180, with the mark by which spreadsheets know UTF-8. */
export function csv(heads: string[], rows: string[][]): string {
  return `\uFEFF${[heads, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('')}`;
}

export const ndjson = (rows: unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** Hands a file to the browser. */
export function save(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The browser reads it after this turn.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
