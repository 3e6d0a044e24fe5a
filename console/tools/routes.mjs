// What the console offers something by: the operations that it calls, and which of them servers describe.

import { readFileSync } from 'node:fs';

export const ROUTES = {
  '/health': ['get'],
  '/api/v1/message/center/online': ['get'],
  '/admin/v1/me': ['get'],
  '/admin/v1/summary': ['get'],
  '/admin/v1/users/{userId}': ['get'],
  '/admin/v1/users/{userId}/tokens:revoke': ['post'],
  '/admin/v1/users/{userId}/unlock': ['post'],
  '/admin/v1/force-offs': ['get', 'post'],
  '/admin/v1/force-offs/{id}': ['get'],
  '/admin/v1/audit': ['get'],
};

/** Members of bodies that it sends only where servers read them. */
export const MEMBERS = ['ForceOffRequest.denySeconds'];

/** All that there may be. */
export const ALL = [...Object.keys(ROUTES), ...MEMBERS];

/** The document that servers serve at /openapi.json. */
export const document = () => JSON.parse(readFileSync(new URL('../../api/openapi.json', import.meta.url), 'utf8'));

/** The paths of them that the document has. */
export const described = ({ paths } = document()) =>
  Object.entries(ROUTES).flatMap(([path, methods]) => (methods.every((method) => paths[path]?.[method]) ? path : []));

/** What its pages are told that a server has. */
export const offered = (one = document()) => [
  ...described(one),
  ...MEMBERS.filter((member) => {
    const [schema, name] = member.split('.');
    return name in (one.components?.schemas[schema]?.properties ?? {});
  }),
];
