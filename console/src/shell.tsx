// What surrounds every page of a signed-in reader.

import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';

import type { Client } from './api/client';
import type { Me } from './api/types';
import { type App, AppContext, useApp } from './app-context';
import { type Key, type Language, useTexts } from './i18n';
import { offers } from './offers';
import { AuditPage } from './pages/audit';
import { ComposePage } from './pages/compose';
import { ConnectionsPage } from './pages/connections';
import { OrderPage } from './pages/order';
import { OrdersPage } from './pages/orders';
import { OverviewPage } from './pages/overview';
import { UserPage } from './pages/user';
import { LanguageChoice } from './parts/language';
import { type PageName, type Route, href } from './route';
import { isTenant } from './session';
import { useHistory } from './use-history';

interface Props {
  client: Client;
  me: Me;
  route: Route;
  /** What the reader has to know whatever the page. */
  warning: string | undefined;
  onLanguage: (language: Language) => void;
  /** An empty text is the token's own tenant. */
  onTenant: (tenant: string) => void;
  onSignOut: () => Promise<void>;
}

/** How long something that was said stays, in milliseconds. */
const SAID = 12_000;

export function Shell({ client, me, route, warning, onLanguage, onTenant, onSignOut }: Props) {
  const texts = useTexts();
  const offered = useMemo(() => offers(me), [me]);
  const history = useHistory(client, offered.summary);
  const [said, setSaid] = useState<{ text: string; bad: boolean }>();
  const say = useCallback((text: string, bad = false) => setSaid({ text, bad }), []);
  useEffect(() => {
    if (warning !== undefined) say(warning, true);
  }, [warning, say]);
  useEffect(() => {
    if (!said || said.bad) return;
    const timer = setTimeout(() => setSaid(undefined), SAID);
    return () => clearTimeout(timer);
  }, [said]);
  const app: App = useMemo(() => ({ client, me, offers: offered, history, say }), [client, me, offered, history, say]);
  const title = titleOf(route, texts.text);
  useEffect(() => {
    document.title = `${title} · ${texts.text('title')}`;
  }, [title, texts]);

  // A new page is read from its heading.
  const heading = useRef<HTMLHeadingElement>(null);
  const place = `${route.page} ${route.id}`;
  const first = useRef(place);
  useEffect(() => {
    if (first.current === place) return;
    first.current = place;
    heading.current?.focus();
    scrollTo(0, 0);
  }, [place]);

  const pages: [PageName & ('overview' | 'connections' | 'orders' | 'audit'), boolean][] = [
    ['overview', me.rights.read],
    ['connections', me.rights.read],
    ['orders', offered.orders],
    ['audit', offered.audit],
  ];
  const here: Partial<Record<PageName, string>> = { user: 'connections', compose: 'orders', order: 'orders' };
  return (
    <AppContext.Provider value={app}>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), heading.current?.focus())}>
        {texts.text('skip')}
      </a>
      <header>
        <div class="row">
          <strong class="brand">Rollcall</strong>
          <nav aria-label={texts.text('navigation')} class="row">
            {pages
              .filter(([, allowed]) => allowed)
              .map(([page]) => (
                <a key={page} href={href(page)} aria-current={(here[route.page] ?? route.page) === page ? 'page' : undefined}>
                  {texts.text(page)}
                </a>
              ))}
            <a href="../docs/">{texts.text('reference')}</a>
          </nav>
        </div>
        <div class="row">
          {me.anyTenant && <TenantChoice tenant={me.tenantId} onTenant={onTenant} />}
          <span class="quiet">{texts.text('signedInAs', { name: me.name, tenant: me.tenantId })}</span>
          <LanguageChoice onChange={onLanguage} />
          <button type="button" onClick={() => void onSignOut()}>
            {texts.text('signOut')}
          </button>
        </div>
      </header>
      <main id="main">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        <div role="status" class="said">
          {said && (
            <p class={said.bad ? 'banner bad' : 'banner good'}>
              {said.text}{' '}
              <button type="button" aria-label={texts.text('close')} onClick={() => setSaid(undefined)}>
                <span aria-hidden="true">✕</span>
              </button>
            </p>
          )}
        </div>
        <Page route={route} key={place} />
      </main>
      <footer class="quiet">
        Rollcall {me.version} · {texts.text('zone', { zone: me.timeZone })}
      </footer>
    </AppContext.Provider>
  );
}

function Page({ route }: { route: Route }) {
  const texts = useTexts();
  const { me, offers } = useApp();
  const { read, administer } = me.rights;
  const allowed: Record<PageName, boolean> = {
    overview: read,
    connections: read,
    user: read,
    orders: offers.orders,
    order: offers.orders,
    compose: offers.order,
    audit: offers.audit,
    unknown: true,
  };
  if (!read && !administer) {
    return (
      <p>
        {texts.text('noRights')} {texts.text('noRightsText')}
      </p>
    );
  }
  if (!allowed[route.page]) return <p class="banner bad">{texts.text('notAllowed')}</p>;
  switch (route.page) {
    case 'overview':
      return <OverviewPage />;
    case 'connections':
      return <ConnectionsPage query={route.query} />;
    case 'user':
      return <UserPage id={route.id} />;
    case 'orders':
      return <OrdersPage query={route.query} />;
    case 'order':
      return <OrderPage id={route.id} />;
    case 'compose':
      return <ComposePage key={route.query.toString()} query={route.query} />;
    case 'audit':
      return <AuditPage query={route.query} />;
    default:
      return <p>{texts.text('unknownPageText')}</p>;
  }
}

function titleOf(route: Route, text: (key: Key, values?: Record<string, string>) => string): string {
  switch (route.page) {
    case 'user':
      return text('userNamed', { id: route.id });
    case 'order':
      return text('orderNamed', { id: route.id });
    case 'compose':
      return text('newOrder');
    case 'unknown':
      return text('unknownPage');
    default:
      return text(route.page);
  }
}

function TenantChoice({ tenant, onTenant }: { tenant: string; onTenant: (tenant: string) => void }) {
  const texts = useTexts();
  const [named, setNamed] = useState(tenant);
  const submit = (event: Event) => {
    event.preventDefault();
    onTenant(named.trim());
  };
  return (
    <form class="row" onSubmit={submit}>
      <label>
        {texts.text('changeTenant')}{' '}
        <input
          class="short"
          value={named}
          inputMode="numeric"
          autocomplete="off"
          onInput={({ currentTarget }) => {
            const text = currentTarget.value.trim();
            // The browser says it, and sends no form until it is mended.
            currentTarget.setCustomValidity(text === '' || isTenant(text) ? '' : texts.text('tenantForm'));
            setNamed(currentTarget.value);
          }}
        />
      </label>
      <button type="submit">{texts.text('change')}</button>
    </form>
  );
}
