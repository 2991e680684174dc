// A bare DevTools connection, for what Playwright and Puppeteer hide: whose CDP session is whose, and raw answers.
import { once } from 'node:events';
import WebSocket from 'ws';

export class Connection {
  #socket;
  #nextId = 1;
  #pending = new Map();
  /** Everything that arrived and answers no call, in order. */
  events = [];

  constructor(socket) {
    this.#socket = socket;
    socket.on('message', (data) => this.#receive(JSON.parse(data)));
  }

  static async open(url, options = {}) {
    const socket = new WebSocket(url, { maxPayload: 512 << 20, ...options });
    const connection = new Connection(socket);
    await once(socket, 'open');
    return connection;
  }

  /** Sends a call and returns the whole answer, `error` and all. */
  call(method, params = {}, sessionId) {
    const id = this.#nextId++;
    this.send(JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) }));
    return new Promise((resolve) => this.#pending.set(id, resolve));
  }

  send(text) {
    this.#socket.send(text);
  }

  /** Attaches to a page and returns the CDP session's id. */
  async attachToPage(targetId) {
    const answer = await this.call('Target.attachToTarget', { targetId, flatten: true });
    return answer.result.sessionId;
  }

  async pages() {
    const { result } = await this.call('Target.getTargets');
    return result.targetInfos.filter(({ type }) => type === 'page');
  }

  async close() {
    this.#socket.close();
    await once(this.#socket, 'close');
  }

  /** Goes away without a word, as a crashed client does. */
  vanish() {
    this.#socket.terminate();
  }

  #receive(message) {
    const resolve = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (resolve) resolve(message);
    else this.events.push(message);
  }
}

/** Returns the HTTP status with which a WebSocket is refused (or fails if it is not). */
export function refusedUpgrade(url, options = {}) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, options);
    socket.on('unexpected-response', (_, response) => {
      resolve(response.statusCode);
      socket.terminate();
    });
    socket.on('open', () => {
      socket.terminate();
      reject(new Error(`${url} was opened`));
    });
    socket.on('error', reject);
  });
}
