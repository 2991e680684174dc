// npm anchorbrowser: sessions, from the full documented body to every way of ending.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import Anchorbrowser from 'anchorbrowser';
import { Connection } from './support/cdp.mjs';
import {
  client,
  headless,
  end,
  over,
  refused,
  sessionDetails,
  siteUrl,
  unique,
  until,
  withSession,
} from './support/roadstead.mjs';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Every documented key; what this server cannot do is switched off, as its default is. */
const everything = () => ({
  session: {
    initial_url: `${siteUrl}/account`,
    tags: ['conformance', 'full body'],
    recording: { active: false },
    timeout: { max_duration: 10, idle_timeout: 2.5 },
    live_view: { read_only: false, one_time_url: false },
  },
  browser: {
    profile: { name: unique(), persist: true },
    adblock: { active: true },
    popup_blocker: { active: true },
    captcha_solver: { active: false },
    headless: { active: true },
    viewport: { width: 1024, height: 768 },
    fullscreen: { active: false },
    pdf_viewer: { active: true },
    p2p_download: { active: false },
    extensions: [],
    disable_web_security: { active: false },
    cross_origin_support: { active: false },
    extra_stealth: { active: false },
    force_popups_as_tabs: { active: false },
    web_bot_auth: { active: false },
    disable_dialogs: { active: true },
    tracing: { active: true, snapshots: false, sources: true },
    sensitive_data_mask: { active: false, custom_selectors: [] },
  },
  integrations: [],
  identities: [],
  a_key_from_the_future: { accepted: true },
});

