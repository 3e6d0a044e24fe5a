// What every page needs of the signed-in application.

import { createContext } from 'preact';
import { useContext } from 'preact/hooks';

import type { Client } from './api/client';
import type { Me } from './api/types';
import type { Offers } from './offers';
import type { History } from './use-history';

export interface App {
  client: Client;
  me: Me;
  offers: Offers;
  history: History;
  /** Says something, seen and read aloud. */
  say: (text: string, bad?: boolean) => void;
}

export const AppContext = createContext<App | undefined>(undefined);

export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error('outside of the signed-in application');
  return app;
}
