// What is offered: what the token may do, of what the server has.

import type { Me } from './api/types';

/** The routes that the server describes: its build has written them into the page. */
const ROUTES = document.querySelector<HTMLMetaElement>('meta[name=rollcall-routes]')?.content.split(' ') ?? [];

const has = (route: string) => ROUTES.includes(`/admin/v1/${route}`);

export interface Offers {
  summary: boolean;
  /** To see orders. */
  orders: boolean;
  /** To give them. */
  order: boolean;
  deny: boolean;
  unlock: boolean;
  /** To revoke the tokens of others. */
  revoke: boolean;
  revokeOwn: boolean;
  audit: boolean;
}

export function offers({ rights: { read, off, administer } }: Me): Offers {
  // The pages of orders speak of deny windows, too. The orders of a server without those are given from the shell.
  const hasOrders = has('force-offs') && has('summary');
  const order = off && hasOrders;
  const revokeOwn = has('users/{userId}/tokens:revoke');
  return {
    summary: read && has('summary'),
    orders: read && hasOrders,
    order,
    deny: order && administer,
    unlock: administer,
    revoke: off && revokeOwn,
    revokeOwn,
    audit: administer && has('audit'),
  };
}
