// The examples of administration.md, as shapes: an answer may leave members out, and must not have others or of another type.

import { readFileSync } from 'node:fs';

const PAGE = new URL('administration.md', import.meta.url);

/**
 * The first JSON document below each heading.
 * @returns {Record<string, unknown>}
 */
export function examples(text = readFileSync(PAGE, 'utf8')) {
  /** @type {Record<string, unknown>} */
  const found = {};
  for (const section of text.split(/^## /m).slice(1)) {
    const heading = section.slice(0, section.indexOf('\n'));
    const json = /```json\n([\s\S]*?)```/.exec(section);
    if (json) found[heading] = JSON.parse(json[1]);
  }
  return found;
}

const kind = (value) => (Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value);

/** What of a document differs from the shape of an example: a list of paths with reasons. */
export function differences(example, document, path = '') {
  if (kind(example) !== kind(document)) return [`${path || '.'}: ${kind(document)} for ${kind(example)}`];
  if (Array.isArray(example)) {
    // The elements of a list may have different members; the example has all of them in one of its own.
    const model = merged(example);
    return model === undefined ? [] : document.flatMap((one, at) => differences(model, one, `${path}[${at}]`));
  }
  if (kind(example) !== 'object') return [];
  return Object.entries(document).flatMap(([name, value]) =>
    name in example ? differences(example[name], value, `${path}.${name}`) : [`${path}.${name}: not documented`],
  );
}

function merged(list) {
  return list.every((one) => kind(one) === 'object') && list.length > 0 ? Object.assign({}, ...list) : list[0];
}
