import { useState } from 'preact/hooks';

import type { OrderRequest, User } from '../api/types';
import { useApp } from '../app-context';
import { useTexts } from '../i18n';
import { DenyInput } from '../parts/deny-input';
import { Confirm } from '../parts/dialog';
import { Freshness } from '../parts/status';
import { Table } from '../parts/table';
import { platformName } from '../platforms';
import { href } from '../route';
import { EMPTY, UNITS, problem, toQuery } from '../selection';
import { useLive } from '../use-live';

/** What the reader is asked about. */
type Question =
  | { kind: 'connection'; connID: string }
  | { kind: 'platform'; platformID: number }
  | { kind: 'user' }
  | { kind: 'token'; sha256: string }
  | { kind: 'deny' }
  | { kind: 'unlock' };

const short = (text: string) => `${text.slice(0, 10)}…`;

export function UserPage({ id }: { id: string }) {
  const { client } = useApp();
  const live = useLive((signal) => client.user(id, signal), id, 5);
  const [question, setQuestion] = useState<Question>();
  const user = live.data;
  return (
    <>
      <Freshness live={live} />
      {user && (
        <>
          <Head user={user} ask={setQuestion} />
          <DenyState user={user} ask={setQuestion} />
          <Connections user={user} ask={setQuestion} />
          <Tokens user={user} ask={setQuestion} />
          <Records user={user} />
          {question && <Asked id={id} question={question} onClose={() => setQuestion(undefined)} onDone={live.reload} />}
        </>
      )}
    </>
  );
}

interface PartProps {
  user: User;
  ask: (question: Question) => void;
}

function Head({ user, ask }: PartProps) {
  const texts = useTexts();
  const { offers } = useApp();
  const platforms = [...new Set(user.live.flatMap((one) => one.platformID ?? []))].sort((a, b) => a - b);
  const name = user.records[0]?.fullName;
  return (
    <div class="row between">
      <p>
        <span class={user.online ? 'tag good' : 'tag'}>{texts.text(user.online ? 'isOnline' : 'isOffline')}</span>{' '}
        {name !== undefined && <bdi class="text">{name}</bdi>} {texts.text('tenant')} {user.tenantId}
      </p>
      {offers.order && (
        <div class="row">
          {platforms.map((platform) => (
            <button key={platform} type="button" onClick={() => ask({ kind: 'platform', platformID: platform })}>
              {texts.text('kickPlatform', { platform: platformName(platform) })}
            </button>
          ))}
          <button type="button" class="danger" onClick={() => ask({ kind: 'user' })}>
            {texts.text('kickUser')}
          </button>
        </div>
      )}
    </div>
  );
}

function DenyState({ user, ask }: PartProps) {
  const texts = useTexts();
  const { offers } = useApp();
  const { deny } = user;
  const hasWindows = offers.deny || deny !== undefined;
  if (!hasWindows && !offers.unlock) return null;
  return (
    <section>
      {hasWindows && (
        <>
          <h2>{texts.text('denyWindow')}</h2>
          <p>
            {deny ? texts.text('deniedUntil', { until: deny.until, by: deny.by, since: deny.since }) : texts.text('notDenied')}{' '}
            {deny?.reason !== undefined && <bdi>{texts.text('deniedReason', { reason: deny.reason })}</bdi>}{' '}
            {deny?.orderId !== undefined && <a href={href('order', deny.orderId)}>{texts.text('orderNamed', { id: deny.orderId })}</a>}
          </p>
        </>
      )}
      {offers.unlock && (
        <div class="row">
          {offers.deny && (
            <button type="button" class="danger" onClick={() => ask({ kind: 'deny' })}>
              {texts.text('deny')}
            </button>
          )}
          <button type="button" onClick={() => ask({ kind: 'unlock' })}>
            {texts.text('unlock')}
          </button>
        </div>
      )}
    </section>
  );
}

