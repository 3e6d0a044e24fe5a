// What a client has reported, in order, and waiting for more of it.

/** More than any client has to say in one run. */
const MOST = 10_000;

export class Events {
  #seen = [];
  #waiting = new Set();

  /** Takes one event from the client. */
  add(name, data) {
    if (this.#seen.length >= MOST) return;
    this.#seen.push({ name, data });
    for (const wake of this.#waiting) wake();
  }

  /** A place in the order: what is asked `since` it looks only at what comes after. */
  now() {
    return this.#seen.length;
  }

  /** The names of the events since then. */
  names(since) {
    return this.#seen.slice(since).map((event) => event.name);
  }

  /** The data of the first event of this name since then, which `fits`. Waits for it. */
  async until(name, since, { within = 30_000, fits = () => true, not = [] } = {}) {
    const find = () => {
      for (const event of this.#seen.slice(since)) {
        if (event.name === name && fits(event.data)) return event;
        if (not.includes(event.name)) {
          throw new Error(`${event.name} ${JSON.stringify(event.data)} came instead of ${name}`);
        }
      }
      return undefined;
    };
    let timer;
    let wake;
    try {
      const found = find();
      if (found) return found.data;
      return await new Promise((resolve, reject) => {
        wake = () => {
          try {
            const found = find();
            if (found) resolve(found.data);
          } catch (error) {
            reject(error);
          }
        };
        this.#waiting.add(wake);
        timer = setTimeout(() => {
          const seen = this.names(since).join(', ') || 'nothing';
          reject(new Error(`no ${name} within ${within / 1000} s; there came: ${seen}`));
        }, within);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(wake);
    }
  }
}
