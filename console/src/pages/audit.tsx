import type { AuditRow } from '../api/types';
import { useApp } from '../app-context';
import { type Texts, useTexts } from '../i18n';
import { Field, Listed } from '../parts/listed';
import { Table } from '../parts/table';
import { platformName } from '../platforms';
import { href } from '../route';

const OPERATIONS = [
  ...['forceOff', 'forceOffDryRun', 'off', 'forceLogout', 'tokensRevoke', 'tenantOff', 'userUnlock', 'tenantUnlock', 'recordsImport'],
  ...['populationImport', 'reshard'],
];

/** The other parameters of the list. */
const FIELDS = ['by', 'userId', 'from', 'to'] as const;

/** What an order names, in one line. */
function named(texts: Texts, selection: AuditRow['selection']): string {
  const [ids, hashes] = [selection.ids ?? [], selection.sha256 ?? []];
  const more = (total: number | null | undefined, shown: number) => (total != null && total > shown ? `(+${String(total - shown)})` : undefined);
  const parts = [
    ...[selection.scope == null ? undefined : texts.word('scope_', `${selection.scope}Short`), ...(selection.select ?? []).map((one) => `${one};`)],
    ...[selection.receivers, ...ids, more(selection.idsTotal, ids.length), selection.userId],
    ...[selection.platformID == null ? undefined : platformName(selection.platformID), selection.connID],
    ...[...hashes.map((hash) => `${hash.slice(0, 8)}…`), more(selection.sha256Total, hashes.length), selection.shards],
    selection.denySeconds == null ? undefined : texts.text('deniedFor', { seconds: selection.denySeconds }),
  ];
  return parts.filter((part) => part != null).join(' ');
}

export function AuditPage({ query }: { query: URLSearchParams }) {
  const texts = useTexts();
  const { client, offers } = useApp();
  return (
    <Listed
      query={query}
      load={(sent, signal) => client.audit(sent, signal)}
      toHref={(next) => href('audit', '', next)}
      form={{
        names: ['operation', ...FIELDS],
        fields: (draft, change) => (
          <>
            <label>
              {texts.text('operation')}{' '}
              <select value={draft['operation'] ?? ''} onChange={(event) => change('operation', event.currentTarget.value)}>
                <option value="">{texts.text('anyOperation')}</option>
                {OPERATIONS.map((operation) => (
                  <option key={operation} value={operation}>
                    {texts.word('op_', operation)}
                  </option>
                ))}
              </select>
            </label>
            {FIELDS.map((name) => (
              <Field
                key={name}
                label={texts.text(name)}
                hint={name === 'from' || name === 'to' ? texts.text('dateHint') : undefined}
                value={draft[name] ?? ''}
                onInput={(value) => change(name, value)}
              />
            ))}
          </>
        ),
      }}
      table={(rows) => (
        <Table
          name={texts.text('audit')}
          columns={10}
          empty={rows.length === 0}
          heads={
            <>
              <th scope="col">{texts.text('when')}</th>
              <th scope="col">{texts.text('operation')}</th>
              <th scope="col">{texts.text('by')}</th>
              <th scope="col">{texts.text('fromAddress')}</th>
              <th scope="col">{texts.text('selection')}</th>
              <th scope="col">{texts.text('reason')}</th>
              <th scope="col" class="number">{texts.text('users')}</th>
              <th scope="col" class="number">{texts.text('connections')}</th>
              <th scope="col">{texts.text('state')}</th>
              <th scope="col">{texts.text('order')}</th>
            </>
          }
        >
          {rows.map((row) => (
            <tr key={row.id}>
              <td class="date">{row.at}</td>
              <td class="word">{texts.word('op_', row.operation)}</td>
              <td class="text" title={row.by.tokenSha256}>
                <bdi>{row.by.userId}</bdi>
              </td>
              <td class="text">
                <bdi>{row.remoteAddress}</bdi>
              </td>
              <td class="text long">
                <bdi>{named(texts, row.selection)}</bdi>
              </td>
              <td class="text long">
                <bdi>{row.selection.reason}</bdi>
              </td>
              <td class="number">{row.users == null ? '' : texts.number(row.users)}</td>
              <td class="number">{row.connections == null ? '' : texts.number(row.connections)}</td>
              <td class="word">{texts.word('progress_', row.progress)}</td>
              <td class="word">
                {offers.orders && row.operation === 'forceOff' && (
                  <a href={href('order', row.id)} aria-label={texts.text('orderOf', { at: row.at, by: row.by.userId })}>
                    {texts.text('order')}
                  </a>
                )}
              </td>
            </tr>
          ))}
        </Table>
      )}
    />
  );
}
