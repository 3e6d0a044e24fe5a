// Whether what is shown is fresh, and why not.

import { Refused, Unreachable } from '../api/client';
import { type Texts, useTexts } from '../i18n';
import type { Live } from '../use-live';

/** What went wrong, for people. */
export function explain(texts: Texts, error: unknown): string {
  if (error instanceof Refused) {
    if (error.status === 403) return texts.text('notAllowed');
    if (error.status === 404) return texts.text('notFound');
    const id = error.requestId;
    return id ? texts.text('refusedId', { message: error.message, id }) : texts.text('refused', { message: error.message });
  }
  return error instanceof Unreachable ? texts.text('awayFirst') : String(error);
}

export const clock = (texts: Texts, at: number): string =>
  new Date(at).toLocaleTimeString(texts.language === 'zh' ? 'zh-CN' : 'en-GB');

/** A banner where an answer is missing, else when it came. */
export function Freshness({ live }: { live: Live<unknown> }) {
  const texts = useTexts();
  const { error, at, data } = live;
  if (error !== undefined) {
    const away = error instanceof Unreachable;
    const text = away && at !== undefined ? texts.text('away', { at: clock(texts, at) }) : explain(texts, error);
    return (
      <p class="banner bad" role="alert">
        {text}
      </p>
    );
  }
  if (data === undefined) return <p class="quiet">{texts.text('loading')}</p>;
  return at === undefined ? null : <p class="quiet fresh">{texts.text('updated', { at: clock(texts, at) })}</p>;
}
