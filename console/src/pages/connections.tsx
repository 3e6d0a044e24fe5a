import { useEffect, useState } from 'preact/hooks';

import type { Row } from '../api/types';
import { useApp } from '../app-context';
import { csv, ndjson, save } from '../exports';
import { type Condition, append, ofQuery, problem } from '../filters';
import { useTexts } from '../i18n';
import { FilterBuilder } from '../parts/filter-builder';
import { OnlineOnly } from '../parts/online-only';
import { OpenUser } from '../parts/open-user';
import { Pager } from '../parts/pager';
import { Freshness } from '../parts/status';
import { Table } from '../parts/table';
import { href } from '../route';
import { toQuery } from '../selection';
import { useLive } from '../use-live';

const COLUMNS = ['userId', 'fullName', 'online', 'deviceId', 'remoteAddress', 'userAgent', 'onlineDate', 'offlineDate', 'id'] as const;
type Column = (typeof COLUMNS)[number];
const USUAL: Column[] = ['userId', 'fullName', 'online', 'deviceId', 'remoteAddress', 'onlineDate', 'offlineDate'];
const SORTED: readonly string[] = ['id', 'userId', 'fullName', 'onlineDate', 'offlineDate'];
const KEPT = 'rollcall.columns';
const EVERY = 5;
const SIZE = 50;
const LARGEST = 2_000;

/** What the address asks for, with what it leaves out. */
function asked(query: URLSearchParams) {
  const number = (name: string, fallback: number, most: number) => {
    const value = Number(query.get(name));
    return Number.isInteger(value) && value >= 1 && value <= most ? value : fallback;
  };
  const orderBy = query.get('orderBy') ?? '';
  return {
    conditions: ofQuery(query),
    page: number('pageNo', 1, 100_000),
    size: number('pageSize', SIZE, LARGEST),
    orderBy: SORTED.includes(orderBy) ? orderBy : 'id',
    orderSort: query.get('orderSort') === 'ASC' ? 'ASC' : 'DESC',
  };
}

type Asked = ReturnType<typeof asked>;

function toAddress({ conditions, page, size, orderBy, orderSort }: Asked): URLSearchParams {
  const query = new URLSearchParams();
  append(query, conditions);
  if (page !== 1) query.set('pageNo', String(page));
  if (size !== SIZE) query.set('pageSize', String(size));
  if (orderBy !== 'id') query.set('orderBy', orderBy);
  if (orderSort !== 'DESC') query.set('orderSort', orderSort);
  return query;
}

export function ConnectionsPage({ query }: { query: URLSearchParams }) {
  const texts = useTexts();
  const { client, offers } = useApp();
  const now = asked(query);
  const go = (more: Partial<Asked>) => {
    location.hash = href('connections', '', toAddress({ ...now, ...more }));
  };
  const sent = toAddress(now);
  sent.set('pageNo', String(now.page));
  sent.set('pageSize', String(now.size));
  const [isLive, setLive] = useState(true);
  const live = useLive((signal) => client.records(sent, signal), sent.toString(), isLive ? EVERY : 0, 'records');
  const [columns, setColumns] = useColumns();
  const [chosen, setChosen] = useState<ReadonlyMap<string, Row>>(new Map());
  const rows = live.data?.list ?? [];
  const total = Number(live.data?.total ?? 0);

  const toggle = (row: Row) => {
    const next = new Map(chosen);
    if (!next.delete(row.id)) next.set(row.id, row);
    setChosen(next);
  };
  const all = rows.length > 0 && rows.every((row) => chosen.has(row.id));
  const toggleAll = () => {
    const next = new Map(chosen);
    rows.forEach((row) => (all ? next.delete(row.id) : next.set(row.id, row)));
    setChosen(next);
  };
  // A record names no connection to an order, but its user.
  const users = [...new Set([...chosen.values()].map((row) => row.userId))];
  const shown = COLUMNS.filter((column) => columns.includes(column));
  const name = `rollcall-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}`;
  const saveCsv = () => {
    const table = csv(shown.map((column) => texts.text(column)), rows.map((row) => shown.map((column) => String(row[column] ?? ''))));
    save(`${name}.csv`, 'text/csv;charset=utf-8', table);
  };
  const pager = (below: boolean) => (
    <Pager page={now.page} size={now.size} total={total} below={below} onChange={(page, size) => go({ page, size })} />
  );
  return (
    <>
      <Filters key={JSON.stringify(now.conditions)} conditions={now.conditions} onApply={(conditions) => go({ conditions, page: 1 })} />
      <div class="row between">
        <div class="row">
          <label>
            <input type="checkbox" checked={isLive} onChange={() => setLive(!isLive)} /> {texts.text('live', { seconds: EVERY })}
          </label>
          <button type="button" onClick={live.reload}>
            {texts.text('refresh')}
          </button>
          <Columns columns={columns} onChange={setColumns} />
          <span class="row" role="group" aria-label={texts.text('exportShown')}>
            {texts.text('exportShown')}
            <button type="button" disabled={rows.length === 0} onClick={saveCsv}>
              {texts.text('exportCsv')}
            </button>
            <button type="button" disabled={rows.length === 0} onClick={() => save(`${name}.ndjson`, 'application/x-ndjson', ndjson(rows))}>
              {texts.text('exportNdjson')}
            </button>
          </span>
        </div>
        <OpenUser />
      </div>
      <div class="row between">
        <Freshness live={live} />
        {offers.order && live.data && (
          <div class="row">
            {chosen.size > 0 && <span>{texts.text('selected', { count: chosen.size })}</span>}
            {chosen.size > 0 && (
              <a class="button" href={href('compose', '', toQuery({ userIds: users.join() }))}>
                {texts.text('orderForSelected', { count: users.length })}
              </a>
            )}
            {now.conditions.length > 0 && (
              <a class="button" href={href('compose', '', toQuery({ conditions: now.conditions }))}>
                {texts.text('orderForAll')}
              </a>
            )}
          </div>
        )}
      </div>
      {live.data && (
        <>
          {pager(false)}
          <Table
            name={texts.text('connections')}
            columns={shown.length + 1}
            empty={rows.length === 0}
            heads={
              <>
                {offers.order && (
                  <td>
                    <input type="checkbox" aria-label={texts.text('selectAll')} checked={all} onChange={toggleAll} />
                  </td>
                )}
                {shown.map((column) => (
                  <Head key={column} column={column} now={now} onSort={(orderBy, orderSort) => go({ orderBy, orderSort, page: 1 })} />
                ))}
              </>
            }
          >
            {rows.map((row) => (
              <tr key={row.id} class={row.online ? undefined : 'ended'}>
                {offers.order && (
                  <td>
                    <input
                      type="checkbox"
                      aria-label={texts.text('selectRow', { id: row.id, user: row.userId })}
                      checked={chosen.has(row.id)}
                      onChange={() => toggle(row)}
                    />
                  </td>
                )}
                {shown.map((column) => (
                  <Cell key={column} row={row} column={column} />
                ))}
              </tr>
            ))}
          </Table>
          {rows.length > 20 && pager(true)}
        </>
      )}
    </>
  );
}

