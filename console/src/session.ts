// The token: kept in the storage of this tab, and nowhere else.

/** What the tab keeps. */
export interface Session {
  token: string;
  /** Whether it came by a link, and so is this page's own to revoke. */
  byLink: boolean;
  /** The tenant to ask about, for callers above tenants. */
  tenant?: string;
}

const KEY = 'rollcall.session';
/** How the fragment of a link begins. */
const LINK = '#token=';

type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

export function read(store: Store): Session | undefined {
  try {
    const found: unknown = JSON.parse(store.getItem(KEY) ?? 'null');
    const is = typeof found === 'object' && found !== null && 'token' in found && typeof found.token === 'string';
    return is ? (found as Session) : undefined;
  } catch {
    return undefined;
  }
}

export function write(store: Store, session: Session | undefined): void {
  if (session) store.setItem(KEY, JSON.stringify(session));
  else store.removeItem(KEY);
}

/** The token of a link's fragment. The caller takes it out of the address at once. */
export function ofFragment(hash: string): string | undefined {
  if (!hash.startsWith(LINK)) return undefined;
  const text = hash.slice(LINK.length);
  try {
    return decodeURIComponent(text) || undefined;
  } catch {
    return text;
  }
}

/** Whether a text is a tenant's number, which has 64 bits with its sign. */
export const isTenant = (text: string): boolean => /^\d{1,19}$/.test(text) && BigInt(text) <= 9_223_372_036_854_775_807n;

/** Whether a token can stand in a header. */
export const isSendable = (token: string): boolean => /^[\x21-\x7e]+$/.test(token);
