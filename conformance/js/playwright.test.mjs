// playwright-core over CDP: every form of address, and what its users do with a browser.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { Connection, refusedUpgrade } from './support/cdp.mjs';
import {
  apiKey,
  client,
  headless,
  over,
  request,
  serverUrl,
  siteUrl,
  until,
  withSession,
  wsUrl,
} from './support/roadstead.mjs';

async function assertUsable(browser) {
  const [context] = browser.contexts();
  const [page] = context.pages();
  await page.goto(siteUrl);
  assert.equal(await page.title(), 'Sign in · Harbour Library');
}

test('every form of address leads to the session', async () => {
  await withSession({ browser: headless }, async ({ id, cdp_url }) => {
    const query = `apiKey=${apiKey}&sessionId=${id}`;
    const addresses = [
      cdp_url,
      `${wsUrl}?${query}`,
      `${wsUrl}/?${query}`,
      `${wsUrl}/devtools/browser/${id}?${query}`,
      `${serverUrl}/?${query}`,
      `${serverUrl}?${query}`,
    ];
    for (const address of addresses) {
      const browser = await chromium.connectOverCDP(address);
      await assertUsable(browser);
      await browser.close();
    }
    const byHeader = await chromium.connectOverCDP(`${wsUrl}/?sessionId=${id}`, {
      headers: { 'anchor-api-key': apiKey },
    });
    await assertUsable(byHeader);
    await byHeader.close();
  });
});

test('closing a connection leaves the session running', async () => {
  await withSession({ browser: headless }, async ({ id, cdp_url }) => {
    const first = await chromium.connectOverCDP(cdp_url);
    await assertUsable(first);
    await first.close();
    const second = await chromium.connectOverCDP(cdp_url);
    assert.equal(second.contexts()[0].pages()[0].url(), `${siteUrl}/`);
    await second.close();
    assert.equal((await client.sessions.retrieve(id)).data.status, 'running');
  });
});

test('a key alone starts a session that ends with its connection', async () => {
  const live = async () => (await client.sessions.all.status()).data.items.map(({ session_id }) => session_id);
  const before = new Set(await live());
  const browser = await chromium.connectOverCDP(`${wsUrl}?apiKey=${apiKey}`);
  await assertUsable(browser);
  const [id] = (await live()).filter((session) => !before.has(session));
  assert.ok(id);
  await browser.close();
  assert.equal((await over(id)).status, 'completed');
});

test('nothing opens without the right key or token', async () => {
  await withSession({ browser: headless }, async ({ id, cdp_url }) => {
    const doors = [
      `${wsUrl}/?sessionId=${id}`,
      `${wsUrl}/?apiKey=sk-wrong&sessionId=${id}`,
      `${wsUrl}/?sessionId=${id}&token=wrong`,
      `${wsUrl}/devtools/browser/${id}`,
      wsUrl,
    ];
    for (const door of doors) assert.equal(await refusedUpgrade(door), 401, door);
    const elsewhere = cdp_url.replace(id, '00000000-0000-4000-8000-000000000000');
    assert.ok([401, 404].includes(await refusedUpgrade(elsewhere)));
    assert.equal(await refusedUpgrade(`${wsUrl}/?apiKey=${apiKey}&sessionId=${randomUUID()}`), 404);
    for (const path of ['/json/version', '/json/list', '/json/protocol']) {
      assert.equal((await request('GET', `${path}?sessionId=${id}`, { key: null })).status, 401, path);
    }
  });
});

test('the DevTools discovery addresses answer like a browser', async () => {
  await withSession({ browser: headless }, async ({ id }) => {
    const query = `?apiKey=${apiKey}&sessionId=${id}`;
    const get = async (path) => (await request('GET', path + query, { key: null })).json();

    for (const path of ['/json/version', '/json/version/']) {
      const version = await get(path);
      assert.match(version.Browser, /Chrome\/\d+/);
      assert.equal(version['Protocol-Version'], '1.3');
      const connection = await Connection.open(version.webSocketDebuggerUrl);
      assert.ok((await connection.call('Browser.getVersion')).result.product);
      await connection.close();
    }
    const [page] = await get('/json/list');
    assert.equal(page.type, 'page');
    const connection = await Connection.open(page.webSocketDebuggerUrl);
    assert.equal((await connection.call('Runtime.evaluate', { expression: '6 * 7' })).result.result.value, 42);
    await connection.close();

    const { domains } = await get('/json/protocol');
    assert.ok(domains.some(({ domain }) => domain === 'Target'));
  });
});

