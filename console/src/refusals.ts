// Why something that the reader asked for was not done, and what to do about it.

import { Refused, Unreachable, isPassing } from './api/client';
import type { Texts } from './i18n';
import { explain } from './parts/status';

/** What went wrong, in words that stand as they are. */
export class Told extends Error {}

/** Of anything that is done once, and not tried again by the page. */
export function ofAct(texts: Texts, error: unknown): string {
  if (error instanceof Told) return error.message;
  return error instanceof Unreachable ? texts.text('actLost') : explain(texts, error);
}

/** Of a dry run. */
export function ofDryRun(texts: Texts, error: unknown): string {
  if (error instanceof Unreachable) return texts.text('dryRunLost');
  if (!(error instanceof Refused)) return explain(texts, error);
  // The only words by which this refusal differs from others of its key.
  const [, most] = /^the selection must have at most (\d+) /.exec(error.message) ?? [];
  if (error.status === 400 && most !== undefined) return texts.text('selectionLarge', { most: Number(most) });
  if (error.status === 413) return texts.text('bodyLarge');
  if (error.status === 429) return texts.text('tooOften', { seconds: Math.ceil(error.after / 1_000) });
  return error.key === 'server_busy' ? texts.text('dryRunBusy') : explain(texts, error);
}

/** Of an order with a receipt. */
export function ofOrder(texts: Texts, error: unknown): string {
  // The receipt makes it safe to say it again.
  return isPassing(error) ? texts.text('carryOutLost') : ofDryRun(texts, error);
}
