// What is offered: what the token may do, of what the server has.

import type { Me } from './api/types';

/** The routes that the server describes, and members of their bodies: its build has written them into the page. */
const OFFERED = document.querySelector<HTMLMetaElement>('meta[name=rollcall-offered]')?.content.split(' ') ?? [];

const has = (route: string) => OFFERED.includes(`/admin/v1/${route}`);

export interface Offers {
  summary: boolean;
  /** To see orders. */
  orders: boolean;
  /** To give them, and see what becomes of them. */
  order: boolean;
  /** To give them with a deny window. */
  deny: boolean;
  unlock: boolean;
  /** To revoke the tokens of others. */
  revoke: boolean;
  revokeOwn: boolean;
  audit: boolean;
}

export function offers({ rights: { read, off, administer } }: Me): Offers {
  const orders = read && has('force-offs') && has('force-offs/{id}');
  const order = off && orders;
  const revokeOwn = has('users/{userId}/tokens:revoke');
  return {
    summary: read && has('summary'),
    orders,
    order,
    deny: order && administer && OFFERED.includes('ForceOffRequest.denySeconds'),
    unlock: administer,
    revoke: off && revokeOwn,
    revokeOwn,
    audit: administer && has('audit'),
  };
}
