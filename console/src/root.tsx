// The language, the session and the route: what is there before anything is asked of the server.

import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';

import { Client, Refused, Unreachable } from './api/client';
import type { Me } from './api/types';
import { Shell } from './shell';
import { LANGUAGES, type Language, Texts, TextsContext, choose, preferred } from './i18n';
import { type Session, ofFragment, read, write } from './session';
import { parse } from './route';
import { SignIn } from './pages/sign-in';
import { explain } from './parts/status';

/** The server's root: the page lies in a folder of it, which a proxy may have moved. */
const ROOT = new URL('../', new URL('./', location.href));

/** Takes a link's token out of the address, before anything else can read it there. */
function takeLink(): Session | undefined {
  const token = ofFragment(location.hash);
  if (token === undefined) return undefined;
  history.replaceState(null, '', `${location.pathname}${location.search}#/`);
  const session = { token, byLink: true };
  write(sessionStorage, session);
  return session;
}

export function Root() {
  const [language, setLanguage] = useState<Language>(() => preferred(localStorage, navigator.languages));
  const texts = useMemo(() => new Texts(language), [language]);
  const [session, setSession] = useState<Session | undefined>(() => takeLink() ?? read(sessionStorage));
  const [me, setMe] = useState<Me>();
  const [notice, setNotice] = useState<string>();
  const [route, setRoute] = useState(() => parse(location.hash));
  const [attempt, setAttempt] = useState(0);

  const leave = useCallback((text?: string) => {
    write(sessionStorage, undefined);
    setSession(undefined);
    setMe(undefined);
    setNotice(text);
  }, []);
  const enter = useCallback((next: Session) => {
    write(sessionStorage, next);
    setMe(undefined);
    setNotice(undefined);
    setSession(next);
  }, []);

  useEffect(() => {
    const change = () => {
      const link = takeLink();
      if (link) enter(link);
      setRoute(parse(location.hash));
    };
    addEventListener('hashchange', change);
    return () => removeEventListener('hashchange', change);
  }, [enter]);

  useEffect(() => {
    document.documentElement.lang = LANGUAGES[language].tag;
    choose(localStorage, language);
  }, [language]);

  const client = useMemo(() => {
    if (!session) return undefined;
    const refused = () => {
      // An answer that comes after the end of its session says nothing about what is shown now.
      if (read(sessionStorage)?.token === session.token) leave(texts.text(me ? 'tokenEnded' : 'tokenRefused'));
    };
    return new Client(ROOT, session.token, session.tenant, refused);
  }, [session, texts, me === undefined, leave]);

  // Who the token's holder is, and what it may do.
  useEffect(() => {
    if (!client || me) return;
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    client.me().then(
      (found) => !gone && setMe(found),
      (error: unknown) => {
        if (gone) return;
        if (error instanceof Unreachable) {
          setNotice(texts.text('awayFirst'));
          timer = setTimeout(() => setAttempt((before) => before + 1), 2_000);
        } else if (!(error instanceof Refused && error.status === 401)) {
          leave(explain(texts, error));
        }
      },
    );
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [client, me, attempt]);

  const signOut = async () => {
    let text = texts.text('signedOut');
    if (session?.byLink && client && me?.token) {
      try {
        await client.revoke(me.userId, [me.token.sha256]);
        text = texts.text('signedOutRevoked');
      } catch {
        text = texts.text('signedOutKept', { until: me.token.expiresAt });
      }
    } else if (session?.byLink) {
      text = texts.text('signedOutUnknown');
    }
    leave(text);
    location.hash = '#/';
  };

  return (
    <TextsContext.Provider value={texts}>
      {client && me && session ? (
        <Shell
          key={me.tenantId}
          client={client}
          me={me}
          route={route}
          onLanguage={setLanguage}
          onTenant={(tenant) => enter({ token: session.token, byLink: session.byLink, ...(tenant === '' ? {} : { tenant }) })}
          onSignOut={signOut}
        />
      ) : (
        <SignIn
          waiting={session !== undefined}
          notice={notice}
          onLanguage={setLanguage}
          onToken={(token) => enter({ token, byLink: false })}
          onCancel={() => leave()}
        />
      )}
    </TextsContext.Provider>
  );
}