function Connections({ user, ask }: PartProps) {
  const texts = useTexts();
  const { offers } = useApp();
  const name = texts.text('liveConnections');
  return (
    <section>
      <h2>{name}</h2>
      <Table
        name={name}
        columns={8}
        empty={user.live.length === 0}
        heads={
          <>
            <th scope="col">{texts.text('platform')}</th>
            <th scope="col">{texts.text('connID')}</th>
            <th scope="col">{texts.text('deviceId')}</th>
            <th scope="col">{texts.text('remoteAddress')}</th>
            <th scope="col">{texts.text('userAgent')}</th>
            <th scope="col">{texts.text('onlineDate')}</th>
            <th scope="col">{texts.text('tokenHash')}</th>
            {offers.order && <th scope="col">{texts.text('actions')}</th>}
          </>
        }
      >
        {user.live.map((one) => (
          <tr key={one.connID}>
            <td>
              {one.platformID ? platformName(one.platformID) : texts.word('protocol_', one.protocol)}
              {one.isBackground && <span class="quiet"> {texts.text('background')}</span>}
            </td>
            <td>
              <code title={one.connID}>{short(one.connID)}</code>
            </td>
            <td class="text">
              <bdi>{one.deviceId}</bdi>
            </td>
            <td class="text">
              <bdi>{one.remoteAddress}</bdi>
            </td>
            <td class="text">
              <bdi>{one.userAgent}</bdi>
            </td>
            <td class="date">{one.onlineDate}</td>
            <td>{one.tokenSha256 && <code title={one.tokenSha256}>{short(one.tokenSha256)}</code>}</td>
            {offers.order && (
              <td>
                <button
                  type="button"
                  aria-label={texts.text('kickConnectionLabel', { id: short(one.connID) })}
                  onClick={() => ask({ kind: 'connection', connID: one.connID })}
                >
                  {texts.text('kickConnection')}
                </button>
              </td>
            )}
          </tr>
        ))}
      </Table>
    </section>
  );
}

function Tokens({ user, ask }: PartProps) {
  const texts = useTexts();
  const { me, offers } = useApp();
  const name = texts.text('tokens');
  const mayRevoke = offers.revoke || (offers.revokeOwn && me.userId === user.userId);
  return (
    <section>
      <h2>{name}</h2>
      {user.tokensTotal > user.tokens.length && (
        <p class="quiet">{texts.text('tokensShown', { shown: user.tokens.length, total: user.tokensTotal })}</p>
      )}
      <Table
        name={name}
        columns={7}
        empty={user.tokens.length === 0}
        heads={
          <>
            <th scope="col">{texts.text('platform')}</th>
            <th scope="col">{texts.text('tokenHash')}</th>
            <th scope="col">{texts.text('state')}</th>
            <th scope="col">{texts.text('issued')}</th>
            <th scope="col">{texts.text('expires')}</th>
            <th scope="col" class="number">{texts.text('connections')}</th>
            {mayRevoke && <th scope="col">{texts.text('actions')}</th>}
          </>
        }
      >
        {user.tokens.map((token) => (
          <tr key={token.sha256}>
            <td>{platformName(token.platformID)}</td>
            <td>
              <code title={token.sha256}>{short(token.sha256)}</code>
            </td>
            <td>
              <span class={token.state === 'good' ? 'tag good' : 'tag'}>{texts.word('token_', token.state)}</span>
            </td>
            <td class="date">{token.issuedAt}</td>
            <td class="date">{token.expiresAt}</td>
            <td class="number">{texts.number(token.connections)}</td>
            {mayRevoke && (
              <td>
                {token.state === 'good' && (
                  <button
                    type="button"
                    aria-label={texts.text('revokeLabel', { hash: short(token.sha256) })}
                    onClick={() => ask({ kind: 'token', sha256: token.sha256 })}
                  >
                    {texts.text('revoke')}
                  </button>
                )}
              </td>
            )}
          </tr>
        ))}
      </Table>
    </section>
  );
}

function Records({ user }: { user: User }) {
  const texts = useTexts();
  const name = texts.text('records');
  const isNumbered = /^-?\d+$/.test(user.userId);
  const all = toQuery({ conditions: [{ key: 'userId', op: 'EQUAL', value: user.userId }] });
  return (
    <section>
      <h2>{name}</h2>
      <Table
        name={name}
        columns={6}
        empty={user.records.length === 0}
        heads={(['id', 'fullName', 'deviceId', 'remoteAddress', 'userAgent', 'onlineDate'] as const).map((key) => (
          <th scope="col" key={key}>
            {texts.text(key)}
          </th>
        ))}
      >
        {user.records.map((row) => (
          <tr key={row.id}>
            <td class="date">{row.id}</td>
            {(['fullName', 'deviceId', 'remoteAddress', 'userAgent'] as const).map((key) => (
              <td class="text" key={key}>
                <bdi>{row[key]}</bdi>
              </td>
            ))}
            <td class="date">{row.onlineDate}</td>
          </tr>
        ))}
      </Table>
      {isNumbered && (
        <p>
          <a href={href('connections', '', all)}>{texts.text('allRecords')}</a>
        </p>
      )}
    </section>
  );
}

