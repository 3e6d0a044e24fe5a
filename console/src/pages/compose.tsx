import { useState } from 'preact/hooks';

import { Refused, Unreachable } from '../api/client';
import type { DryRun } from '../api/types';
import { useApp } from '../app-context';
import { problem as conditionProblem } from '../filters';
import { useTexts } from '../i18n';
import { DenyInput } from '../parts/deny-input';
import { Confirm } from '../parts/dialog';
import { FilterBuilder } from '../parts/filter-builder';
import { explain } from '../parts/status';
import { Table } from '../parts/table';
import { PLATFORMS, platformName } from '../platforms';
import { href } from '../route';
import { type Draft, fromQuery, problem, request } from '../selection';

export function ComposePage({ query }: { query: URLSearchParams }) {
  const texts = useTexts();
  const { client, offers } = useApp();
  const [draft, setDraft] = useState<Draft>(() => fromQuery(query));
  const [strict, setStrict] = useState(false);
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<string>();
  const [found, setFound] = useState<DryRun>();
  const [asks, setAsks] = useState(false);
  /** Whatever is changed makes it another order, which the receipt is not for. */
  const change = (more: Partial<Draft>) => {
    setDraft({ ...draft, ...more });
    setFound(undefined);
    setTold(undefined);
  };
  const wrong = problem(draft) ?? (draft.conditions.some((one) => conditionProblem(one, draft.conditions)) ? 'condition' : undefined);

  const dryRun = async (event: Event) => {
    event.preventDefault();
    setStrict(true);
    if (wrong || busy) return;
    setBusy(true);
    setTold(undefined);
    setFound(undefined);
    try {
      setFound(await client.dryRun(request(draft)));
    } catch (error) {
      setTold(explain(texts, error));
    } finally {
      setBusy(false);
    }
  };
  const carryOut = async () => {
    try {
      const order = await client.carryOut(request(draft), found?.receipt);
      location.hash = href('order', order.id);
    } catch (error) {
      if (error instanceof Refused && error.status === 409) {
        setFound(undefined);
        setTold(texts.text('receiptGone'));
        return;
      }
      // The receipt makes it safe to say it again.
      throw error instanceof Unreachable ? new Error(texts.text('carryOutLost')) : error;
    }
  };
  const ids = (name: 'userIds' | 'connIds' | 'deviceIds') => (
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
    <>
      <form onSubmit={dryRun}>
        <fieldset class="panel">
          <legend>{texts.text('selection')}</legend>
          <p class="quiet">{texts.text('selectionText')}</p>
          <FilterBuilder conditions={draft.conditions} onChange={(conditions) => change({ conditions })} strict={strict} />
          <div class="row top">
            {ids('userIds')}
            {ids('connIds')}
            {ids('deviceIds')}
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
          <label>
            {texts.text('onlineState')}{' '}
            <select value={draft.online} onChange={(event) => change({ online: event.currentTarget.value as Draft['online'] })}>
              <option value="">{texts.text('anyState')}</option>
              <option value="true">{texts.text('isOnline')}</option>
              <option value="false">{texts.text('isOffline')}</option>
            </select>
          </label>
        </fieldset>
        <fieldset class="panel">
          <legend>{texts.text('scope')}</legend>
          {(['user', 'connection'] as const).map((scope) => (
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
          {offers.deny && draft.scope === 'user' && (
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
        {strict && wrong && wrong !== 'condition' && (
          <p class="wrong" role="alert">
            {texts.text(wrong)}
          </p>
        )}
        <div class="row">
          <button type="submit" class="main" disabled={busy}>
            {texts.text('dryRun')}
          </button>
          <span class="quiet">{texts.text('dryRunFirst')}</span>
        </div>
      </form>
      <div role="status">{told && <p class="banner bad">{told}</p>}</div>
      <div aria-live="polite">{found && <Found found={found} onCarryOut={() => setAsks(true)} />}</div>
      {asks && found && (
        <Confirm title={texts.text('carryOut')} act={texts.text('carryOut')} onAct={carryOut} onClose={() => setAsks(false)}>
          <p>{texts.text('carryOutAsk', { users: found.users, connections: found.connections })}</p>
          <p>{texts.text(`scope_${draft.scope}`)}</p>
        </Confirm>
      )}
    </>
  );
}

function Found({ found, onCarryOut }: { found: DryRun; onCarryOut: () => void }) {
  const texts = useTexts();
  const { users, connections, spared, first } = found;
  const name = texts.text('dryRunFirstRows', { count: first.length });
  return (
    <section class="panel">
      <h2>{texts.text('dryRunResult')}</h2>
      <p class="figure">{texts.text('dryRunCounts', { users, connections })}</p>
      {spared > 0 && <p>{texts.text('dryRunSpared', { spared })}</p>}
      <Table
        name={name}
        columns={6}
        empty={first.length === 0}
        heads={(['userId', 'fullName', 'platform', 'deviceId', 'remoteAddress', 'onlineDate'] as const).map((key) => (
          <th scope="col" key={key}>
            {texts.text(key)}
          </th>
        ))}
      >
        {first.map((one) => (
          <tr key={one.connID ?? one.userId}>
            <td>
              <a href={href('user', one.userId)}>{one.userId}</a>
            </td>
            <td class="text">
              <bdi>{one.fullName}</bdi>
            </td>
            <td>
              {one.platformID !== undefined ? platformName(one.platformID) : one.protocol ? texts.word('protocol_', one.protocol) : ''}
            </td>
            <td class="text">
              <bdi>{one.deviceId}</bdi>
            </td>
            <td class="text">
              <bdi>{one.remoteAddress}</bdi>
            </td>
            <td class="date">{one.onlineDate}</td>
          </tr>
        ))}
      </Table>
      <div class="row">
        <button type="button" class="danger" disabled={users === 0} onClick={onCarryOut}>
          {texts.text('carryOut')}
        </button>
        <span class="quiet">{texts.text('dryRunValid', { until: found.receiptUntil })}</span>
      </div>
    </section>
  );
}
