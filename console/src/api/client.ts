// Requests to the server that the page came from.

import type {
  AuditRow,
  DryRun,
  Health,
  Me,
  Order,
  OrderRequest,
  Page,
  Revoked,
  Row,
  Slice,
  Summary,
  Unlocked,
  User,
} from './types';

/** How long an answer may take, in milliseconds. */
const ANSWER = 30_000;
/** How soon, and how late at most, a question is asked again that could not be answered, in milliseconds. */
const PAUSE = 2_000;
const LONGEST_PAUSE = 60_000;

/** The server refused. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    /** The envelope's `ext.eKey`. */
    readonly key: string,
    message: string,
    readonly requestId: string | null,
    /** `Retry-After` in milliseconds; 0 where there is none. */
    readonly after = 0,
  ) {
    super(message);
  }
}

/** No answer came, or none that can be read. */
export class Unreachable extends Error {}

/** Whether the same question may have another answer in a moment. */
export const isPassing = (error: unknown): boolean =>
  error instanceof Unreachable || (error instanceof Refused && (error.status === 429 || error.status >= 500));

/** How long to wait before it is asked again, in milliseconds. */
export const pause = (error: unknown): number =>
  Math.min(LONGEST_PAUSE, Math.max(PAUSE, error instanceof Refused ? error.after : 0));

type Query = URLSearchParams | Record<string, string>;

export class Client {
  constructor(
    /** Where `/admin` and `/api` begin; the page may be served below a path of a proxy. */
    private readonly root: URL,
    private readonly token: string,
    /** The tenant to ask about, for callers above tenants. */
    private readonly tenant: string | undefined,
    /** Called when the token is no longer good. */
    private readonly onRefusedToken: () => void = () => {},
  ) {}

  me = () => this.send<Me>('GET', 'admin/v1/me');
  summary = (signal?: AbortSignal) => this.send<Summary>('GET', 'admin/v1/summary', { signal });
  user = (id: string, signal?: AbortSignal) => this.send<User>('GET', userPath(id), { signal });
  unlock = (id: string) => this.send<Unlocked>('POST', `${userPath(id)}/unlock`);
  orders = (query: Query, signal?: AbortSignal) =>
    this.send<Slice<Order>>('GET', 'admin/v1/force-offs', { query, signal });
  order = (id: string, signal?: AbortSignal) =>
    this.send<Order>('GET', `admin/v1/force-offs/${encodeURIComponent(id)}`, { signal });
  audit = (query: Query, signal?: AbortSignal) => this.send<Slice<AuditRow>>('GET', 'admin/v1/audit', { query, signal });
  dryRun = (order: OrderRequest) => this.send<DryRun>('POST', 'admin/v1/force-offs', { body: { ...order, dryRun: true } });
  carryOut = (order: OrderRequest, receipt?: string) =>
    this.send<Order>('POST', 'admin/v1/force-offs', { body: receipt === undefined ? order : { ...order, receipt } });

  revoke = (id: string, sha256: string[]) =>
    this.send<Revoked>('POST', `${userPath(id)}/tokens:revoke`, { body: { sha256 } });

  async records(query: Query, signal?: AbortSignal): Promise<Page<Row>> {
    const answer = await this.send<{ data: Page<Row> }>('GET', 'api/v1/message/center/online', { query, signal });
    return answer.data;
  }

  /** The state that the server says it is in; 503 is an answer like another. */
  health = (signal?: AbortSignal) => this.send<Health>('GET', 'health', { signal, fine: [503] });

  private async send<T>(
    method: 'GET' | 'POST',
    path: string,
    more: { query?: Query; body?: unknown; signal?: AbortSignal | undefined; fine?: number[] } = {},
  ): Promise<T> {
    const url = new URL(path, this.root);
    if (more.query) url.search = new URLSearchParams(more.query).toString();
    const headers: Record<string, string> = { authorization: `Bearer ${this.token}` };
    if (this.tenant !== undefined) headers['xc-opt-tenant-id'] = this.tenant;
    if (more.body !== undefined) headers['content-type'] = 'application/json';
    const limit = AbortSignal.timeout(ANSWER);
    let response: Response;
    let answer: unknown;
    try {
      response = await fetch(url, {
        method,
        headers,
        body: more.body === undefined ? null : JSON.stringify(more.body),
        signal: more.signal ? AbortSignal.any([more.signal, limit]) : limit,
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
      });
      answer = await response.json();
    } catch (error) {
      // The page itself gave up.
      if (more.signal?.aborted) throw error;
      throw new Unreachable(String(error));
    }
    if (response.ok || more.fine?.includes(response.status)) return answer as T;
    const { msg, ext } = answer as { msg?: string; ext?: { eKey?: string } };
    // Behind a proxy anything may answer.
    if (typeof msg !== 'string') throw new Unreachable(`HTTP ${response.status}`);
    if (response.status === 401) this.onRefusedToken();
    const after = 1_000 * (Number(response.headers.get('retry-after')) || 0);
    throw new Refused(response.status, ext?.eKey ?? '', msg, response.headers.get('xc-request-id'), after);
  }
}

const userPath = (id: string) => `admin/v1/users/${encodeURIComponent(id)}`;
