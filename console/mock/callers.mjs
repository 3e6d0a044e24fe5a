// Tokens that the mock knows, and what their holders may do.

import { Refusal, forbidden } from './errors.mjs';
import { sha256 } from './population.mjs';

const everything = { read: true, off: true, administer: true };

const admin = { userId: 'imAdmin', name: 'imAdmin', tenantId: '0', anyTenant: true, rights: everything, ours: true };

const HOLDERS = {
  'admin-token': admin,
  'second-token': admin,
  'operator-token': { userId: '900', name: 'Operations', tenantId: '0', rights: { ...everything, administer: false } },
  'reader-token': { userId: '901', name: 'Reader', tenantId: '0', rights: { read: true, off: false, administer: false } },
  'bare-token': { userId: '902', name: 'Visitor', tenantId: '0', rights: { read: false, off: false, administer: false } },
};

export class Callers {
  revoked = new Set();

  /** The caller of a request. */
  of(request) {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (!token) throw unauthorized('unauthorized');
    const holder = HOLDERS[token];
    if (!holder || this.revoked.has(sha256(token))) throw unauthorized('invalid_token');
    const named = request.headers['xc-opt-tenant-id'];
    if (named !== undefined && named !== holder.tenantId && !holder.anyTenant) {
      throw new Refusal(403, 'fatal_exit', `Access tenant ${named} is denied`);
    }
    if (named !== undefined && !/^\d+$/.test(named)) {
      throw new Refusal(400, 'param_binding_error', 'Parameter parsing failed, field XC-Opt-Tenant-Id');
    }
    return { anyTenant: false, ...holder, tenantId: named ?? holder.tenantId, named: named !== undefined, sha256: sha256(token) };
  }
}

/** Refuses a caller without the right. */
export function need(caller, right) {
  if (!caller.rights[right]) throw forbidden();
}

const unauthorized = (key) => new Refusal(401, key, 'Unauthorized access', { 'www-authenticate': 'Bearer' });
