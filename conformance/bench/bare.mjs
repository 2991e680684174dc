// The bare binary, started as anyone would by hand: no server, an empty user data dir, a pipe or a debugging port.
import { spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { once } from 'node:events';
import path from 'node:path';

export const BUILDS = [
  { name: 'headless shell', headless: true, executable: '/usr/lib/chromium/chromium-headless-shell', flags: [] },
  { name: 'full Chromium', headless: false, executable: '/usr/lib/chromium/chromium', flags: ['--headless=new'] },
];

// Chromium's sandbox does not work as root: as root, browsers run as nobody here too, like the server's.
const NOBODY = 65534;
const root = process.getuid() === 0;
export const launchUser = {
  options: root ? { uid: NOBODY, gid: NOBODY } : {},
  open: (dir) => root && chmodSync(dir, 0o711),
  give: (dir) => root && chownSync(dir, NOBODY, NOBODY),
};

export const QUIET = [
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run',
  '--no-default-browser-check', '--disable-quic', '--password-store=basic',
];

export class BareBrowser {
  // Resolves when a page of the browser has evaluated something.
  static async start(build, scratch, { port = false } = {}) {
    const browser = new BareBrowser();
    browser.dir = mkdtempSync(path.join(scratch, 'bare-'));
    launchUser.give(browser.dir);
    const flags = [...QUIET, ...build.flags, `--user-data-dir=${browser.dir}`, '--window-size=1440,900'];
    flags.push(port ? '--remote-debugging-port=0' : '--remote-debugging-pipe', 'about:blank');
    const stdio = ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'];
    const env = { PATH: process.env.PATH, HOME: browser.dir, LANG: 'C.UTF-8' };
    browser.child = spawn(build.executable, flags, { stdio, env, ...launchUser.options });
    browser.exited = once(browser.child, 'exit');
    await (port ? browser.#readPort() : browser.#firstReply());
    return browser;
  }

  async #readPort() {
    let text = '';
    for await (const chunk of this.child.stderr) {
      text += chunk;
      const found = /ws:\/\/\S+/.exec(text);
      if (found) {
        this.webSocketUrl = found[0];
        break;
      }
    }
  }

  async #firstReply() {
    this.child.stderr.resume();
    const [, , , input, output] = this.child.stdio;
    let [id, buffered] = [0, ''];
    const waiting = new Map();
    output.setEncoding('utf8').on('data', (data) => {
      const parts = (buffered + data).split('\0');
      buffered = parts.pop();
      for (const part of parts) {
        const message = JSON.parse(part);
        waiting.get(message.id)?.(message.result);
      }
    });
    const call = (method, params = {}, sessionId = undefined) => new Promise((done) => {
      waiting.set(++id, done);
      input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
    let page;
    while (!page) {
      const { targetInfos } = await call('Target.getTargets');
      page = targetInfos.find((target) => target.type === 'page');
    }
    const { sessionId } = await call('Target.attachToTarget', { targetId: page.targetId, flatten: true });
    await call('Runtime.evaluate', { expression: '1' }, sessionId);
    this.close = () => call('Browser.close');
  }

  async stop() {
    if (this.close) this.close();
    else this.child.kill('SIGTERM');
    await this.exited;
    await rm(this.dir, { recursive: true, force: true });
  }
}
