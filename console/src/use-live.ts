// A question that is asked again and again; what is shown stays while an answer is under way or none comes.

import { useCallback, useEffect, useRef, useState } from 'preact/hooks';

import { Unreachable } from './api/client';

export interface Live<T> {
  data: T | undefined;
  error: unknown;
  /** When the data came, in milliseconds since 1970. */
  at: number | undefined;
  loading: boolean;
  reload: () => void;
}

/** The longest pause before a server that does not answer is asked again, in milliseconds. */
const LONGEST_PAUSE = 10_000;

interface State<T> {
  key: string;
  data: T | undefined;
  error: unknown;
  at: number | undefined;
  loading: boolean;
}

/**
 * Asks by `load` whenever `key` changes, and every so many seconds where `seconds` is above 0 and the page is seen. Data of another
 * `subject` than the present one is not shown; within one it stays until the next answer.
 */
export function useLive<T>(
  load: (signal: AbortSignal) => Promise<T>,
  key: string,
  seconds: number,
  subject: string = key,
): Live<T> {
  const [state, setState] = useState<State<T>>({ key: subject, data: undefined, error: undefined, at: undefined, loading: true });
  const [turn, setTurn] = useState(0);
  const latest = useRef(load);
  latest.current = load;

  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let failures = 0;
    const wait = (pause: number) => {
      timer = setTimeout(ask, pause);
    };
    const ask = async () => {
      // A page in the background asks again when it is seen.
      if (document.hidden) return;
      setState((before) => ({ ...(before.key === subject ? before : { ...before, data: undefined, at: undefined }), key: subject, loading: true }));
      try {
        const data = await latest.current(abort.signal);
        if (abort.signal.aborted) return;
        failures = 0;
        setState({ key: subject, data, error: undefined, at: Date.now(), loading: false });
        if (seconds > 0) wait(seconds * 1_000);
      } catch (error) {
        if (abort.signal.aborted) return;
        failures += 1;
        setState((before) => ({ ...before, error, loading: false }));
        // What the server refused it refuses again.
        if (error instanceof Unreachable) wait(Math.min(LONGEST_PAUSE, 1_000 * 2 ** (failures - 1)));
        else if (seconds > 0) wait(LONGEST_PAUSE);
      }
    };
    const seen = () => {
      if (document.hidden || (seconds <= 0 && failures === 0)) return;
      clearTimeout(timer);
      void ask();
    };
    document.addEventListener('visibilitychange', seen);
    void ask();
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [key, subject, seconds, turn]);

  const reload = useCallback(() => setTurn((before) => before + 1), []);
  const fits = state.key === subject;
  return {
    data: fits ? state.data : undefined,
    error: fits ? state.error : undefined,
    at: fits ? state.at : undefined,
    loading: state.loading || !fits,
    reload,
  };
}
