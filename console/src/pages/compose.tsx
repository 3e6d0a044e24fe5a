import { useEffect, useRef, useState } from 'preact/hooks';

import { Refused } from '../api/client';
import type { DryRun, Scope } from '../api/types';
import { useApp } from '../app-context';
import { onlineOnly, problem as conditionProblem } from '../filters';
import { useTexts } from '../i18n';
import { DenyInput } from '../parts/deny-input';
import { Confirm } from '../parts/dialog';
import { FilterBuilder } from '../parts/filter-builder';
import { OnlineOnly } from '../parts/online-only';
import { Table } from '../parts/table';
import { PLATFORMS } from '../platforms';
import { Told, ofDryRun, ofOrder } from '../refusals';
import { href } from '../route';
import { type Draft, fromQuery, ids, problem, request, toQuery } from '../selection';

export function ComposePage({ query }: { query: URLSearchParams }) {
  const texts = useTexts();
  const { client, me } = useApp();
  const [draft, setDraft] = useState<Draft>(() => fromQuery(query));
  const [strict, setStrict] = useState(false);
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<string>();
  const [found, setFound] = useState<DryRun>();
  const [asks, setAsks] = useState(false);
  /** The number of the order: whatever is changed makes it another one, which no earlier answer is for. */
  const version = useRef(0);
  const change = (more: Partial<Draft>) => {
    version.current += 1;
    setDraft({ ...draft, ...more });
    setFound(undefined);
    setTold(undefined);
  };
  const wrong = problem(draft);
  const isWhole = !wrong && draft.conditions.every((one) => !conditionProblem(one, draft.conditions, 'order'));

  const dryRun = async (event: Event) => {
    event.preventDefault();
    setStrict(true);
    if (!isWhole || busy) return;
    setBusy(true);
    setTold(undefined);
    setFound(undefined);
    // A reload begins with the same selection.
    history.replaceState(null, '', href('compose', '', toQuery(draft)));
    const asked = version.current;
    try {
      const answer = await client.dryRun(request(draft));
      if (version.current === asked) setFound(answer);
    } catch (error) {
      if (version.current === asked) setTold(ofDryRun(texts, error));
    } finally {
      setBusy(false);
    }
  };
  const carryOut = async (receipt: string) => {
    try {
      const order = await client.carryOut(request(draft), receipt);
      location.hash = href('order', order.id);
    } catch (error) {
      if (!(error instanceof Refused && error.status === 409)) throw new Told(ofOrder(texts, error));
      setFound(undefined);
      setTold(texts.text('receiptGone'));
    }
  };
  return (
    <>
      <form onSubmit={dryRun}>
        <Select draft={draft} change={change} strict={strict} />
        <What draft={draft} change={change} />
        {strict && wrong && (
          <p class="wrong" role="alert">
            {texts.text(wrong)}
          </p>
        )}
        <div class="row">
          <button type="submit" class="main">
            {texts.text('dryRun')}
          </button>
          <span class="quiet">{texts.text('dryRunFirst')}</span>
        </div>
      </form>
      <div role="status">
        {busy && <p class="quiet">{texts.text('loading')}</p>}
        {told && <p class="banner bad">{told}</p>}
      </div>
      <div aria-live="polite">{found && <Found found={found} scope={draft.scope} onCarryOut={() => setAsks(true)} />}</div>
      {asks && found && (
        <Confirm title={texts.text('carryOut')} act={texts.text('carryOut')} onAct={() => carryOut(found.receipt)} onClose={() => setAsks(false)}>
          <p>{texts.text('carryOutAsk', { users: found.users, connections: found.connections })}</p>
          <p>{texts.text(`scope_${draft.scope}`)}</p>
          {ids(draft.userIds).includes(me.userId) && <p class="banner bad">{texts.text('selfNamed')}</p>}
        </Confirm>
      )}
    </>
  );
}

interface PartProps {
  draft: Draft;
  change: (more: Partial<Draft>) => void;
}

/** Whether users are taken who have no connection: where sockets are looked at, they are not. */
const takesEnded = ({ scope, conditions, platforms, connIds }: Draft): boolean =>
  scope === 'user' && !onlineOnly(conditions) && platforms.length === 0 && ids(connIds).length === 0;

