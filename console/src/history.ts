// What the summary said since the page opened.

import type { Summary } from './api/types';

export interface Sample {
  /** Seconds since 1970, of this machine. */
  at: number;
  users: number;
  connections: number;
  /** Since the sample before; nothing where there is none, or the server began to count anew. */
  connects: number | null;
  ends: number | null;
  kicks: number | null;
}

/** The most samples: at one in five seconds, six hours. */
export const MOST = 4_320;

/** Adds a summary to what came before. */
export function extend(samples: Sample[], before: Summary | undefined, summary: Summary, at: number): Sample[] {
  const anew = before === undefined || before.since !== summary.since || before.tenantId !== summary.tenantId;
  const step = (name: 'connects' | 'ends' | 'kicks') => {
    const more = anew ? -1 : summary[name] - before[name];
    return more < 0 ? null : more;
  };
  const { users, connections } = summary;
  const sample = { at, users, connections, connects: step('connects'), ends: step('ends'), kicks: step('kicks') };
  return [...samples.slice(-(MOST - 1)), sample];
}
