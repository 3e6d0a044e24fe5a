// The list's filters over records in memory.

import { read } from './clock.mjs';
import { Refusal, invalid } from './errors.mjs';

const TYPES = {
  userId: 'integer',
  fullName: 'text',
  deviceId: 'text',
  remoteAddress: 'text',
  online: 'boolean',
  onlineDate: 'date',
  offlineDate: 'date',
};
const RANGES = ['GREATER_THAN', 'GREATER_THAN_EQUAL', 'LESS_THAN', 'LESS_THAN_EQUAL'];
const OPERATORS = [
  ...['EQUAL', 'NOT_EQUAL', 'IN', 'NOT_IN', 'MATCH', 'NOT_MATCH', 'MATCH_END', 'NOT_MATCH_END', 'IS_NULL'],
  ...['IS_NOT_NULL', ...RANGES],
];

/** A test of a record, of filters `{key, op, value}`. */
export function matcher(filters) {
  if (filters.length > 20) throw invalid('filters must be at most 20');
  const tests = filters.map(condition);
  return (record) => tests.every((test) => test(record));
}

function condition({ key, op, value }) {
  const type = TYPES[key];
  if (!type) throw new Refusal(400, 'unsupported_filter_field', `Unsupported filter field ${key}`);
  if (!OPERATORS.includes(op)) throw invalid(`Unsupported filter operation ${op}`);
  if (RANGES.includes(op) && type !== 'integer' && type !== 'date') {
    throw new Refusal(400, 'unsupported_range_filter', `Unsupported range filter ${key}`);
  }
  const matches = op.includes('MATCH');
  if (matches && !(type === 'text' && (key !== 'deviceId' || op.startsWith('NOT_')))) {
    throw new Refusal(400, 'unsupported_match_filter', `Unsupported match filter ${key}`);
  }
  if (op === 'IS_NULL') return (record) => field(record, key) === undefined;
  if (op === 'IS_NOT_NULL') return (record) => field(record, key) !== undefined;
  const listed = op.endsWith('IN') ? list(value).map((one) => typed(one, type, key)) : [];
  const one = op.endsWith('IN') ? undefined : typed(String(value), type, key);
  return (record) => {
    const found = field(record, key);
    return found !== undefined && passes(op, found, one, listed);
  };
}

function passes(op, found, one, listed) {
  switch (op) {
    case 'EQUAL':
      return found === one;
    case 'NOT_EQUAL':
      return found !== one;
    case 'GREATER_THAN':
      return found > one;
    case 'GREATER_THAN_EQUAL':
      return found >= one;
    case 'LESS_THAN':
      return found < one;
    case 'LESS_THAN_EQUAL':
      return found <= one;
    case 'MATCH':
      return found.includes(one);
    case 'NOT_MATCH':
      return !found.includes(one);
    case 'MATCH_END':
      return found.startsWith(one);
    case 'NOT_MATCH_END':
      return !found.startsWith(one);
    case 'IN':
      return listed.includes(found);
    default:
      return !listed.includes(found);
  }
}

function field(record, key) {
  if (key === 'onlineDate') return seconds(record.onlineAt);
  if (key === 'offlineDate') return record.offlineAt === undefined ? undefined : seconds(record.offlineAt);
  if (key === 'online') return record.offlineAt === undefined;
  if (key === 'userId') return BigInt(record.userId);
  return record[key];
}

const seconds = (at) => Math.floor(at / 1000);

function typed(text, type, key) {
  const wrong = new Refusal(400, 'param_format_error', `Parameter ${key} format error`);
  if (type === 'text') return text;
  if (type === 'boolean') {
    const at = ['true', 'on', 'yes', '1', 'false', 'off', 'no', '0'].indexOf(text.trim().toLowerCase());
    if (at < 0) throw wrong;
    return at < 4;
  }
  if (type === 'integer') {
    if (!/^[+-]?\d+$/.test(text.trim())) throw wrong;
    return BigInt(text.trim());
  }
  const at = read(text);
  if (at === undefined) throw wrong;
  return seconds(at);
}

function list(value) {
  if (Array.isArray(value)) return value.map(String);
  const inner = value.replace(/^\[|\]$/g, '');
  return inner === '' ? [] : inner.split(',').map((one) => one.replace(/^"|"$/g, ''));
}

/** The filters and parameters of a query string. */
export function ofQuery(query) {
  const items = new Map();
  for (const [name, value] of query) {
    const form = /^filters\[(\d+)\]\.(key|op|value)$/.exec(name);
    if (!form && /^filter/i.test(name)) throw invalid(`Unsupported parameter ${name}`);
    if (form) items.set(form[1], { ...items.get(form[1]), [form[2]]: value });
  }
  const filters = [...items].sort(([a], [b]) => a - b).map(([, item]) => item);
  const wanted = filters.filter((one) => one.key && one.op && (one.value !== undefined || one.op.startsWith('IS_')));
  const parameters = Object.keys(TYPES).filter((key) => query.get(key));
  return [...wanted, ...parameters.map((key) => ({ key, op: 'EQUAL', value: query.get(key) }))];
}