/** Which connections and users. */
function Select({ draft, change, strict }: PartProps & { strict: boolean }) {
  const texts = useTexts();
  const list = (name: 'userIds' | 'connIds' | 'deviceIds') => (
    <label class="block grow">
      {texts.text(name)}
      <textarea
        rows={2}
        value={draft[name]}
        placeholder={texts.text('idsHint')}
        spellcheck={false}
        onInput={(event) => change({ [name]: event.currentTarget.value })}
      />
    </label>
  );
  return (
    <fieldset class="panel">
      <legend>{texts.text('selection')}</legend>
      <p class="quiet">
        {texts.text('selectionText')} {texts.text('spared')}
      </p>
      <FilterBuilder conditions={draft.conditions} onChange={(conditions) => change({ conditions })} use="order" strict={strict} />
      <p>
        <OnlineOnly conditions={draft.conditions} onChange={(conditions) => change({ conditions })} />
        {takesEnded(draft) && <span class="quiet"> {texts.text('endedToo')}</span>}
      </p>
      <div class="row top">
        {list('userIds')}
        {list('connIds')}
        {list('deviceIds')}
      </div>
      <fieldset class="row">
        <legend>{texts.text('platforms')}</legend>
        {PLATFORMS.map((name, at) => {
          const platform = at + 1;
          const has = draft.platforms.includes(platform);
          const platforms = has ? draft.platforms.filter((one) => one !== platform) : [...draft.platforms, platform];
          return (
            <label key={name}>
              <input type="checkbox" checked={has} onChange={() => change({ platforms })} /> {name}
            </label>
          );
        })}
      </fieldset>
    </fieldset>
  );
}

const SCOPES: Scope[] = ['user', 'connection'];

/** What is taken of them, and why. */
function What({ draft, change }: PartProps) {
  const texts = useTexts();
  const { offers } = useApp();
  return (
    <fieldset class="panel">
      <legend>{texts.text('scope')}</legend>
      {SCOPES.map((scope) => (
        <label class="block" key={scope}>
          <input type="radio" name="scope" checked={draft.scope === scope} onChange={() => change({ scope })} />{' '}
          {texts.text(`scope_${scope}`)}
        </label>
      ))}
      <label class="block">
        {texts.text('reason')}
        <input value={draft.reason} autocomplete="off" onInput={(event) => change({ reason: event.currentTarget.value })} />
        <span class="quiet">{texts.text('reasonHint')}</span>
      </label>
      {offers.deny && (
        <>
          <DenyInput
            label={texts.text('denyUsers')}
            deny={draft.deny}
            unit={draft.denyUnit}
            onChange={(deny, denyUnit) => change({ deny, denyUnit })}
          />
          <p class="quiet">{texts.text('denyEmpty')}</p>
        </>
      )}
    </fieldset>
  );
}

const COLUMNS = ['userId', 'fullName', 'deviceId', 'remoteAddress', 'userAgent', 'onlineDate'] as const;

function Found({ found, scope, onCarryOut }: { found: DryRun; scope: Scope; onCarryOut: () => void }) {
  const texts = useTexts();
  const { users, connections, firstUsers, expiresAt } = found;
  const first = found.first ?? [];
  const more = users - firstUsers.length;
  const place = useRef<HTMLElement>(null);
  useEffect(() => place.current?.scrollIntoView({ block: 'nearest' }), []);
  return (
    <section class="panel" ref={place}>
      <h2>{texts.text('dryRunResult')}</h2>
      <p class="figure">{texts.text('dryRunCounts', { users, connections })}</p>
      {scope === 'user' && users > 0 && <p class="quiet">{texts.text('dryRunOthers')}</p>}
      {users === 0 ? (
        <p>{texts.text('dryRunNobody')}</p>
      ) : (
        <p>
          {texts.text('dryRunUsers')}{' '}
          {firstUsers.map((user) => (
            <span key={user}>
              <a href={href('user', user)}>{user}</a>{' '}
            </span>
          ))}
          {more > 0 && texts.text('andMore', { count: more })}
        </p>
      )}
      {first.length > 0 && (
        <Table
          name={texts.text('dryRunFirstRows', { count: first.length })}
          columns={COLUMNS.length}
          heads={COLUMNS.map((key) => (
            <th scope="col" key={key}>
              {texts.text(key)}
            </th>
          ))}
        >
          {first.map((row) => (
            <tr key={row.id}>
              <td>
                <a href={href('user', row.userId)}>{row.userId}</a>
              </td>
              {(['fullName', 'deviceId', 'remoteAddress', 'userAgent'] as const).map((key) => (
                <td class={key === 'userAgent' ? 'text long' : 'text'} key={key}>
                  <bdi>{row[key]}</bdi>
                </td>
              ))}
              <td class="date">{row.onlineDate}</td>
            </tr>
          ))}
        </Table>
      )}
      {users > 0 && (
        <div class="row between">
          <button type="button" class="danger" onClick={onCarryOut}>
            {texts.text('carryOut')}
          </button>
          <span class="quiet">{texts.text('dryRunValid', { until: expiresAt })}</span>
        </div>
      )}
    </section>
  );
}
