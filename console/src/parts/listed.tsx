// What the lists of orders and of the audit share: a query in the address, its form, and a pager.

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

import type { Page, Slice } from '../api/types';
import { useTexts } from '../i18n';
import { type Live, useLive } from '../use-live';
import { Pager, Steps } from './pager';
import { Freshness } from './status';

const SIZE = 50;

/** What is typed into the form, by parameter. */
type Draft = Record<string, string>;
type Change = (name: string, value: string) => void;

/** A part of a list, counted or not. */
type Part<T> = { list: T[] } & Partial<Page<T> & Slice<T>>;

interface Props<T> {
  query: URLSearchParams;
  /** The parameters beside the page's. */
  names: string[];
  /** Whether the list is read part after part, from the newest on, and not by the number of a page. */
  inSteps?: boolean;
  load: (query: URLSearchParams, signal: AbortSignal) => Promise<Part<T>>;
  /** The address of a query. */
  toHref: (query: URLSearchParams) => string;
  /** The fields of the form, for a draft of the query. */
  fields: (draft: Draft, change: Change) => ComponentChildren;
  table: (rows: T[], live: Live<Part<T>>) => ComponentChildren;
}

export function Listed<T>({ query, names, inSteps = false, load, toHref, fields, table }: Props<T>) {
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
  const before = query.get('before') ?? '';
  if (inSteps) {
    sent.set('limit', String(SIZE));
    if (before !== '') sent.set('before', before);
  } else {
    sent.set('pageNo', String(page));
    sent.set('pageSize', String(size));
  }
  const live = useLive((signal) => load(sent, signal), sent.toString(), 5, 'rows');
  const go = (values: Draft, pageNo: number, pageSize: number) => {
    const next = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ''));
    if (pageNo !== 1) next.set('pageNo', String(pageNo));
    if (pageSize !== SIZE) next.set('pageSize', String(pageSize));
    location.hash = toHref(next);
  };
  const step = (to: string) => {
    const next = new URLSearchParams(Object.entries(given).filter(([, value]) => value !== ''));
    if (to !== '') next.set('before', to);
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
          {live.data.total !== undefined ? (
            <Pager page={page} size={size} total={Number(live.data.total)} onChange={(pageNo, pageSize) => go(given, pageNo, pageSize)} />
          ) : (
            <Steps isFirst={before === ''} next={live.data.next} onChange={step} />
          )}
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
