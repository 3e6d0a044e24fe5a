// `npm run types`: the types of what the console asks, from the document that servers serve at /openapi.json.

import { writeFileSync } from 'node:fs';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';

import openapiTS, { astToString } from 'openapi-typescript';

import { ROUTES, described, document } from './routes.mjs';

export const TYPES = new URL('../src/api/openapi.d.ts', import.meta.url);

/** The text of the types, as the document has them now. */
export const types = async () => astToString(await openapiTS(part(document())));

/** The part of a document that these operations need, without texts for people. */
function part(document) {
  const paths = {};
  for (const path of described(document)) {
    paths[path] = Object.fromEntries(ROUTES[path].map((method) => [method, document.paths[path][method]]));
  }
  const kept = { openapi: document.openapi, info: { title: document.info.title, version: '0' }, paths: bare(paths) };
  const schemas = {};
  for (let waiting = references(kept.paths); waiting.length > 0; ) {
    const name = waiting.pop();
    if (name in schemas) continue;
    schemas[name] = bare(document.components.schemas[name]);
    waiting.push(...references(schemas[name]));
  }
  const sorted = Object.fromEntries(Object.keys(schemas).sort().map((name) => [name, schemas[name]]));
  const { bearer } = document.components.securitySchemes;
  return { ...kept, components: { schemas: sorted, securitySchemes: { bearer: bare(bearer) } } };
}

const TEXTS = ['description', 'summary', 'example', 'examples', 'default', 'tags'];

function bare(value, isNames = false) {
  if (Array.isArray(value)) return value.map((one) => bare(one));
  if (typeof value !== 'object' || value === null) return value;
  // A schema's properties may have such names.
  const kept = Object.entries(value).filter(([name, one]) => isNames || !TEXTS.includes(name) || typeof one === 'undefined');
  const described = kept.map(([name, one]) => [name, bare(one, name === 'properties')]);
  // A response must have one.
  if ('description' in value && 'content' in value) described.unshift(['description', '']);
  return Object.fromEntries(described);
}

function references(value) {
  return [...JSON.stringify(value).matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name);
}

if (argv[1] === fileURLToPath(import.meta.url)) writeFileSync(TYPES, await types());
