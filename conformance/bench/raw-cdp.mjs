// One page over one WebSocket, with as little of a client in between as possible.
import { once } from 'node:events';
import { createRequire } from 'node:module';

// puppeteer-core brings the WebSocket client that it uses itself.
const require = createRequire(createRequire(import.meta.url).resolve('puppeteer-core'));
const WebSocket = require('ws');

export class RawCdp {
  #socket;
  #session;
  #id = 0;
  #waiting = new Map();

  static async page(url) {
    const cdp = new RawCdp();
    cdp.#socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 256 << 20 });
    await once(cdp.#socket, 'open');
    cdp.#socket.on('message', (data) => {
      const message = JSON.parse(data);
      cdp.#waiting.get(message.id)?.(message.result);
      cdp.#waiting.delete(message.id);
    });
    const { targetId } = await cdp.call('Target.createTarget', { url: 'about:blank' });
    cdp.#session = (await cdp.call('Target.attachToTarget', { targetId, flatten: true })).sessionId;
    return cdp;
  }

  call(method, params = {}) {
    const id = ++this.#id;
    const answered = new Promise((done) => this.#waiting.set(id, done));
    this.#socket.send(JSON.stringify({ id, method, params, sessionId: this.#session }));
    return answered;
  }

  // Milliseconds per round trip, over `count` trips in a row.
  async roundTrip(count) {
    const began = performance.now();
    for (let i = 0; i < count; i++) await this.call('Runtime.evaluate', { expression: '1' });
    return (performance.now() - began) / count;
  }

  async megabytesPerSecond(megabytes) {
    const began = performance.now();
    const { result } = await this.call('Runtime.evaluate', { expression: `'x'.repeat(${megabytes * 1e6})` });
    if (result.value.length !== megabytes * 1e6) throw new Error('short reply');
    return megabytes / ((performance.now() - began) / 1000);
  }

  close() {
    this.#socket.close();
  }
}
