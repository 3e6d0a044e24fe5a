import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

import { useApp } from '../app-context';
import { useTexts } from '../i18n';
import { SelectText } from '../parts/select-text';
import { Freshness } from '../parts/status';
import { Table } from '../parts/table';
import { href } from '../route';
import { useLive } from '../use-live';

export function OrderPage({ id }: { id: string }) {
  const texts = useTexts();
  const { client } = useApp();
  const [isDone, setDone] = useState(false);
  const load = async (signal: AbortSignal) => {
    const order = await client.order(id, signal);
    if (order.state === 'done') setDone(true);
    return order;
  };
  // What is done stays so.
  const live = useLive(load, isDone ? 'done' : 'under way', isDone ? 0 : 1, id);
  const order = live.data;
  return (
    <>
      <Freshness live={live} />
      {order && (
        <>
          <p>
            <span class={order.state === 'done' ? 'tag good' : 'tag'}>{texts.word('state_', order.state)}</span>{' '}
            {texts.text(`state_${order.state}Text`)}
          </p>
          <label class="block">
            {texts.text('progress', { done: order.delivered.users, all: order.users })}
            <progress max={Math.max(1, order.users)} value={order.users === 0 ? 1 : order.delivered.users} />
          </label>
          <dl class="facts">
            <Fact name={texts.text('given')}>{order.at}</Fact>
            {order.doneAt !== undefined && <Fact name={texts.text('doneAt')}>{order.doneAt}</Fact>}
            <Fact name={texts.text('by')}>
              <bdi>{order.by.name}</bdi> ({order.by.userId})
            </Fact>
            <Fact name={texts.text('fromAddress')}>{order.remoteAddress}</Fact>
            <Fact name={texts.text('selection')}>
              <SelectText select={order.select} />
            </Fact>
            <Fact name={texts.text('scope')}>{texts.text(`scope_${order.scope}`)}</Fact>
            {order.reason !== undefined && (
              <Fact name={texts.text('reason')}>
                <bdi class="text">{order.reason}</bdi>
              </Fact>
            )}
            {order.denyUntil !== undefined && <Fact name={texts.text('denyUntil')}>{order.denyUntil}</Fact>}
            <Fact name={texts.text('users')}>{texts.number(order.users)}</Fact>
            <Fact name={texts.text('connections')}>{texts.number(order.connections)}</Fact>
            <Fact name={texts.text('deliveredConnections')}>{texts.number(order.delivered.connections)}</Fact>
            {order.gone > 0 && <Fact name={texts.text('gone')}>{texts.number(order.gone)}</Fact>}
            <Fact name={texts.text('unreached')}>{texts.number(order.unreachedTotal)}</Fact>
          </dl>
          {order.unreached && order.unreached.length > 0 && (
            <section>
              <h2>{texts.text('unreached')}</h2>
              <p class="quiet">{texts.text('unreachedText')}</p>
              <Table
                name={texts.text('unreached')}
                columns={2}
                heads={
                  <>
                    <th scope="col">{texts.text('userId')}</th>
                    <th scope="col">{texts.text('reason')}</th>
                  </>
                }
              >
                {order.unreached.map((one) => (
                  <tr key={one.userId}>
                    <td>
                      <a href={href('user', one.userId)}>{one.userId}</a>
                    </td>
                    <td class="text">{one.error}</td>
                  </tr>
                ))}
              </Table>
            </section>
          )}
        </>
      )}
    </>
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
