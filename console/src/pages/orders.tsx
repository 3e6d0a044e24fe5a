import { useApp } from '../app-context';
import { useTexts } from '../i18n';
import { Listed, SHARED, SharedFields } from '../parts/listed';
import { SelectText } from '../parts/select-text';
import { Table } from '../parts/table';
import { href } from '../route';

const STATES = ['accepted', 'cutOff', 'done'] as const;

export function OrdersPage({ query }: { query: URLSearchParams }) {
  const texts = useTexts();
  const { client, offers } = useApp();
  return (
    <>
      {offers.order && (
        <p>
          <a class="button main" href={href('compose')}>
            {texts.text('newOrder')}
          </a>
        </p>
      )}
      <Listed
        query={query}
        names={['state', ...SHARED]}
        load={(sent, signal) => client.orders(sent, signal)}
        toHref={(next) => href('orders', '', next)}
        fields={(draft, change) => (
          <>
            <label>
              {texts.text('state')}{' '}
              <select value={draft['state'] ?? ''} onChange={(event) => change('state', event.currentTarget.value)}>
                <option value="">{texts.text('anyStateOfOrder')}</option>
                {STATES.map((state) => (
                  <option key={state} value={state}>
                    {texts.text(`state_${state}`)}
                  </option>
                ))}
              </select>
            </label>
            <SharedFields draft={draft} change={change} />
          </>
        )}
        table={(rows) => (
          <Table
            name={texts.text('orders')}
            columns={8}
            empty={rows.length === 0}
            heads={
              <>
                <th scope="col">{texts.text('order')}</th>
                <th scope="col">{texts.text('given')}</th>
                <th scope="col">{texts.text('state')}</th>
                <th scope="col">{texts.text('by')}</th>
                <th scope="col">{texts.text('selection')}</th>
                <th scope="col">{texts.text('reason')}</th>
                <th scope="col" class="number">{texts.text('users')}</th>
                <th scope="col" class="number">{texts.text('connections')}</th>
              </>
            }
          >
            {rows.map((order) => (
              <tr key={order.id}>
                <td>
                  <a href={href('order', order.id)}>{order.id}</a>
                </td>
                <td class="date">{order.at}</td>
                <td>
                  <span class={order.state === 'done' ? 'tag good' : 'tag'}>{texts.word('state_', order.state)}</span>
                </td>
                <td class="text">
                  <bdi>{order.by.name}</bdi>
                </td>
                <td>
                  <SelectText select={order.select} />
                </td>
                <td class="text">
                  <bdi>{order.reason}</bdi>
                </td>
                <td class="number">{texts.number(order.users)}</td>
                <td class="number">{texts.number(order.connections)}</td>
              </tr>
            ))}
          </Table>
        )}
      />
    </>
  );
}
