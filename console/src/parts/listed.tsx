// What the lists of orders and of the audit share: read part after part from the newest on, with the place in the address.

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

import type { Slice } from '../api/types';
import { useTexts } from '../i18n';
import { useLive } from '../use-live';
import { Steps } from './pager';
import { Freshness } from './status';

const SIZE = 50;
const EVERY = 5;

/** What is typed into the form, by parameter. */
type Draft = Record<string, string>;
type Change = (name: string, value: string) => void;

interface Props<T> {
  query: URLSearchParams;
  load: (query: URLSearchParams, signal: AbortSignal) => Promise<Slice<T>>;
  /** The address of a query. */
  toHref: (query: URLSearchParams) => string;
  /** The parameters that the list is filtered by, and their fields in the form, for a draft of the query. */
  form?: { names: string[]; fields: (draft: Draft, change: Change) => ComponentChildren };
  table: (rows: T[]) => ComponentChildren;
}

const NONE: string[] = [];

export function Listed<T>({ query, load, toHref, form, table }: Props<T>) {
  const texts = useTexts();
  const names = form?.names ?? NONE;
  const given = Object.fromEntries(names.map((name) => [name, query.get(name) ?? '']));
  const [draft, setDraft] = useState<Draft>(given);
  const before = query.get('before') ?? '';
  const asked = (values: Draft, from: string) =>
    new URLSearchParams(Object.entries({ ...values, before: from }).filter(([, value]) => value !== ''));
  const sent = asked(given, before);
  sent.set('limit', String(SIZE));
  const live = useLive((signal) => load(sent, signal), sent.toString(), EVERY, 'rows');
  const go = (values: Draft, from = '') => {
    location.hash = toHref(asked(values, from));
  };
  const submit = (event: Event) => {
    event.preventDefault();
    go(draft);
  };
  return (
    <>
      {form && (
        <form class="panel row" onSubmit={submit} aria-label={texts.text('filters')}>
          {form.fields(draft, (name, value) => setDraft({ ...draft, [name]: value }))}
          <button type="submit" class="main">
            {texts.text('apply')}
          </button>
          <button
            type="button"
            onClick={() => {
              setDraft(Object.fromEntries(names.map((name) => [name, ''])));
              go({});
            }}
          >
            {texts.text('clear')}
          </button>
        </form>
      )}
      <Freshness live={live} />
      {live.data && (
        <>
          <Steps isFirst={before === ''} next={live.data.next ?? undefined} onChange={(from) => go(given, from)} />
          {table(live.data.list)}
        </>
      )}
    </>
  );
}

interface FieldProps {
  label: string;
  value: string;
  hint?: string | undefined;
  onInput: (value: string) => void;
}

/** One text of the form. */
export function Field({ label, value, hint, onInput }: FieldProps) {
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
