// What came of it: a table of clients and steps, and the line that counts.

import { STEPS } from './steps.mjs';

const WORDS = { ok: 'passed', error: 'FAILED', reason: 'n/a' };

const kind = (outcome) => Object.keys(WORDS).find((kind) => kind in outcome);

/** Prints the results `[[client, outcomes]]` of one subject. The answer is how many failed. */
export function print(subject, results) {
  const first = Math.max(...STEPS.map(([, title]) => title.length));
  const widths = results.map(([name]) => Math.max(name.length, ...Object.values(WORDS).map((word) => word.length)));
  const line = (title, cells) =>
    `| ${title.padEnd(first)} | ${cells.map((cell, at) => cell.padEnd(widths[at])).join(' | ')} |`;
  console.log(line('step', results.map(([name]) => name)));
  console.log(`|${'-'.repeat(first + 2)}|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`);
  for (const [step, title] of STEPS) {
    console.log(line(title, results.map(([, outcomes]) => WORDS[kind(outcomes[step])])));
  }
  const counts = { ok: 0, error: 0, reason: 0 };
  const told = { error: [], reason: [] };
  for (const [name, outcomes] of results) {
    for (const [step, title] of STEPS) {
      const outcome = outcomes[step];
      counts[kind(outcome)] += 1;
      told[kind(outcome)]?.push(`${name}: ${title}: ${outcome.error ?? outcome.reason}`);
    }
  }
  if (told.reason.length > 0) console.log(`\nnot applicable:\n  ${told.reason.join('\n  ')}`);
  if (told.error.length > 0) console.log(`\nfailed:\n  ${told.error.join('\n  ')}`);
  console.log(`\n${subject}: ${counts.ok} passed, ${counts.error} failed, ${counts.reason} not applicable`);
  return counts.error;
}