function Head({ column, now, onSort }: { column: Column; now: Asked; onSort: (by: string, sort: 'ASC' | 'DESC') => void }) {
  const texts = useTexts();
  const name = texts.text(column);
  if (!SORTED.includes(column)) return <th scope="col">{name}</th>;
  const isHere = now.orderBy === column;
  const isAscending = now.orderSort === 'ASC';
  const sign = isHere ? (isAscending ? ' ▲' : ' ▼') : '';
  return (
    <th scope="col" aria-sort={isHere ? (isAscending ? 'ascending' : 'descending') : undefined}>
      <button
        type="button"
        class="plain"
        title={texts.text('sortBy', { name })}
        onClick={() => onSort(column, isHere && !isAscending ? 'ASC' : isHere ? 'DESC' : column === 'fullName' || column === 'userId' ? 'ASC' : 'DESC')}
      >
        {name}
        <span aria-hidden="true">{sign}</span>
      </button>
    </th>
  );
}

function Cell({ row, column }: { row: Row; column: Column }) {
  const texts = useTexts();
  switch (column) {
    case 'userId':
      return (
        <td>
          <a href={href('user', row.userId)}>{row.userId}</a>
        </td>
      );
    case 'online':
      return (
        <td>
          <span class={row.online ? 'tag good' : 'tag'}>{texts.text(row.online ? 'isOnline' : 'isOffline')}</span>
        </td>
      );
    case 'fullName':
      return (
        <td class="text">
          <bdi>{row.fullName}</bdi>
        </td>
      );
    case 'userAgent':
    case 'deviceId':
    case 'remoteAddress':
      return (
        <td class={column === 'userAgent' ? 'text long' : 'text'}>
          <bdi>{row[column]}</bdi>
        </td>
      );
    default:
      return <td class="date">{row[column] ?? ''}</td>;
  }
}

function Filters({ conditions, onApply }: { conditions: Condition[]; onApply: (conditions: Condition[]) => void }) {
  const texts = useTexts();
  const [draft, setDraft] = useState(conditions);
  const [strict, setStrict] = useState(false);
  const submit = (event: Event) => {
    event.preventDefault();
    setStrict(true);
    if (draft.every((one) => problem(one, draft, 'list') === undefined)) onApply(draft);
  };
  return (
    <form class="panel" onSubmit={submit} aria-label={texts.text('filters')}>
      <FilterBuilder conditions={draft} onChange={setDraft} use="list" strict={strict} />
      <div class="row">
        <button type="submit" class="main">
          {texts.text('apply')}
        </button>
        <button type="button" disabled={draft.length === 0 && conditions.length === 0} onClick={() => (setDraft([]), onApply([]))}>
          {texts.text('clear')}
        </button>
        <OnlineOnly conditions={conditions} onChange={onApply} />
      </div>
    </form>
  );
}

function Columns({ columns, onChange }: { columns: Column[]; onChange: (columns: Column[]) => void }) {
  const texts = useTexts();
  const toggle = (column: Column) =>
    onChange(columns.includes(column) ? columns.filter((one) => one !== column) : [...columns, column]);
  return (
    <details class="menu">
      <summary>{texts.text('columns')}</summary>
      <fieldset>
        <legend class="unseen">{texts.text('columns')}</legend>
        {COLUMNS.map((column) => (
          <label key={column}>
            <input
              type="checkbox"
              checked={columns.includes(column)}
              disabled={columns.length === 1 && columns.includes(column)}
              onChange={() => toggle(column)}
            />{' '}
            {texts.text(column)}
          </label>
        ))}
      </fieldset>
    </details>
  );
}

/** The columns that the reader chose, on this machine. */
function useColumns(): [Column[], (columns: Column[]) => void] {
  const [columns, setColumns] = useState<Column[]>(() => {
    const kept = (localStorage.getItem(KEPT) ?? '').split(',');
    const known = COLUMNS.filter((column) => kept.includes(column));
    return known.length > 0 ? known : USUAL;
  });
  useEffect(() => localStorage.setItem(KEPT, columns.join()), [columns]);
  return [columns, setColumns];
}