test('the full documented body starts the session that it describes', async () => {
  const configuration = everything();
  await withSession(configuration, async (session) => {
    assert.match(session.id, UUID);
    assert.match(session.cdp_url, /^wss?:\/\//);

    const details = await sessionDetails(session.id);
    assert.equal(details.session_id, session.id);
    assert.equal(details.status, 'running');
    assert.deepEqual(details.configuration, configuration);
    assert.deepEqual(details.tags, ['conformance', 'full body']);
    assert.match(details.created_at, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

    const browser = await client.browser.connect(session.id);
    const [page] = browser.contexts()[0].pages();
    await page.waitForURL(`${siteUrl}/account`);
    assert.deepEqual(await page.evaluate(() => [innerWidth, innerHeight]), [1024, 768]);
    await browser.close();
  });
});

test('the smallest bodies start a full browser with the documented viewport', async () => {
  for (const body of [undefined, {}]) {
    await withSession(body, async (session) => {
      const browser = await client.browser.connect(session.id);
      const [page] = browser.contexts()[0].pages();
      assert.deepEqual(await page.evaluate(() => [innerWidth, innerHeight]), [1440, 900]);
      await browser.close();
    });
  }
});

test('sensitive data is masked where the session wants it', async () => {
  const masked = {
    ...headless,
    sensitive_data_mask: {
      active: true,
      custom_selectors: ['.private'],
      site_selectors: { '*.bank.example': ['.balance'] },
      custom_patterns: [{ regex: 'order-\\d+', mask: '[order]' }],
    },
  };
  await withSession({ browser: masked }, async (session) => {
    const browser = await client.browser.connect(session.id);
    const [page] = browser.contexts()[0].pages();
    await page.goto(siteUrl);
    await page.setContent('<p id=text>order-12 for me@example.com</p><p class=private>x</p><input type=email value=me@example.com>');
    assert.equal(await page.textContent('#text'), '[order] for ****');
    const filter = await page.locator('.private').evaluate((element) => getComputedStyle(element).filter);
    assert.equal(filter, 'blur(8px)');
    assert.equal(await page.inputValue('input'), 'me@example.com');
    await browser.close();
  });
});

test('client.browser.create starts a session and connects to it', async () => {
  const tag = unique('tag');
  const browser = await client.browser.create({ sessionOptions: { session: { tags: [tag] }, browser: headless } });
  const [page] = browser.contexts()[0].pages();
  await page.goto(siteUrl);
  assert.equal(await page.title(), 'Sign in · Harbour Library');
  await browser.close();

  const { data } = await client.sessions.all.status({ query: { tags: tag } });
  assert.deepEqual(
    data.items.map(({ tags }) => tags),
    [[tag]],
  );
  assert.equal(data.items[0].status, 'running');
  await end({ id: data.items[0].session_id });
});

test('ending a session says how it ended', async () => {
  const { data: session } = await client.sessions.create({ browser: headless });
  const ended = await end(session);
  assert.equal(ended.status, 'success');
  assert.deepEqual(ended.receipts, []);

  const details = await sessionDetails(session.id);
  assert.equal(details.status, 'completed');
  assert.equal(details.reason, 'requested');
  assert.equal(details.cdp_url, undefined);
});

test('a session that nobody connects to ends when its idle timeout passes', async () => {
  const timeout = { idle_timeout: 0.01 };
  const { data: session } = await client.sessions.create({ session: { timeout }, browser: headless });
  assert.equal((await over(session.id)).reason, 'idle');
});

test('a connection keeps a session from idling, and its maximum duration still ends it', async () => {
  const timeout = { idle_timeout: 0.05, max_duration: 0.1 };
  const { data: session } = await client.sessions.create({ session: { timeout }, browser: headless });
  const browser = await client.browser.connect(session.id);
  const disconnected = new Promise((resolve) => browser.once('disconnected', resolve));
  assert.equal((await over(session.id)).reason, 'deadline');
  await disconnected;
});

test('the list pages, sorts and filters', async () => {
  const tag = unique('tag');
  const ids = [];
  for (let i = 0; i < 3; i++) {
    ids.push(await withSession({ session: { tags: [tag] }, browser: headless }, (session) => session.id));
  }
  const list = async (query) => (await client.get('/v1/sessions', { query })).data;

  const all = await list({ tags: tag, limit: 50, sort_by: 'created_at', sort_order: 'desc' });
  assert.deepEqual(
    all.sessions.map(({ id }) => id),
    [...ids].reverse(),
  );
  assert.deepEqual([all.total, all.page, all.total_pages], [3, 1, 1]);
  assert.ok(all.sessions.every((item) => item.status === 'completed' && item.headless === true));
  assert.equal((await list({ tags: tag, status: 'running' })).total, 0);
  await refused(list({ limit: 7 }), Anchorbrowser.BadRequestError, /limit/);
  await refused(list({ sort_by: 'colour' }), Anchorbrowser.BadRequestError, /sort_by/);
});

test('the tags of a session can be replaced and cleared', async () => {
  await withSession({ session: { tags: ['before'] }, browser: headless }, async ({ id }) => {
    const path = `/v1/sessions/${id}/tags`;
    assert.deepEqual((await client.get(path)).data.tags, ['before']);
    await client.put(path, { body: { tags: ['after', 'wards'] } });
    assert.deepEqual((await sessionDetails(id)).tags, ['after', 'wards']);
    await client.delete(path);
    assert.deepEqual((await client.get(path)).data.tags, []);
  });
});

test('dialogs that nobody answers are dismissed when asked for', async () => {
  await withSession({ browser: { ...headless, disable_dialogs: { active: true } } }, async ({ cdp_url }) => {
    // A bare connection: Playwright would dismiss them itself.
    const connection = await Connection.open(cdp_url);
    const page = await connection.attachToPage((await connection.pages())[0].targetId);
    const expression = "[alert('stop'), confirm('go on?'), prompt('your name?')]";
    const answer = await connection.call('Runtime.evaluate', { expression, returnByValue: true }, page);
    assert.deepEqual(answer.result.result.value, [null, false, null]);
    await connection.close();
  });
});

test('the pages of a session can be listed', async () => {
  const session = { initial_url: siteUrl };
  await withSession({ session, browser: headless }, async ({ id }) => {
    const pages = async () => (await client.get(`/v1/sessions/${id}/pages`)).data.items;
    const [page] = await until(pages, ([first]) => first?.title === 'Sign in · Harbour Library');
    assert.equal(page.url, `${siteUrl}/`);
    assert.ok(page.id);
  });
});

test('what would mislead is refused', async () => {
  const create = (browser) => client.sessions.create({ browser: { ...headless, ...browser } });
  const solver = create({ captcha_solver: { active: true } });
  await refused(solver, Anchorbrowser.BadRequestError, /^CAPTCHA solver requires proxy to be active\.$/);
  const unknown = create({ profile: { name: unique() } });
  await refused(unknown, Anchorbrowser.NotFoundError, /^Profile not found\.$/);
  await refused(create({ viewport: { width: 'wide' } }), Anchorbrowser.BadRequestError, /viewport/);
});

test('a session can be started without waiting for it', async () => {
  const { data: asked } = await client.post('/v1/sessions/async', { body: { browser: headless } });
  assert.deepEqual([asked.status, asked.session_id], ['pending', null]);
  const status = async () => (await client.get(`/v1/sessions/async/${asked.request_id}/status`)).data;
  const ready = await until(status, ({ status }) => status === 'ready');
  assert.equal(ready.progress.current_phase, 'ready');
  const browser = await client.browser.connect(ready.session.session_id);
  assert.equal(browser.contexts()[0].pages().length, 1);
  await browser.close();
  await end({ id: ready.session.session_id });
  assert.equal((await status()).status, 'completed');
  const unknown = client.get(`/v1/sessions/async/${randomUUID()}/status`);
  await refused(unknown, Anchorbrowser.NotFoundError, /^Async request not found\.$/);
});

test('a batch comes up, is listed, cancelled and deleted', async () => {
  const body = { count: 2, configuration: { browser: headless }, metadata: { project: 'harbour' } };
  const { data: created } = await client.post('/v1/batch-sessions', { body });
  const path = `/v1/batch-sessions/${created.batch_id}`;
  const show = async () => (await client.get(path)).data;
  const batch = await until(show, ({ status }) => status === 'completed');
  assert.deepEqual([batch.total_requests, batch.completed_requests, batch.failed_requests], [2, 2, 0]);
  assert.deepEqual([batch.metadata, batch.progress.percentage], [{ project: 'harbour' }, 100]);
  const { data: listed } = await client.get('/v1/sessions', { query: { batch_id: created.batch_id } });
  assert.deepEqual(listed.sessions.map(({ id }) => id).sort(), batch.sessions.map((item) => item.session_id).sort());
  const cancel = client.patch(path, { body: { status: 'cancelled' } });
  await refused(cancel, Anchorbrowser.ConflictError, /^The batch is completed already/);
  const retry = client.post(`${path}/retry`, { body: {} });
  await refused(retry, Anchorbrowser.BadRequestError, /^No failed sessions to retry$/);
  const { data: batches } = await client.get('/v1/batch-sessions', { query: { limit: 1 } });
  assert.equal(batches.batches[0].batch_id, created.batch_id);
  assert.equal((await client.delete(path)).data.deleted_sessions, 2);
  await refused(show(), Anchorbrowser.NotFoundError, /^Batch not found\.$/);
  const none = client.post('/v1/batch-sessions', { body: { count: 0 } });
  await refused(none, Anchorbrowser.BadRequestError, /^Session count must be between 1 and 1000$/);
});

test('an event that was signaled goes to the one who waits later', async () => {
  const name = unique('event');
  await client.events.signal(name, { data: { code: '123456' } });
  assert.deepEqual((await client.events.waitFor(name, { timeoutMs: 10_000 })).data, { code: '123456' });
  const late = client.events.waitFor(name, { timeoutMs: 10 });
  const error = await late.then(assert.fail, (error) => error);
  assert.equal(error.status, 408);
});

test('a session that does not exist is not found', async () => {
  await refused(client.sessions.retrieve(randomUUID()), Anchorbrowser.NotFoundError, /^Session not found\.$/);
  await refused(client.sessions.retrieve('session_id'), Anchorbrowser.NotFoundError, /^Session not found\.$/);
  await refused(client.sessions.delete(randomUUID()), Anchorbrowser.NotFoundError, /^Session not found\.$/);
});

// Last: it ends every session of the project.
test('all sessions can be ended at once', async () => {
  const sessions = await Promise.all([1, 2].map(() => client.sessions.create({ browser: headless })));
  assert.equal((await client.sessions.all.delete()).data.status, 'success');
  assert.equal((await client.sessions.all.status()).data.count, 0);
  for (const { data } of sessions) assert.equal((await sessionDetails(data.id)).status, 'completed');
});
