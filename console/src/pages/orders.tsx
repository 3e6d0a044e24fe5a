import { useApp } from '../app-context';
import { useTexts } from '../i18n';
import { Listed } from '../parts/listed';
import { StageTag } from '../parts/stage-tag';
import { Table } from '../parts/table';
import { href } from '../route';

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
        load={(sent, signal) => client.orders(sent, signal)}
        toHref={(next) => href('orders', '', next)}
        table={(rows) => (
          <Table
            name={texts.text('orders')}
            columns={7}
            empty={rows.length === 0}
            heads={
              <>
                <th scope="col">{texts.text('given')}</th>
                <th scope="col">{texts.text('state')}</th>
                <th scope="col">{texts.text('by')}</th>
                <th scope="col">{texts.text('reason')}</th>
                <th scope="col" class="number">{texts.text('users')}</th>
                <th scope="col" class="number">{texts.text('reached')}</th>
                <th scope="col" class="number">{texts.text('matched')}</th>
              </>
            }
          >
            {rows.map((order) => (
              <tr key={order.id}>
                <td class="date">
                  <a href={href('order', order.id)} aria-label={texts.text('orderOf', { at: order.at, by: order.by })}>
                    {order.at}
                  </a>
                </td>
                <td>
                  <StageTag order={order} />
                </td>
                <td class="text">
                  <bdi>{order.by}</bdi>
                </td>
                <td class="text long">
                  <bdi>{order.reason}</bdi>
                </td>
                <td class="number">{texts.number(order.users)}</td>
                <td class="number">{texts.number(order.reached)}</td>
                <td class="number">{texts.number(order.connections)}</td>
              </tr>
            ))}
          </Table>
        )}
      />
    </>
  );
}
