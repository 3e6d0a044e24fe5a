// Stand-ins for bindings of the platform that the local runtime has none of.

// Counts within windows of `period` seconds, and forgets all counts when the window ends.
class Ratelimit {
  #limit;
  #period;
  #window = 0;
  #counts = new Map();

  constructor({ limit, period }) {
    this.#limit = limit;
    this.#period = period;
  }

  async limit({ key }) {
    const window = Math.floor(Date.now() / 1000 / this.#period);
    if (window !== this.#window) {
      this.#window = window;
      this.#counts.clear();
    }
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    return { success: count <= this.#limit };
  }
}

// Keeps nothing: prints what it gets.
class AnalyticsEngineDataset {
  writeDataPoint(point) {
    console.log(JSON.stringify({ dataPoint: point }));
  }
}

export const rateLimit = (bindings) => new Ratelimit(bindings);
export const dataset = () => new AnalyticsEngineDataset();
