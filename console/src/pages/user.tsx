import { useState } from 'preact/hooks';

import type { Order, OrderRequest, User } from '../api/types';
import { useApp } from '../app-context';
import { type Texts, useTexts } from '../i18n';
import { DenyInput } from '../parts/deny-input';
import { Confirm } from '../parts/dialog';
import { Freshness } from '../parts/status';
import { Table } from '../parts/table';
import { platformName } from '../platforms';
import { stage } from '../progress';
import { href } from '../route';
import { EMPTY, UNITS, isNumbered, problem, toQuery } from '../selection';
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

/** An id of which a part tells enough; it is copied as a whole. */
const Id = ({ text }: { text: string }) => (
  <code class="id" title={text}>
    {text}
  </code>
);

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
          {question && <Asked user={user} question={question} onClose={() => setQuestion(undefined)} onDone={live.reload} />}
        </>
      )}
    </>
  );
}

interface PartProps {
  user: User;
  ask: (question: Question) => void;
}

/** Whether the reader may take the user offline: by an order, or token by token where orders cannot name it. */
function useMayKick({ userId }: User): boolean {
  const { offers } = useApp();
  return isNumbered(userId) ? offers.order : offers.revoke;
}

function Head({ user, ask }: PartProps) {
  const texts = useTexts();
  const mayKick = useMayKick(user);
  const platforms = [...new Set(user.live.flatMap((one) => one.platformID ?? []))].sort((a, b) => a - b);
  const name = user.records[0]?.fullName;
  return (
    <div class="row between">
      <p>
        <span class={user.online ? 'tag good' : 'tag'}>{texts.text(user.online ? 'isOnline' : 'isOffline')}</span>{' '}
        {name !== undefined && <bdi class="text">{name}</bdi>} {texts.text('tenant')} {user.tenantId}
      </p>
      {mayKick && (
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
  const mayDeny = offers.deny && isNumbered(user.userId);
  const hasWindows = mayDeny || deny !== undefined;
  if (!hasWindows && !offers.unlock) return null;
  return (
    <section>
      {hasWindows && (
        <>
          <h2>{texts.text('denyWindow')}</h2>
          <p>
            {deny ? texts.text('deniedUntil', { until: deny.until, by: deny.by, since: deny.since }) : texts.text('notDenied')}{' '}
            {deny?.reason !== undefined && <bdi>{texts.text('deniedReason', { reason: deny.reason })}</bdi>}{' '}
            {deny && offers.orders && <a href={href('order', deny.orderId)}>{texts.text('orderNamed', { id: deny.orderId })}</a>}
          </p>
        </>
      )}
      {offers.unlock && (
        <div class="row">
          {mayDeny && (
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
  const mayKick = useMayKick(user);
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
            {mayKick && <th scope="col">{texts.text('actions')}</th>}
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
              <Id text={one.connID} />
            </td>
            <td class="text">
              <bdi>{one.deviceId}</bdi>
            </td>
            <td class="text">
              <bdi>{one.remoteAddress}</bdi>
            </td>
            <td class="text long">
              <bdi>{one.userAgent}</bdi>
            </td>
            <td class="date">{one.onlineDate}</td>
            <td>{one.tokenSha256 && <Id text={one.tokenSha256} />}</td>
            {mayKick && (
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
              <Id text={token.sha256} />
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
              <td class={key === 'userAgent' ? 'text long' : 'text'} key={key}>
                <bdi>{row[key]}</bdi>
              </td>
            ))}
            <td class="date">{row.onlineDate}</td>
          </tr>
        ))}
      </Table>
      {isNumbered(user.userId) && (
        <p>
          <a href={href('connections', '', all)}>{texts.text('allRecords')}</a>
        </p>
      )}
    </section>
  );
}

/** What became of an order that was given here. */
function result(texts: Texts, order: Order): string {
  if (order.users === 0) return texts.text('kickedNobody');
  return stage(order) === 'done' ? texts.text('kickedDone', { connections: order.connections }) : texts.text('kickedGoesOn');
}

/** The good tokens that a question is about. */
function tokensOf({ live, tokens }: User, question: Question): string[] {
  if (question.kind === 'token') return [question.sha256];
  const on = (connID: string) => live.find((one) => one.connID === connID)?.tokenSha256;
  return tokens
    .filter(({ state }) => state === 'good')
    .filter(({ platformID, sha256 }) => {
      if (question.kind === 'platform') return platformID === question.platformID;
      return question.kind === 'connection' ? sha256 === on(question.connID) : true;
    })
    .map(({ sha256 }) => sha256);
}

interface AskedProps {
  user: User;
  question: Question;
  onClose: () => void;
  onDone: () => void;
}

function Asked({ user, question, onClose, onDone }: AskedProps) {
  const texts = useTexts();
  const { client, me, say } = useApp();
  const id = user.userId;
  const [reason, setReason] = useState('');
  const [deny, setDeny] = useState({ deny: '1', denyUnit: 'hours' as keyof typeof UNITS });
  const draft = { ...EMPTY, userIds: '1', reason, ...(question.kind === 'deny' ? deny : {}) };
  const wrong = problem(draft) ?? (question.kind === 'deny' && deny.deny.trim() === '' ? 'denyRange' : undefined);

  const order = async (more: Pick<OrderRequest, 'select' | 'scope'> & { denySeconds?: number }) => {
    const given = await client.carryOut({ ...more, ...(reason.trim() === '' ? {} : { reason: reason.trim() }) });
    say(result(texts, given));
  };
  const revoke = async () => {
    const tokens = tokensOf(user, question);
    if (tokens.length === 0) return say(texts.text('kickedNobody'));
    const { connections, unknown } = await client.revoke(id, tokens);
    if (unknown.length > 0) say(texts.text('revokedUnknown'), true);
    else say(texts.text('revokedDone', { connections }));
  };
  const byTokens = question.kind === 'token' || (question.kind !== 'unlock' && !isNumbered(id));
  const give = async () => {
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
      case 'unlock': {
        const { unlocked } = await client.unlock(id);
        say(texts.text(unlocked ? 'unlocked' : 'nothingToUnlock'));
      }
    }
  };
  const act = async () => {
    await (byTokens ? revoke() : give());
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
  const hasReason = question.kind !== 'unlock' && !byTokens;
  return (
    <Confirm title={texts.text(title, { platform })} act={texts.text(word)} ready={wrong === undefined} onAct={act} onClose={onClose}>
      <p>{texts.text(text, { user: id, platform })}</p>
      {id === me.userId && question.kind !== 'unlock' && <p class="banner bad">{texts.text('selfNamed')}</p>}
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
