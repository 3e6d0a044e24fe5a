// What the console reads and sends. Types of routes that servers describe come from their document (`npm run types`); those of the
// routes that no server has yet stand here by hand, as mock/administration.md has them, and go once the document has them.

import type { components } from './openapi';

type Schemas = components['schemas'];

/** A record: one connection that is or was. */
export type Row = Schemas['Shown'];
/** The server's state. */
export type Health = Schemas['HealthBody'];
export type Unlocked = Schemas['Unlocked'];
export type Revoked = Schemas['RevokedTokens'];

/** A page of a list. */
export interface Page<T> {
  total: string;
  list: T[];
}

/** A part of a list whose length nobody counts. */
export interface Slice<T> {
  list: T[];
  /** Where the next part begins, if there is one. */
  next?: string | null;
}

/** The caller. */
export type Me = Schemas['Me'];

export interface Summary {
  tenantId: string;
  now: string;
  users: number;
  connections: number;
  platforms: { protocol: string; platformID?: number; users: number; connections: number }[];
  since: string;
  connects: number;
  ends: number;
  kicks: number;
  tenants?: { tenantId: string; users: number; connections: number }[];
  nodes?: { name: string; state: 'serving' | 'suspended' | 'draining' | 'dead'; connections: number; seenAt: string }[];
}

type Overview = Schemas['UserOverview'];

/** One user, with what is left out where several are asked for. */
export interface User extends Overview {
  records: Row[];
  live: Schemas['LiveConnection'][];
  tokens: Schemas['IssuedToken'][];
  tokensTotal: number;
  deny?: { until: string; since: string; by: string; reason?: string; orderId: string };
}

export type Selection = Schemas['ForceOffSelect'];

/** An order, without dry run and receipt. */
export type OrderRequest = Pick<Schemas['ForceOffRequest'], 'select' | 'reason' | 'denySeconds'> & { scope: Scope };

/** What an order takes of each user. */
export type Scope = 'user' | 'connection';

export type DryRun = Schemas['ForceOffDryRun'];
export type Order = Schemas['ForceOffOrder'] & { denyUntil?: string };
export type AuditRow = Schemas['AuditEntry'] & { selection: { denySeconds?: number | null } };
