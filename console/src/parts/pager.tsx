// Which page of a list, and how long pages are.

import { useTexts } from '../i18n';

interface Props {
  page: number;
  size: number;
  total: number;
  sizes?: number[];
  /** Whether it stands below the list, as a second one. */
  below?: boolean;
  onChange: (page: number, size: number) => void;
}

export function Pager({ page, size, total, sizes = [20, 50, 100, 200, 500], below = false, onChange }: Props) {
  const texts = useTexts();
  const pages = Math.max(1, Math.ceil(total / size));
  const from = Math.min(total, (page - 1) * size + 1);
  const step = (key: 'first' | 'previous' | 'next' | 'last', sign: string, to: number, off: boolean) => (
    <button type="button" aria-label={texts.text(key)} title={texts.text(key)} disabled={off} onClick={() => onChange(to, size)}>
      <span aria-hidden="true">{sign}</span>
    </button>
  );
  return (
    // One landmark is enough.
    <div class="row pager" role={below ? 'group' : 'navigation'} aria-label={texts.text('pages')}>
      <span class="total" role={below ? undefined : 'status'}>
        {texts.text('totalShown', { from, to: Math.min(total, page * size), total })}
      </span>
      {step('first', '«', 1, page <= 1)}
      {step('previous', '‹', page - 1, page <= 1)}
      <span>{texts.text('pageOf', { page, pages })}</span>
      {step('next', '›', page + 1, page >= pages)}
      {step('last', '»', pages, page >= pages)}
      <label>
        {texts.text('pageSize')}{' '}
        <select value={size} onChange={(event) => onChange(1, Number(event.currentTarget.value))}>
          {[...new Set([...sizes, size])].sort((a, b) => a - b).map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

interface StepsProps {
  /** Whether the newest are shown. */
  isFirst: boolean;
  /** Where older ones begin, if there are any. */
  next: string | undefined;
  onChange: (before: string) => void;
}

/** The way through a list whose length nobody counts. */
export function Steps({ isFirst, next, onChange }: StepsProps) {
  const texts = useTexts();
  const step = (key: 'first' | 'next', sign: string, to: string | undefined) => (
    <button type="button" aria-label={texts.text(key)} title={texts.text(key)} disabled={to === undefined} onClick={() => to !== undefined && onChange(to)}>
      <span aria-hidden="true">{sign}</span>
    </button>
  );
  return (
    <div class="row pager" role="navigation" aria-label={texts.text('pages')}>
      {step('first', '«', isFirst ? undefined : '')}
      {step('next', '›', next)}
    </div>
  );
}
