// The summary, asked for since the page opened, on whatever page the reader is.

import { useState } from 'preact/hooks';

import type { Client } from './api/client';
import type { Summary } from './api/types';
import { type Sample, extend } from './history';
import { type Live, useLive } from './use-live';

const EVERY = 5;

export interface History {
  live: Live<Summary>;
  samples: Sample[];
}

export function useHistory(client: Client, offered: boolean): History {
  const [kept, setKept] = useState<{ samples: Sample[]; last: Summary | undefined }>({ samples: [], last: undefined });
  const load = async (signal: AbortSignal) => {
    const summary = await client.summary(signal);
    setKept(({ samples, last }) => ({ samples: extend(samples, last, summary, Date.now() / 1_000), last: summary }));
    return summary;
  };
  const live = useLive(offered ? load : () => new Promise<Summary>(() => {}), String(offered), EVERY);
  return { live, samples: kept.samples };
}
