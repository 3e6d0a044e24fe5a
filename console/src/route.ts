// The address behind `#`. Questions about people stand there, since that part is never sent and so in no log.

export type PageName = 'overview' | 'connections' | 'user' | 'orders' | 'compose' | 'order' | 'audit' | 'unknown';

export interface Route {
  page: PageName;
  /** The user or the order. */
  id: string;
  query: URLSearchParams;
}

/** The route of a fragment. */
export function parse(hash: string): Route {
  const [path = '', search = ''] = split(hash.replace(/^#?\/?/, ''));
  const [first = '', ...rest] = path.split('/');
  const id = decoded(rest.join('/'));
  return { page: pageOf(first, id), id: first === 'orders' && id === 'new' ? '' : id, query: new URLSearchParams(search) };
}

function pageOf(first: string, id: string): PageName {
  switch (first) {
    case '':
      return 'overview';
    case 'connections':
    case 'audit':
      return id === '' ? first : 'unknown';
    case 'users':
      return id === '' ? 'unknown' : 'user';
    case 'orders':
      if (id === '') return 'orders';
      return id === 'new' ? 'compose' : 'order';
    default:
      return 'unknown';
  }
}

/** The fragment of a page. */
export function href(page: Exclude<PageName, 'unknown'>, id = '', query?: URLSearchParams): string {
  const paths = {
    overview: '',
    connections: 'connections',
    user: `users/${encodeURIComponent(id)}`,
    orders: 'orders',
    compose: 'orders/new',
    order: `orders/${encodeURIComponent(id)}`,
    audit: 'audit',
  };
  const search = query?.toString() ?? '';
  return `#/${paths[page]}${search && `?${search}`}`;
}

function split(text: string): string[] {
  const at = text.indexOf('?');
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
