// The steps, in order. A client's part in each is in openim.mjs and console.mjs.

export const STEPS = [
  ['login', 'login'],
  ['connected', 'connect success'],
  ['synced', 'sync finished'],
  ['shown', 'shown online'],
  ['background', 'background flips the flag'],
  ['push', 'subscription push arrives'],
  ['kicked', 'force off is told'],
  ['away', 'no reconnect for 15 s'],
  ['refused', 'old token is refused'],
  ['again', 'new token connects again'],
  ['stays', '70 s later still online'],
  ['logout', 'logout leaves nobody online'],
];

/** How long a client that was forced off is watched. */
export const AWAY = 15_000;

/** How long a client that does nothing is watched. */
export const STAYS = 70_000;

/** Lets a span of time pass, in which something must not happen. */
export const watched = (span) => new Promise((resolve) => setTimeout(resolve, span));

/** Fails unless it holds. */
export function holds(what, condition) {
  if (!condition) throw new Error(what);
}

/**
 * Runs a client's steps until one fails. Those that it has no call for say so; those behind a failure have failed too.
 * The result has an outcome for each of STEPS: `{ ok }`, `{ error }` or `{ reason }`.
 */
export async function run(part, missing) {
  const outcomes = {};
  let broken;
  for (const [name] of STEPS) {
    if (missing[name]) outcomes[name] = { reason: missing[name] };
    else if (broken) outcomes[name] = { error: `not reached, since ${broken} failed` };
    else {
      try {
        await part[name]();
        outcomes[name] = { ok: true };
      } catch (error) {
        outcomes[name] = { error: error.message };
        broken = name;
      }
    }
  }
  return outcomes;
}
