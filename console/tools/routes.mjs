// The operations that the console calls, and which of them servers describe.

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

/** The document that servers serve at /openapi.json. */
export const document = () => JSON.parse(readFileSync(new URL('../../api/openapi.json', import.meta.url), 'utf8'));

/** The paths of them that the document has. */
export const described = ({ paths } = document()) =>
  Object.entries(ROUTES).flatMap(([path, methods]) => (methods.every((method) => paths[path]?.[method]) ? path : []));
