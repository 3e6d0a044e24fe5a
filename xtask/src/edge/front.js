// Stands where Cloudflare's front stands in production: tells the worker which address a request came from.
import Worker from "./index.js";
export * from "./index.js";

const ADDRESS = "CF-Connecting-IP";

export default class extends Worker {
  fetch(request) {
    // The runtime names the peer with its port; an IPv6 address stands in brackets.
    const peer = request.cf?.clientIp?.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
    if (peer && !request.headers.has(ADDRESS)) {
      request = new Request(request);
      request.headers.set(ADDRESS, peer);
    }
    return super.fetch(request);
  }
}
