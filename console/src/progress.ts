// How far an order is, and how often its page asks.

import type { Order } from './api/types';

/** `ordered`: some reader may show what it takes. `cutOff`: no reader does any more. `done`: it has come to all of its users, too. */
export type Stage = 'ordered' | 'cutOff' | 'done';

export function stage({ state, reached, users }: Order): Stage {
  if (state !== 'cutOff') return 'ordered';
  return reached < users ? 'cutOff' : 'done';
}

const MINUTE = 60_000;

/** After so many milliseconds without a change, an order is asked for every so many seconds; not at all after the last. */
const PAUSES = [
  [0.5 * MINUTE, 1],
  [5 * MINUTE, 5],
  [30 * MINUTE, 30],
] as const;

/** How often an order is asked for that has not changed for so many milliseconds, in seconds; 0 is not any more. */
export const every = (unchanged: number): number => PAUSES.find(([until]) => unchanged < until)?.[1] ?? 0;
