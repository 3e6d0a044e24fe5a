// What the lists of orders and of the audit share: a query in the address, its form, and a pager.

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

import type { Page } from '../api/types';
import { useTexts } from '../i18n';
import { type Live, useLive } from '../use-live';
import { Pager } from './pager';
import { Freshness } from './status';

const SIZE = 50;

/** What is typed into the form, by parameter. */
type Draft = Record<string, string>;
type Change = (name: string, value: string) => void;

interface Props<T> {
  query: URLSearchParams;
  /** The parameters beside the page's. */
  names: string[];
  load: (query: URLSearchParams, signal: AbortSignal) => Promise<Page<T>>;
  /** The address of a query. */
  toHref: (query: URLSearchParams) => string;
  /** The fields of the form, for a draft of the query. */
  fields: (draft: Draft, change: Change) => ComponentChildren;
  table: (rows: T[], live: Live<Page<T>>) => ComponentChildren;
}

export function Listed<T>({ query, names, load, toHref, fields, table }: Props<T>) {
  const texts = useTexts();
  const given = Object.fromEntries(names.map((name) => [name, query.get(name) ?? '']));
  const [draft, setDraft] = useState<Draft>(given);
  const whole = (name: string, fallback: number) => {
    const value = Number(query.get(name));
    return Number.isInteger(value) && value > 0 ? value : fallback;
  };
  const page = whole('pageNo', 1);
  const size = Math.min(2_000, whole('pageSize', SIZE));
  const sent = new URLSearchParams(Object.entries(given).filter(([, value]) => value !== ''));
  sent.set('pageNo', String(page));
  sent.set('pageSize', String(size));
  const live = useLive((signal) => load(sent, signal), sent.toString(), 5, 'rows');
  const go = (values: Draft, pageNo: number, pageSize: number) => {
    const next = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ''));
    if (pageNo !== 1) next.set('pageNo', String(pageNo));
    if (pageSize !== SIZE) next.set('pageSize', String(pageSize));
    location.hash = toHref(next);
  };
  const submit = (event: Event) => {
    event.preventDefault();
    go(draft, 1, size);
  };
  return (
    <>
      <form class="panel row" onSubmit={submit} aria-label={texts.text('filters')}>
        {fields(draft, (name, value) => setDraft({ ...draft, [name]: value }))}
        <button type="submit" class="main">
          {texts.text('apply')}
        </button>
        <button
          type="button"
          onClick={() => {
            setDraft(Object.fromEntries(names.map((name) => [name, ''])));
            go({}, 1, size);
          }}
        >
          {texts.text('clear')}
        </button>
      </form>
      <Freshness live={live} />
      {live.data && (
        <>
          <Pager page={page} size={size} total={Number(live.data.total)} onChange={(pageNo, pageSize) => go(given, pageNo, pageSize)} />
          {table(live.data.list, live)}
        </>
      )}
    </>
  );
}

/** The parameters that both lists have. */
export const SHARED = ['by', 'userId', 'from', 'to'] as const;

/** Their fields. */
export function SharedFields({ draft, change }: { draft: Draft; change: Change }) {
  const texts = useTexts();
  return (
    <>
      {SHARED.map((name) => (
        <Field
          key={name}
          label={texts.text(name)}
          hint={name === 'from' || name === 'to' ? texts.text('dateHint') : undefined}
          value={draft[name] ?? ''}
          onInput={(value) => change(name, value)}
        />
      ))}
    </>
  );
}

interface FieldProps {
  label: string;
  value: string;
  hint: string | undefined;
  onInput: (value: string) => void;
}

/** One text of the form. */
function Field({ label, value, hint, onInput }: FieldProps) {
  return (
    <label>
      {label}{' '}
      <input
        class="medium"
        value={value}
        placeholder={hint}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </label>
  );
}
