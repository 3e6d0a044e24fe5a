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
  next?: string;
}

/** The caller. */
export type Me = Schemas['Me'];

export type Protocol = 'openim' | 'messageCenter' | 'import';

export interface Summary {
  tenantId: string;
  now: string;
  users: number;
  connections: number;
  platforms: { protocol: Protocol; platformID?: number; users: number; connections: number }[];
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
  deny?: { until: string; since: string; by: string; reason?: string; orderId?: string };
}

export interface Filter {
  key: string;
  op: string;
  value?: string | string[];
}

export interface Selection {
  userId?: string;
  fullName?: string;
  deviceId?: string;
  remoteAddress?: string;
  online?: boolean;
  onlineDate?: string;
  offlineDate?: string;
  filters?: Filter[];
  userIds?: string[];
  platforms?: number[];
  connIds?: string[];
  deviceIds?: string[];
}

export interface OrderRequest {
  tenantId?: string;
  select: Selection;
  scope: 'user' | 'connection';
  reason?: string;
  denySeconds?: number;
}

export interface Target {
  userId: string;
  tenantId: string;
  fullName?: string;
  connID?: string;
  recordId?: string;
  protocol?: Protocol;
  platformID?: number;
  deviceId?: string;
  remoteAddress?: string;
  onlineDate?: string;
}

export interface DryRun {
  users: number;
  connections: number;
  first: Target[];
  spared: number;
  receipt: string;
  receiptUntil: string;
}

export interface Giver {
  userId: string;
  name: string;
  tokenSha256?: string;
}

export type OrderState = 'accepted' | 'cutOff' | 'done';

export interface Order {
  id: string;
  tenantId: string;
  state: OrderState;
  by: Giver;
  remoteAddress: string;
  at: string;
  scope: 'user' | 'connection';
  reason?: string;
  denyUntil?: string;
  select: Selection;
  users: number;
  connections: number;
  gone: number;
  delivered: { users: number; connections: number };
  unreached?: { userId: string; error: string }[];
  unreachedTotal: number;
  doneAt?: string;
}

/** An entry of the audit; `reason` and `orderId` are of orders that no server has yet. */
export type AuditRow = Schemas['AuditEntry'] & { reason?: string; orderId?: string };
