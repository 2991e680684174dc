// The server under measurement: the release binary, an empty data dir, its REST API, and Playwright over `cdp_url`.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const BINARY = process.env.ROADSTEAD_BIN ?? fileURLToPath(new URL('../../target/release/roadstead', import.meta.url));
const KEY = 'sk-bench-0123456789abcdef';

export class Roadstead {
  static async start(dataDir) {
    const server = new Roadstead();
    const env = { ...process.env, ROADSTEAD_API_KEY: KEY, RUST_LOG: 'warn' };
    // The site that is measured with is on loopback, where browsers may not go unless they are let.
    const config = `${dataDir}.toml`;
    await writeFile(config, '[egress]\nallow = ["127.0.0.0/8"]\n');
    const args = ['serve', '--listen', '127.0.0.1:0', '--data-dir', dataDir, '--config', config];
    server.child = spawn(BINARY, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    server.exited = once(server.child, 'exit');
    const [line] = await once(server.child.stdout.setEncoding('utf8'), 'data');
    server.url = /http:\S+/.exec(line)[0];
    return server;
  }

  async #request(method, route, body) {
    const response = await fetch(`${this.url}${route}`, {
      method,
      headers: { 'anchor-api-key': KEY, 'content-type': 'application/json' },
      body: body && JSON.stringify(body),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${method} ${route}: ${answer.error?.message}`);
    return answer.data;
  }

  create(build, profile) {
    return this.#request('POST', '/v1/sessions', { browser: { headless: { active: build.headless }, profile } });
  }

  end(session) {
    return this.#request('DELETE', `/v1/sessions/${session.id}`);
  }

  // Fills a profile by visiting `url` in a persisting session. Returns its size in bytes.
  async makeProfile(name, build, url) {
    const session = await this.create(build, { name, persist: true });
    await this.#visit(session, url, 'filled');
    await this.end(session);
    return (await this.#request('GET', `/v1/profiles/${encodeURIComponent(name)}`)).size_bytes;
  }

  async lifecycle(build, name, url) {
    const session = await this.create(build, { name, persist: true });
    await this.#visit(session, url, 'plain');
    await this.end(session);
  }

  async #visit(session, url, title) {
    const browser = await chromium.connectOverCDP(session.cdp_url);
    const page = await browser.contexts()[0].newPage();
    await page.goto(url);
    if ((await page.title()) !== title) await page.waitForFunction((wanted) => document.title === wanted, title);
    await browser.close();
  }

  // A session with a page of Playwright's.
  async viewer(build, adblock) {
    const session = await this.#request('POST', '/v1/sessions', {
      browser: { headless: { active: build.headless }, adblock: adblock === undefined ? {} : { active: adblock }, popup_blocker: { active: false } },
    });
    const browser = await chromium.connectOverCDP(session.cdp_url);
    return { session, browser, page: browser.contexts()[0].pages()[0] };
  }

  async leave({ session, browser }) {
    await browser.close();
    await this.end(session);
  }

  // Saves a running session, and returns the receipt.
  checkpoint(session, profile) {
    return this.#request('POST', `/v1/profiles/${encodeURIComponent(profile)}/checkpoint`, { session_id: session.id });
  }

  // Returns how much of a core the server and its browser take while a page is shown for five seconds.
  async processorShare(build, url, recorded) {
    const session = await this.#request('POST', '/v1/sessions', {
      session: { recording: { active: recorded } },
      browser: { headless: { active: build.headless } },
    });
    await this.#request('POST', `/v1/sessions/${session.id}/goto`, { url });
    await new Promise((settled) => setTimeout(settled, 1500));
    const [began, before] = [performance.now(), this.#ticks()];
    await new Promise((over) => setTimeout(over, 5000));
    const share = ((this.#ticks() - before) * 10) / (performance.now() - began);
    await this.end(session);
    return share;
  }

  // Processor time of the server and all that it has started, in hundredths of a second.
  #ticks() {
    const all = new Map();
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
        all.set(Number(pid), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) });
      } catch {
        // It has ended meanwhile.
      }
    }
    const isOurs = (pid) => pid === this.child.pid || (all.has(pid) && pid > 1 && isOurs(all.get(pid).parent));
    return [...all].filter(([pid]) => isOurs(pid)).reduce((sum, [, { ticks }]) => sum + ticks, 0);
  }

  residentMiB() {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024);
  }

  async stop() {
    this.child.kill('SIGTERM');
    await this.exited;
  }
}
