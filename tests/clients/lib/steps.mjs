// The steps, in order. A client's part in each is in openim.mjs and console.mjs.

/** The small size in the usual run, the full one when ROLLCALL_TEST_FULL is 1. */
const size = (small, full) => (process.env.ROLLCALL_TEST_FULL === '1' ? full : small);

/** How long a client that was forced off is watched: twice as long as the slowest of them waits before it tries again. */
export const AWAY = size(11_000, 15_000);

/** How long a client that does nothing is watched: longer than a server keeps a connection that says nothing, 30 s. */
export const STAYS = size(35_000, 70_000);

/** Their names and what they show. */
export const STEPS = [
  ['login', 'login'],
  ['connected', 'connect success'],
  ['synced', 'sync finished'],
  ['shown', 'shown online'],
  ['background', 'background flips the flag'],
  ['push', 'subscription push arrives'],
  ['kicked', 'force off is reported'],
  ['away', `no reconnect for ${AWAY / 1000} s`],
  ['refused', 'old token is refused'],
  ['again', 'new token connects again'],
  ['stays', `${STAYS / 1000} s later still online`],
  ['logout', 'logout leaves the user offline'],
];

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
