// puppeteer-core over CDP: connect, disconnect, and a close that ends and saves the session.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import puppeteer from 'puppeteer-core';
import { assertSignedIn, signIn } from './support/demo-site.mjs';
import { apiKey, client, headless, over, siteUrl, unique, withSession, wsUrl } from './support/roadstead.mjs';

const connect = (browserWSEndpoint, options = {}) =>
  puppeteer.connect({ browserWSEndpoint, defaultViewport: null, ...options });

test('connects by the returned address, by key in the query, and by key in a header', async () => {
  await withSession({ browser: headless }, async ({ id, cdp_url }) => {
    const browsers = [
      await connect(cdp_url),
      await connect(`${wsUrl}?apiKey=${apiKey}&sessionId=${id}`),
      await connect(`${wsUrl}/?sessionId=${id}`, { headers: { 'anchor-api-key': apiKey } }),
    ];
    for (const browser of browsers) {
      const [page] = await browser.pages();
      await page.goto(siteUrl);
      assert.equal(await page.title(), 'Sign in · Harbour Library');
      assert.match(await browser.version(), /Chrome\/\d+/);
      await browser.disconnect();
    }
  });
});

test('disconnect leaves the session running', async () => {
  await withSession({ browser: headless }, async ({ id, cdp_url }) => {
    await (await connect(cdp_url)).disconnect();
    assert.equal((await client.sessions.retrieve(id)).data.status, 'running');
    const browser = await connect(cdp_url);
    assert.equal((await browser.pages()).length, 1);
    await browser.disconnect();
  });
});

test('close ends the session, saved', async () => {
  const profile = { name: unique(), persist: true };
  const { data: session } = await client.sessions.create({ browser: { ...headless, profile } });
  const browser = await connect(session.cdp_url);
  await signIn((await browser.pages())[0]);
  await browser.close();

  const ended = await over(session.id);
  assert.equal(ended.status, 'completed');
  assert.equal(ended.reason, 'requested');
  assert.deepEqual(
    ended.receipts.map(({ profile, status }) => [profile, status]),
    [[profile.name, 'saved']],
  );

  await withSession({ browser: { ...headless, profile: { name: profile.name } } }, async ({ cdp_url }) => {
    const again = await connect(cdp_url);
    await assertSignedIn((await again.pages())[0]);
    await again.disconnect();
  });
});

test('screenshots, new contexts and workers', async () => {
  await withSession({ browser: headless }, async ({ cdp_url }) => {
    const browser = await connect(cdp_url);
    const page = await browser.newPage();
    await signIn(page);
    assert.equal(
      Buffer.from(await page.screenshot())
        .subarray(1, 4)
        .toString(),
      'PNG',
    );
    assert.ok(browser.targets().some((target) => target.type() === 'service_worker'));

    const context = await browser.createBrowserContext();
    const stranger = await context.newPage();
    await stranger.goto(`${siteUrl}/account`);
    assert.equal((await context.cookies()).length, 0);
    await context.close();
    await browser.disconnect();
  });
});

test('works beside Playwright on one session', async () => {
  await withSession({ browser: headless }, async ({ cdp_url }) => {
    const ours = await connect(cdp_url);
    const theirs = await chromium.connectOverCDP(cdp_url);
    const rounds = Array.from({ length: 10 }, (_, round) => round);

    const puppet = await ours.newPage();
    const played = await theirs.contexts()[0].newPage();
    await Promise.all([puppet.goto(siteUrl), played.goto(siteUrl)]);
    const answers = await Promise.all(
      rounds.flatMap((round) => [puppet.evaluate((n) => n * 2, round), played.evaluate((n) => n * 2, round)]),
    );
    assert.deepEqual(
      answers,
      rounds.flatMap((round) => [round * 2, round * 2]),
    );

    await theirs.close();
    assert.equal(await puppet.evaluate(() => document.title), 'Sign in · Harbour Library');
    await ours.disconnect();
  });
});
