// The form of an order, its request, and its place in an address.

import type { OrderRequest, Selection } from './api/types';
import { type Condition, append, forOrder, ofQuery } from './filters';

export interface Draft {
  conditions: Condition[];
  userIds: string;
  connIds: string;
  deviceIds: string;
  platforms: number[];
  /** Records that are online, ended ones, or both. */
  online: '' | 'true' | 'false';
  scope: 'user' | 'connection';
  reason: string;
  /** How long the users stay out, in units. */
  deny: string;
  denyUnit: keyof typeof UNITS;
}

/** Seconds of each unit. */
export const UNITS = { minutes: 60, hours: 3_600, days: 86_400 };
/** The longest deny window, in seconds. */
export const LONGEST = 365 * 86_400;
/** The longest reason, in bytes. */
const REASON = 256;
/** The most ids of a kind. */
const IDS = 10_000;

export const EMPTY: Draft = {
  conditions: [],
  userIds: '',
  connIds: '',
  deviceIds: '',
  platforms: [],
  online: '',
  scope: 'user',
  reason: '',
  deny: '',
  denyUnit: 'hours',
};

/** Ids between commas or on lines of their own. */
export const ids = (text: string): string[] => [...new Set(text.split(/[\n,]/).map((one) => one.trim()).filter(Boolean))];

/** The request of a form, without dry run and receipt: the receipt is bound to it. */
export function request(draft: Draft): OrderRequest {
  const select: Selection = {};
  if (draft.conditions.length > 0) select.filters = draft.conditions.map(forOrder);
  if (draft.online !== '') select.online = draft.online === 'true';
  const lists = { userIds: ids(draft.userIds), connIds: ids(draft.connIds), deviceIds: ids(draft.deviceIds) };
  for (const name of ['userIds', 'connIds', 'deviceIds'] as const) if (lists[name].length > 0) select[name] = lists[name];
  if (draft.platforms.length > 0) select.platforms = [...draft.platforms].sort((a, b) => a - b);
  const order: OrderRequest = { select, scope: draft.scope };
  if (draft.reason.trim() !== '') order.reason = draft.reason.trim();
  const seconds = denySeconds(draft);
  if (draft.scope === 'user' && seconds !== undefined) order.denySeconds = seconds;
  return order;
}

function denySeconds({ deny, denyUnit }: Draft): number | undefined {
  return deny.trim() === '' ? undefined : Math.round(Number(deny) * UNITS[denyUnit]);
}

export type Problem = 'emptySelection' | 'denyRange' | 'reasonLong' | 'tooManyIds';

/** What a server would refuse. */
export function problem(draft: Draft): Problem | undefined {
  const { select, reason } = request(draft);
  if (Object.keys(select).length === 0) return 'emptySelection';
  if ([select.userIds, select.connIds, select.deviceIds].some((list) => (list?.length ?? 0) > IDS)) return 'tooManyIds';
  const seconds = denySeconds(draft);
  const fits = seconds === undefined || (Number.isFinite(seconds) && seconds >= 1 && seconds <= LONGEST);
  if (draft.scope === 'user' && !fits) return 'denyRange';
  return new TextEncoder().encode(reason ?? '').length > REASON ? 'reasonLong' : undefined;
}

/** A form as an address, for pages that begin an order. */
export function toQuery(draft: Partial<Draft>): URLSearchParams {
  const query = new URLSearchParams();
  append(query, draft.conditions ?? []);
  for (const name of ['userIds', 'connIds', 'deviceIds', 'online', 'scope'] as const) {
    if (draft[name]) query.set(name, draft[name]);
  }
  if (draft.platforms?.length) query.set('platforms', draft.platforms.join());
  return query;
}

export function fromQuery(query: URLSearchParams): Draft {
  const online = query.get('online');
  return {
    ...EMPTY,
    conditions: ofQuery(query),
    userIds: query.get('userIds') ?? '',
    connIds: query.get('connIds') ?? '',
    deviceIds: query.get('deviceIds') ?? '',
    platforms: ids(query.get('platforms') ?? '').map(Number).filter((one) => Number.isInteger(one) && one >= 1 && one <= 11),
    online: online === 'true' || online === 'false' ? online : '',
    scope: query.get('scope') === 'connection' ? 'connection' : 'user',
  };
}
