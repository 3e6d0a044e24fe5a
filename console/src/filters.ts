// The list's filters: which keys take which operators, and their form in a query string.

export interface Condition {
  key: string;
  op: string;
  value: string;
}

type Kind = 'integer' | 'text' | 'boolean' | 'date';

export const KEYS: Record<string, Kind> = {
  userId: 'integer',
  fullName: 'text',
  deviceId: 'text',
  remoteAddress: 'text',
  online: 'boolean',
  onlineDate: 'date',
  offlineDate: 'date',
};

const EQUALITY = ['EQUAL', 'NOT_EQUAL', 'IN', 'NOT_IN'];
const RANGE = ['GREATER_THAN', 'GREATER_THAN_EQUAL', 'LESS_THAN', 'LESS_THAN_EQUAL'];
const NULLS = ['IS_NULL', 'IS_NOT_NULL'];
const MATCH = ['MATCH', 'MATCH_END'];
const NO_MATCH = ['NOT_MATCH', 'NOT_MATCH_END'];

/** The most filters of one question. */
export const MOST = 20;

/** The operators of a key, the usual one first. */
export function operators(key: string): string[] {
  switch (KEYS[key]) {
    case 'integer':
      return [...EQUALITY, ...RANGE, ...NULLS];
    case 'date':
      return [...RANGE, ...EQUALITY, ...NULLS];
    case 'boolean':
      return [...EQUALITY, ...NULLS];
    default:
      return key === 'deviceId' ? [...EQUALITY, ...NO_MATCH, ...NULLS] : [...MATCH, ...EQUALITY, ...NO_MATCH, ...NULLS];
  }
}

export const takesValue = (op: string): boolean => !NULLS.includes(op);
export const takesList = (op: string): boolean => op === 'IN' || op === 'NOT_IN';

/** What the conditions are of: a list looks at the first of two with the same key and operator, an order at both. */
export type Use = 'list' | 'order';

/** What is wrong with a condition: the key of a text, if anything. */
export function problem(condition: Condition, all: Condition[], use: Use): 'valueNeeded' | 'valueFormat' | 'sameTwice' | undefined {
  const { key, op, value } = condition;
  if (use === 'list' && all.find((one) => one.key === key && one.op === op) !== condition) return 'sameTwice';
  if (!takesValue(op)) return undefined;
  const values = takesList(op) ? members(value) : [unquoted(value)];
  // A list passes everything by a blank value, and an order with one is refused.
  if (values.length === 0 || values.some((one) => one.trim() === '')) return 'valueNeeded';
  return values.every((one) => fits(KEYS[key], one.trim())) ? undefined : 'valueFormat';
}

const unquoted = (text: string) => text.replace(/^"/, '').replace(/"$/, '');

/** The members of a list as servers read them: `a,b`, `[a,b]` or `["a","b"]`. */
function members(text: string): string[] {
  const list = unquoted(text.trim());
  try {
    const read: unknown = JSON.parse(list);
    if (Array.isArray(read) && read.every((one) => typeof one === 'string')) return read;
  } catch {
    // Not quoted.
  }
  const inner = list.replace(/^\[/, '').replace(/\]$/, '');
  return inner === '' ? [] : inner.split(',').map(unquoted);
}

function fits(kind: Kind | undefined, text: string): boolean {
  if (kind === 'integer') return /^[+-]?\d{1,19}$/.test(text);
  if (kind === 'boolean') return /^(true|false|on|off|yes|no|1|0)$/i.test(text);
  if (kind === 'date') return /^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?( ?(Z|[+-]\d\d:?\d\d))?)?$/.test(text);
  return true;
}

/** Adds conditions to a query in the list's own form. */
export function append(query: URLSearchParams, conditions: Condition[]): void {
  conditions.forEach(({ key, op, value }, at) => {
    query.set(`filters[${at}].key`, key);
    query.set(`filters[${at}].op`, op);
    if (takesValue(op)) query.set(`filters[${at}].value`, value);
  });
}

/** The conditions of a query. */
export function ofQuery(query: URLSearchParams): Condition[] {
  const found = new Map<number, Partial<Condition>>();
  for (const [name, value] of query) {
    const form = /^filters\[(\d{1,3})\]\.(key|op|value)$/.exec(name);
    if (form) found.set(Number(form[1]), { ...found.get(Number(form[1])), [form[2] as keyof Condition]: value });
  }
  const inOrder = [...found].sort(([a], [b]) => a - b).map(([, one]) => one);
  return inOrder.flatMap(({ key, op, value = '' }) => {
    // A link may name anything.
    if (!key || !op || !Object.hasOwn(KEYS, key) || !operators(key).includes(op)) return [];
    return [{ key, op, value }];
  });
}

const ONLINE: Condition = { key: 'online', op: 'EQUAL', value: 'true' };

const isOnline = ({ key, op, value }: Condition) => key === ONLINE.key && op === ONLINE.op && value === ONLINE.value;

/** Whether conditions ask for what is online, in the plain way. */
export const onlineOnly = (conditions: Condition[]): boolean => conditions.some(isOnline);

/** The same with that condition, or without it. */
export function toggleOnline(conditions: Condition[]): Condition[] {
  const others = conditions.filter(({ key, op }) => !(key === ONLINE.key && op === ONLINE.op));
  return onlineOnly(conditions) ? others : [...others, ONLINE];
}

/** As a member of an order's selection. */
export function forOrder({ key, op, value }: Condition): { key: string; op: string; value?: string } {
  return takesValue(op) ? { key, op, value } : { key, op };
}
