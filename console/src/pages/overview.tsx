import { useMemo } from 'preact/hooks';

import type { Summary } from '../api/types';
import { useApp } from '../app-context';
import type { Sample } from '../history';
import { useTexts } from '../i18n';
import { Chart } from '../parts/chart';
import { OpenUser } from '../parts/open-user';
import { Freshness } from '../parts/status';
import { Table } from '../parts/table';
import { platformName } from '../platforms';
import { useLive } from '../use-live';

export function OverviewPage() {
  const texts = useTexts();
  const { history, client, offers } = useApp();
  const health = useLive((signal) => client.health(signal), 'health', 5);
  const summary = history.live.data;
  return (
    <>
      <div class="row between">
        <Freshness live={offers.summary ? history.live : health} />
        <OpenUser />
      </div>
      <dl class="cards">
        {summary && <Figures summary={summary} />}
        <Card
          name={texts.text('health')}
          figure={health.data && !health.error ? texts.word('health_', health.data.status) : '–'}
          bad={health.data?.status !== 'ok' || health.error !== undefined}
        />
      </dl>
      {summary && (
        <>
          <Platforms summary={summary} />
          <OverTime samples={history.samples} />
          {summary.nodes && <Nodes nodes={summary.nodes} />}
          {summary.tenants && <Tenants tenants={summary.tenants} />}
        </>
      )}
    </>
  );
}

function Figures({ summary }: { summary: Summary }) {
  const texts = useTexts();
  return (
    <>
      <Card name={texts.text('usersOnline')} figure={texts.number(summary.users)} />
      <Card name={texts.text('connectionsOnline')} figure={texts.number(summary.connections)} />
      {(['connects', 'ends', 'kicks'] as const).map((name) => (
        <Card key={name} name={texts.text(name)} figure={texts.number(summary[name])} more={texts.text('sinceStart', { since: summary.since })} />
      ))}
    </>
  );
}

function Card({ name, figure, more, bad = false }: { name: string; figure: string; more?: string; bad?: boolean }) {
  return (
    <div class={bad ? 'card bad' : 'card'}>
      <dt>{name}</dt>
      <dd>
        <span class="figure">{figure}</span>
        {more && <span class="quiet"> {more}</span>}
      </dd>
    </div>
  );
}

function Platforms({ summary }: { summary: Summary }) {
  const texts = useTexts();
  const rows = summary.platforms.map((one) => ({
    ...one,
    key: `${one.protocol} ${one.platformID}`,
    of: one.platformID === undefined ? texts.word('protocol_', one.protocol) : platformName(one.platformID),
  }));
  return <Counts name={texts.text('byPlatform')} of={texts.text('platform')} rows={rows} />;
}

interface CountsProps {
  name: string;
  /** What a row is about. */
  of: string;
  rows: { key: string; of: string; users: number; connections: number }[];
}

/** How many users and connections there are, row by row, with bars. */
function Counts({ name, of, rows }: CountsProps) {
  const texts = useTexts();
  const most = Math.max(1, ...rows.map((one) => one.connections));
  return (
    <section>
      <h2>{name}</h2>
      <Table
        name={name}
        columns={4}
        empty={rows.length === 0}
        heads={
          <>
            <th scope="col">{of}</th>
            <th scope="col" class="number">{texts.text('users')}</th>
            <th scope="col" class="number">{texts.text('connections')}</th>
            <th scope="col" class="bars">
              <span class="unseen">{texts.text('connections')}</span>
            </th>
          </>
        }
      >
        {rows.map((one) => (
          <tr key={one.key}>
            <th scope="row">{one.of}</th>
            <td class="number">{texts.number(one.users)}</td>
            <td class="number">{texts.number(one.connections)}</td>
            <td class="bars">
              <meter aria-hidden="true" min={0} max={most} value={one.connections} />
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function OverTime({ samples }: { samples: Sample[] }) {
  const texts = useTexts();
  const { times, online, events } = useMemo(() => {
    const rate = (name: 'connects' | 'ends' | 'kicks') =>
      samples.map((one, at) => {
        const before = samples[at - 1];
        const more = one[name];
        return before && more !== null ? more / Math.max(0.001, one.at - before.at) : null;
      });
    return {
      times: samples.map((one) => one.at),
      online: [
        { name: texts.text('connections'), values: samples.map((one) => one.connections) },
        { name: texts.text('users'), values: samples.map((one) => one.users) },
      ],
      events: (['connects', 'ends', 'kicks'] as const).map((name) => ({ name: texts.text(name), values: rate(name) })),
    };
  }, [samples, texts]);
  return (
    <section>
      <h2>{texts.text('overTime')}</h2>
      <div class="charts">
        <Chart name={texts.text('onlineOverTime')} times={times} lines={online} />
        <Chart name={texts.text('eventsOverTime')} times={times} lines={events} />
      </div>
    </section>
  );
}

function Nodes({ nodes }: { nodes: NonNullable<Summary['nodes']> }) {
  const texts = useTexts();
  const name = texts.text('nodes');
  return (
    <section>
      <h2>{name}</h2>
      <Table
        name={name}
        columns={4}
        heads={
          <>
            <th scope="col">{texts.text('node')}</th>
            <th scope="col">{texts.text('state')}</th>
            <th scope="col" class="number">{texts.text('connections')}</th>
            <th scope="col">{texts.text('seen')}</th>
          </>
        }
      >
        {nodes.map((node) => (
          <tr key={node.name}>
            <th scope="row">{node.name}</th>
            <td>
              <span class={node.state === 'serving' ? 'tag good' : 'tag bad'}>{texts.word('node_', node.state)}</span>
            </td>
            <td class="number">{texts.number(node.connections)}</td>
            <td>{node.seenAt}</td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function Tenants({ tenants }: { tenants: NonNullable<Summary['tenants']> }) {
  const texts = useTexts();
  const rows = tenants.map((one) => ({ ...one, key: one.tenantId, of: one.tenantId }));
  return <Counts name={texts.text('tenants')} of={texts.text('tenant')} rows={rows} />;
}
