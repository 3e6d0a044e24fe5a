// The language, the session and the route: what is there before anything is asked of the server.

import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';

import { Client, Refused, Unreachable, isPassing, pause } from './api/client';
import type { Me } from './api/types';
import { Shell } from './shell';
import { LANGUAGES, type Language, Texts, TextsContext, choose, preferred } from './i18n';
import { type Ending, revokeLink, told, toldOfEarlier } from './link';
import { type Session, ofFragment, read, write } from './session';
import { parse } from './route';
import { SignIn } from './pages/sign-in';
import { explain } from './parts/status';

/** The server's root: the page lies in a folder of it, which a proxy may have moved. */
const ROOT = new URL('../', new URL('./', location.href));

/** How often the revocation of a token that the tab keeps no more is tried again, every 2 s or as the server says. */
const MORE = 15;

/** Tells the other tabs of a session that ends here; by its token's hash, since other pages of the host may listen. */
const tabs = new BroadcastChannel('rollcall.signed-out');

interface Link {
  session: Session;
  /** The token of a link that this one replaces. */
  replaced: string | undefined;
}

/** Takes a link's token out of the address, before anything else can read it there. */
function takeLink(): Link | undefined {
  const token = ofFragment(location.hash);
  if (token === undefined) return undefined;
  history.replaceState(null, '', `${location.pathname}${location.search}#/`);
  const before = read(sessionStorage);
  const session = { token, byLink: true };
  write(sessionStorage, session);
  return { session, replaced: before?.byLink && before.token !== token ? before.token : undefined };
}

export function Root() {
  const [language, setLanguage] = useState<Language>(() => preferred(localStorage, navigator.languages));
  const texts = useMemo(() => new Texts(language), [language]);
  const [first] = useState(takeLink);
  const [session, setSession] = useState<Session | undefined>(() => first?.session ?? read(sessionStorage));
  const [me, setMe] = useState<Me>();
  const [notice, setNotice] = useState<string>();
  const [warning, setWarning] = useState<string>();
  const [route, setRoute] = useState(() => parse(location.hash));
  const [attempt, setAttempt] = useState(0);

  const leave = useCallback((text?: string) => {
    write(sessionStorage, undefined);
    setSession(undefined);
    setMe(undefined);
    setNotice(text);
    setWarning(undefined);
  }, []);
  const enter = useCallback((next: Session) => {
    write(sessionStorage, next);
    setMe(undefined);
    setNotice(undefined);
    setWarning(undefined);
    setSession(next);
  }, []);

  const warnOfEarlier = (ending: Ending) => {
    const text = toldOfEarlier(texts, ending);
    if (text !== undefined) setWarning(text);
  };
  const revokeReplaced = async ({ replaced }: Link) => {
    if (replaced !== undefined) warnOfEarlier(await revokeLink(ROOT, replaced, undefined, MORE));
  };
  useEffect(() => {
    if (first) void revokeReplaced(first);
  }, []);

  useEffect(() => {
    const change = () => {
      const link = takeLink();
      if (link) {
        enter(link.session);
        void revokeReplaced(link);
      }
      setRoute(parse(location.hash));
    };
    addEventListener('hashchange', change);
    return () => removeEventListener('hashchange', change);
  }, [enter, texts]);

  const hash = me?.token?.sha256;
  useEffect(() => {
    tabs.onmessage = ({ data }) => hash !== undefined && data === hash && leave(texts.text('signedOutElsewhere'));
  }, [hash, leave, texts]);

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
    if (!client || !session || me) return;
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    client.me().then(
      (found) => !gone && setMe(found),
      (error: unknown) => {
        if (gone) return;
        const { token, byLink, tenant } = session;
        const status = error instanceof Refused ? error.status : undefined;
        if (isPassing(error)) {
          setNotice(error instanceof Unreachable ? explain(texts, error) : `${explain(texts, error)} ${texts.text('keepsTrying')}`);
          timer = setTimeout(() => setAttempt((before) => before + 1), pause(error));
        } else if (tenant !== undefined && (status === 400 || status === 403)) {
          // It is the tenant that was refused, not the token.
          enter({ token, byLink });
          setWarning(texts.text('tenantRefused', { tenant, message: (error as Refused).message }));
        } else if (status !== 401) {
          leave(byLink ? `${explain(texts, error)} ${texts.text('linkUnknown')}` : explain(texts, error));
        }
      },
    );
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [client, me, attempt]);

  const signOut = async () => {
    if (hash !== undefined) tabs.postMessage(hash);
    let text = texts.text('signedOut');
    if (session?.byLink) text += ` ${told(texts, await revokeLink(ROOT, session.token, me))}`;
    // Another link may have come meanwhile.
    const now = read(sessionStorage);
    if (now && now.token !== session?.token) return;
    leave(text);
    location.hash = '#/';
  };

  const cancel = async () => {
    leave(session?.byLink ? texts.text('linkRevoking') : undefined);
    if (!session?.byLink) return;
    const ending = await revokeLink(ROOT, session.token, undefined, MORE);
    // Somebody may have signed in meanwhile.
    if (read(sessionStorage)) warnOfEarlier(ending);
    else setNotice(told(texts, ending));
  };

  return (
    <TextsContext.Provider value={texts}>
      {client && me && session ? (
        <Shell
          key={me.tenantId}
          client={client}
          me={me}
          route={route}
          warning={warning}
          onLanguage={setLanguage}
          onTenant={(tenant) => enter({ token: session.token, byLink: session.byLink, ...(tenant === '' ? {} : { tenant }) })}
          onSignOut={signOut}
        />
      ) : (
        <SignIn
          waiting={session !== undefined}
          notice={[notice, warning].filter(Boolean).join(' ') || undefined}
          onLanguage={setLanguage}
          onToken={(token) => enter({ token, byLink: false })}
          onCancel={() => void cancel()}
        />
      )}
    </TextsContext.Provider>
  );
}