interface AskedProps {
  id: string;
  question: Question;
  onClose: () => void;
  onDone: () => void;
}

function Asked({ id, question, onClose, onDone }: AskedProps) {
  const texts = useTexts();
  const { client, say } = useApp();
  const [reason, setReason] = useState('');
  const [deny, setDeny] = useState({ deny: '1', denyUnit: 'hours' as keyof typeof UNITS });
  const draft = { ...EMPTY, userIds: 'x', reason, ...(question.kind === 'deny' ? deny : {}) };
  const wrong = problem(draft) ?? (question.kind === 'deny' && deny.deny.trim() === '' ? 'denyRange' : undefined);

  const order = async (more: Pick<OrderRequest, 'select' | 'scope'> & { denySeconds?: number }) => {
    const given = await client.carryOut({ ...more, ...(reason.trim() === '' ? {} : { reason: reason.trim() }) });
    say(texts.text('kickedDone', { id: given.id, connections: given.connections }));
  };
  const act = async () => {
    switch (question.kind) {
      case 'connection':
        await order({ select: { userIds: [id], connIds: [question.connID] }, scope: 'connection' });
        break;
      case 'platform':
        await order({ select: { userIds: [id], platforms: [question.platformID] }, scope: 'connection' });
        break;
      case 'user':
        await order({ select: { userIds: [id] }, scope: 'user' });
        break;
      case 'deny':
        await order({ select: { userIds: [id] }, scope: 'user', denySeconds: Math.round(Number(deny.deny) * UNITS[deny.denyUnit]) });
        break;
      case 'token': {
        const { connections, unknown } = await client.revoke(id, [question.sha256]);
        if (unknown.length > 0) say(texts.text('revokedUnknown'), true);
        else say(texts.text('revokedDone', { connections }));
        break;
      }
      case 'unlock': {
        const { unlocked } = await client.unlock(id);
        say(texts.text(unlocked ? 'unlocked' : 'nothingToUnlock'));
      }
    }
    onDone();
  };
  const platform = question.kind === 'platform' ? platformName(question.platformID) : '';
  const [title, text, word] = {
    connection: ['kickConnection', 'kickConnectionAsk', 'kickConnection'] as const,
    platform: ['kickPlatform', 'kickPlatformAsk', 'kickConnection'] as const,
    user: ['kickUser', 'kickUserAsk', 'kickUser'] as const,
    token: ['revoke', 'revokeAsk', 'revoke'] as const,
    deny: ['deny', 'denyAsk', 'deny'] as const,
    unlock: ['unlock', 'unlockAsk', 'unlock'] as const,
  }[question.kind];
  const hasReason = question.kind !== 'unlock' && question.kind !== 'token';
  return (
    <Confirm title={texts.text(title, { platform })} act={texts.text(word)} ready={wrong === undefined} onAct={act} onClose={onClose}>
      <p>{texts.text(text, { user: id, platform })}</p>
      {question.kind === 'connection' && <code class="text">{question.connID}</code>}
      {question.kind === 'token' && <code class="text">{question.sha256}</code>}
      {question.kind === 'deny' && (
        <DenyInput
          label={texts.text('denyFor')}
          deny={deny.deny}
          unit={deny.denyUnit}
          onChange={(deny, denyUnit) => setDeny({ deny, denyUnit })}
        />
      )}
      {hasReason && (
        <label class="block">
          {texts.text('reason')}
          <input value={reason} autocomplete="off" onInput={(event) => setReason(event.currentTarget.value)} />
          <span class="quiet">{texts.text('reasonHint')}</span>
        </label>
      )}
      {wrong && <p class="wrong">{texts.text(wrong)}</p>}
    </Confirm>
  );
}