test('one page can be driven alone', async () => {
  await withSession({ browser: headless }, async ({ id }) => {
    const { items } = (await client.get(`/v1/sessions/${id}/pages`)).data;
    const query = `?apiKey=${apiKey}&sessionId=${id}`;
    const page = await Connection.open(`${wsUrl}/devtools/page/${items[0].id}${query}`);
    await page.call('Page.enable');
    await page.call('Page.navigate', { url: siteUrl });
    await until(
      () => page.events.map(({ method }) => method),
      (seen) => seen.includes('Page.loadEventFired'),
    );
    const title = await page.call('Runtime.evaluate', { expression: 'document.title' });
    assert.equal(title.result.result.value, 'Sign in · Harbour Library');
    assert.equal(title.sessionId, undefined);
    await page.close();
    assert.equal(await refusedUpgrade(`${wsUrl}/devtools/page/NOSUCHTARGET${query}`), 404);
  });
});

for (const active of [true, false]) {
  test(`screenshots, new contexts and popups (headless: ${active})`, async () => {
    await withSession({ browser: { headless: { active } } }, async ({ cdp_url }) => {
      const browser = await chromium.connectOverCDP(cdp_url);
      const [page] = browser.contexts()[0].pages();
      await page.goto(siteUrl);
      const png = await page.screenshot();
      assert.equal(png.subarray(1, 4).toString(), 'PNG');

      const context = await browser.newContext();
      await context.addCookies([{ name: 'mine', value: '1', url: siteUrl }]);
      const other = await context.newPage();
      await other.goto(siteUrl);
      assert.equal((await context.cookies(siteUrl)).length, 1);
      assert.equal((await browser.contexts()[0].cookies(siteUrl)).length, 0);
      await context.close();

      const [popup] = await Promise.all([
        page.waitForEvent('popup'),
        page.evaluate(() => void window.open('/account')),
      ]);
      await popup.waitForLoadState();
      assert.equal(await popup.title(), 'Account · Harbour Library');
      await browser.close();
    });
  });
}

test('large messages pass both ways', async () => {
  await withSession({ browser: headless }, async ({ cdp_url }) => {
    const browser = await chromium.connectOverCDP(cdp_url);
    const [page] = browser.contexts()[0].pages();
    const size = 20 << 20;
    const reply = await page.evaluate((length) => 'ψ'.repeat(length / 2), size);
    assert.equal(reply.length, size / 2);
    assert.equal(await page.evaluate((text) => text.length, 'x'.repeat(size)), size);
    await browser.close();
  });
});

test('clients on one session see only their own CDP sessions', async () => {
  await withSession({ browser: headless }, async ({ cdp_url }) => {
    const [one, two] = [await Connection.open(cdp_url), await Connection.open(cdp_url)];
    const [{ targetId }] = await one.pages();
    const [mine, theirs] = [await one.attachToPage(targetId), await two.attachToPage(targetId)];
    assert.notEqual(mine, theirs);

    await one.call('Runtime.enable', {}, mine);
    await two.call('Runtime.enable', {}, theirs);
    await one.call('Runtime.evaluate', { expression: "console.log('to both')" }, mine);
    for (const [connection, session] of [
      [one, mine],
      [two, theirs],
    ]) {
      const logged = () => connection.events.filter(({ method }) => method === 'Runtime.consoleAPICalled');
      await until(logged, (events) => events.length > 0);
      assert.deepEqual(new Set(logged().map(({ sessionId }) => sessionId)), new Set([session]));
    }

    const foreign = await two.call('Runtime.evaluate', { expression: '1' }, mine);
    assert.equal(foreign.error.code, -32001);
    assert.equal((await one.call('Runtime.evaluate', { expression: '1' }, mine)).result.result.value, 1);

    two.vanish();
    assert.equal((await one.call('Runtime.evaluate', { expression: '2' }, mine)).result.result.value, 2);
    await one.close();
  });
});

test('what is not a DevTools message is answered as Chromium answers it', async () => {
  await withSession({ browser: headless }, async ({ cdp_url }) => {
    const connection = await Connection.open(cdp_url);
    connection.send('{not json');
    connection.send('{"method":"Browser.getVersion"}');
    const unknown = await connection.call('Browser.noSuchMethod');
    assert.equal(unknown.error.code, -32601);
    const codes = connection.events.filter(({ error }) => error).map(({ error }) => error.code);
    assert.deepEqual(codes, [-32700, -32600]);
    await connection.close();
  });
});
