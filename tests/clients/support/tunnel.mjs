// A relay to a server that can be cut: its connections break, and it refuses new ones until it opens again. It can then lead
// to another server.
import net from "node:net";
import { once } from "node:events";

export class Tunnel {
  #pairs = new Set();
  #port;
  #open = true;

  static async to(port) {
    const tunnel = new Tunnel();
    tunnel.#port = port;
    tunnel.server = net.createServer((near) => tunnel.#accept(near)).listen(0, "127.0.0.1");
    await once(tunnel.server, "listening");
    tunnel.port = tunnel.server.address().port;
    tunnel.url = `http://127.0.0.1:${tunnel.port}`;
    return tunnel;
  }

  #accept(near) {
    if (!this.#open) return near.resetAndDestroy();
    const far = net.connect(this.#port, "127.0.0.1");
    const pair = [near, far];
    this.#pairs.add(pair);
    for (const socket of pair) {
      socket.on("error", () => {});
      socket.on("close", () => {
        for (const one of pair) one.destroy();
        this.#pairs.delete(pair);
      });
    }
    near.pipe(far).pipe(near);
  }

  cut() {
    this.#open = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  open(port = this.#port) {
    this.#port = port;
    this.#open = true;
  }

  async close() {
    this.cut();
    this.server.close();
    await once(this.server, "close");
  }
}
