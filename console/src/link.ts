// The end of a link's token: it is the page's own to revoke.

import { Client, Refused, isPassing, pause } from './api/client';
import type { Me } from './api/types';
import type { Texts } from './i18n';

/** What became of the token. */
export type Ending = { is: 'revoked' } | { is: 'ended' } | { is: 'kept'; until?: string };

/**
 * Revokes the token of a link. `me` saves the question whose it is; what fails for the moment is tried so many times more.
 *
 * It asks without a tenant: in another one than the holder's the token would be unknown.
 */
export async function revokeLink(root: URL, token: string, me?: Me, more = 0): Promise<Ending> {
  const client = new Client(root, token, undefined);
  let holder = me;
  for (let left = more; ; left -= 1) {
    try {
      holder ??= await client.me();
      // Of another issuer, whatever the link says.
      if (!holder.token) return { is: 'kept' };
      const { unknown } = await client.revoke(holder.userId, [holder.token.sha256]);
      return unknown.length === 0 ? { is: 'revoked' } : { is: 'kept', until: holder.token.expiresAt };
    } catch (error) {
      if (error instanceof Refused && error.status === 401) return { is: 'ended' };
      if (!isPassing(error) || left <= 0) return { is: 'kept', ...(holder?.token && { until: holder.token.expiresAt }) };
      await new Promise((resolve) => setTimeout(resolve, pause(error)));
    }
  }
}

/** The ending for people, where the reader is signed out. */
export function told(texts: Texts, ending: Ending): string {
  if (ending.is === 'revoked') return texts.text('linkRevoked');
  if (ending.is === 'ended') return texts.text('linkEnded');
  return ending.until === undefined ? texts.text('linkUnknown') : texts.text('linkKept', { until: ending.until });
}

/** What a reader has to know of the token of a link before the present one. */
export function toldOfEarlier(texts: Texts, ending: Ending): string | undefined {
  if (ending.is !== 'kept') return undefined;
  return ending.until === undefined ? texts.text('earlierUnknown') : texts.text('earlierKept', { until: ending.until });
}
