// The form of an order, its request, and its place in an address.

import type { OrderRequest, Scope, Selection } from './api/types';
import { type Condition, append, forOrder, ofQuery } from './filters';

export interface Draft {
  conditions: Condition[];
  userIds: string;
  connIds: string;
  deviceIds: string;
  platforms: number[];
  scope: Scope;
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
const REASON = 500;
/** The most ids of each kind. */
const MOST = { userIds: 10_000, connIds: 1_000, deviceIds: 1_000 };
const LISTS = ['userIds', 'connIds', 'deviceIds'] as const;

export const EMPTY: Draft = {
  conditions: [],
  userIds: '',
  connIds: '',
  deviceIds: '',
  platforms: [],
  scope: 'user',
  reason: '',
  deny: '',
  denyUnit: 'hours',
};

/** Ids between commas or on lines of their own. */
export const ids = (text: string): string[] => [...new Set(text.split(/[\n,]/).map((one) => one.trim()).filter(Boolean))];

/** Whether orders can name a user: by a number of 64 bits in its plain form. Users with other ids have no records, and are in no selection. */
export const isNumbered = (userId: string): boolean =>
  /^(0|-?[1-9]\d{0,18})$/.test(userId) && BigInt.asIntN(64, BigInt(userId)) === BigInt(userId);

/** The request of a form, without dry run and receipt: the receipt is bound to it. */
export function request(draft: Draft): OrderRequest {
  const select: Selection = {};
  if (draft.conditions.length > 0) select.filters = draft.conditions.map(forOrder);
  for (const name of LISTS) {
    const list = ids(draft[name]);
    if (list.length > 0) select[name] = list;
  }
  if (draft.platforms.length > 0) select.platforms = [...draft.platforms].sort((a, b) => a - b);
  const order: OrderRequest = { select, scope: draft.scope };
  if (draft.reason.trim() !== '') order.reason = draft.reason.trim();
  const seconds = denySeconds(draft);
  if (seconds !== undefined) order.denySeconds = seconds;
  return order;
}

function denySeconds({ deny, denyUnit }: Draft): number | undefined {
  return deny.trim() === '' ? undefined : Math.round(Number(deny) * UNITS[denyUnit]);
}

export type Problem = 'emptySelection' | 'userIdForm' | 'connIdForm' | 'tooManyIds' | 'denyRange' | 'reasonLong';

/** What a server would refuse. */
export function problem(draft: Draft): Problem | undefined {
  const { select, reason } = request(draft);
  if (Object.keys(select).length === 0) return 'emptySelection';
  if (select.userIds?.some((one) => !isNumbered(one))) return 'userIdForm';
  if (select.connIds?.some((one) => !/^[0-9a-f]{32}$/.test(one))) return 'connIdForm';
  if (LISTS.some((name) => (select[name]?.length ?? 0) > MOST[name])) return 'tooManyIds';
  const seconds = denySeconds(draft);
  const fits = seconds === undefined || (Number.isFinite(seconds) && seconds >= 1 && seconds <= LONGEST);
  if (!fits) return 'denyRange';
  return new TextEncoder().encode(reason ?? '').length > REASON ? 'reasonLong' : undefined;
}

/** A form as an address, for pages that begin an order. */
export function toQuery(draft: Partial<Draft>): URLSearchParams {
  const query = new URLSearchParams();
  append(query, draft.conditions ?? []);
  for (const name of LISTS) if (draft[name]) query.set(name, draft[name]);
  if (draft.scope === 'connection') query.set('scope', draft.scope);
  if (draft.platforms?.length) query.set('platforms', draft.platforms.join());
  return query;
}

export function fromQuery(query: URLSearchParams): Draft {
  return {
    ...EMPTY,
    conditions: ofQuery(query),
    userIds: query.get('userIds') ?? '',
    connIds: query.get('connIds') ?? '',
    deviceIds: query.get('deviceIds') ?? '',
    platforms: ids(query.get('platforms') ?? '').map(Number).filter((one) => Number.isInteger(one) && one >= 1 && one <= 11),
    scope: query.get('scope') === 'connection' ? 'connection' : 'user',
  };
}
