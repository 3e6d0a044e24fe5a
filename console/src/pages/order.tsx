import type { ComponentChildren } from 'preact';
import { useRef, useState } from 'preact/hooks';

import { Refused, isPassing } from '../api/client';
import type { Order } from '../api/types';
import { useApp } from '../app-context';
import { useTexts } from '../i18n';
import { StageTag } from '../parts/stage-tag';
import { Freshness } from '../parts/status';
import { every, stage } from '../progress';
import { href } from '../route';
import { useLive } from '../use-live';

export function OrderPage({ id }: { id: string }) {
  const texts = useTexts();
  const { client, offers } = useApp();
  const [seconds, setSeconds] = useState(every(0));
  /** What was seen of its progress last, and since when. */
  const seen = useRef({ progress: '', since: 0 });
  const load = async (signal: AbortSignal) => {
    try {
      const order = await client.order(id, signal);
      const progress = `${order.state} ${order.reached}`;
      if (seen.current.progress !== progress) seen.current = { progress, since: Date.now() };
      // What is done stays so.
      setSeconds(stage(order) === 'done' ? 0 : every(Date.now() - seen.current.since));
      return order;
    } catch (error) {
      if (error instanceof Refused && !isPassing(error)) setSeconds(0);
      throw error;
    }
  };
  const live = useLive(load, id, seconds);
  const order = live.data;
  const watchOn = () => {
    seen.current = { progress: '', since: 0 };
    setSeconds(every(0));
    live.reload();
  };
  return (
    <>
      <Freshness live={live} />
      {order && (
        <>
          <p role="status">
            <StageTag order={order} /> {texts.text(`state_${stage(order)}Text`)}
          </p>
          <label class="block">
            {texts.text('progress', { done: order.reached, all: order.users })}
            <progress max={Math.max(1, order.users)} value={order.users === 0 ? 1 : order.reached} />
          </label>
          {seconds === 0 && stage(order) !== 'done' && (
            <p class="banner">
              {texts.text('watchEnded')}{' '}
              <button type="button" onClick={watchOn}>
                {texts.text('watchOn')}
              </button>
            </p>
          )}
          <dl class="facts">
            <Fact name={texts.text('given')}>{order.at}</Fact>
            <Fact name={texts.text('by')}>
              <a href={href('user', order.by)}>
                <bdi>{order.by}</bdi>
              </a>
            </Fact>
            <Fact name={texts.text('tenant')}>{order.tenantId}</Fact>
            <Fact name={texts.text('scope')}>{texts.word('scope_', order.scope)}</Fact>
            {order.reason != null && (
              <Fact name={texts.text('reason')}>
                <bdi class="text">{order.reason}</bdi>
              </Fact>
            )}
            {order.denyUntil !== undefined && <Fact name={texts.text('denyUntil')}>{order.denyUntil}</Fact>}
            <Fact name={texts.text('users')}>{texts.number(order.users)}</Fact>
            <Fact name={texts.text('matched')}>{texts.number(order.connections)}</Fact>
            <Fact name={texts.text('reached')}>{texts.number(order.reached)}</Fact>
            {offers.audit && (
              <Fact name={texts.text('audit')}>
                <a href={href('audit', '', new URLSearchParams({ operation: 'forceOff', from: order.at, to: order.at }))}>
                  {texts.text('auditOfOrder')}
                </a>
              </Fact>
            )}
          </dl>
          {order.unreached && order.unreached.length > 0 && <Unreached order={order} unreached={order.unreached} />}
        </>
      )}
    </>
  );
}

function Unreached({ order, unreached }: { order: Order; unreached: string[] }) {
  const texts = useTexts();
  const more = order.users - order.reached - unreached.length;
  return (
    <section>
      <h2>{texts.text('unreached')}</h2>
      <p class="quiet">{texts.text('unreachedText')}</p>
      <ul class="users">
        {unreached.map((user) => (
          <li key={user}>
            <a href={href('user', user)}>{user}</a>
          </li>
        ))}
        {more > 0 && <li>{texts.text('andMore', { count: more })}</li>}
      </ul>
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
