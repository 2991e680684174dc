// npm anchorbrowser: profiles, with every documented answer in the SDK's own error classes.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import Anchorbrowser from 'anchorbrowser';
import { client, headless, refused, sdk, sessionDetails, unique, withSession } from './support/roadstead.mjs';

const retrieve = async (name) => (await client.profiles.retrieve(name)).data;

test('a name alone makes an empty, active profile', async () => {
  const name = unique();
  const created = await client.profiles.create({ name, description: 'made by a test' });
  assert.equal(created.data.status, 'success');

  const profile = await retrieve(name);
  assert.equal(profile.name, name);
  assert.equal(profile.description, 'made by a test');
  assert.equal(profile.status, 'active');
  assert.match(profile.created_at, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

test('names may hold spaces, slashes, percent signs and any script', async () => {
  for (const label of ['my profile', 'team/a/../b', '100%', 'a?b#c&d=e', 'Ψ κόσμε 日本 🔑', "'; drop table --"]) {
    const name = unique(label);
    await client.profiles.create({ name });
    assert.equal((await retrieve(name)).name, name);
    const { data } = await client.profiles.list();
    assert.ok(data.items.some((profile) => profile.name === name));
    assert.equal((await client.profiles.delete(name)).data.status, 'success');
    await refused(client.profiles.retrieve(name), Anchorbrowser.NotFoundError, /^Profile not found\.$/);
  }
});

test('a name of 255 characters is taken, one of 256 is not', async () => {
  const longest = `${'ψ'.repeat(255 - 36)}${randomUUID()}`;
  await client.profiles.create({ name: longest });
  assert.equal((await retrieve(longest)).name, longest);
  await refused(client.profiles.create({ name: `${longest}x` }), Anchorbrowser.BadRequestError, /name/);
});

test('the list counts what it holds', async () => {
  await client.profiles.create({ name: unique() });
  const { data } = await client.profiles.list();
  assert.equal(data.count, data.items.length);
  assert.ok(data.count >= 1);
});

test("a deleted profile's name is free again", async () => {
  const name = unique();
  await client.profiles.create({ name, description: 'first' });
  await client.profiles.delete(name);
  await client.profiles.create({ name, description: 'second' });
  assert.equal((await retrieve(name)).description, 'second');
});

test('a name that is taken is refused once, even by a client that retries', async () => {
  const name = unique();
  await client.profiles.create({ name });
  let posts = 0;
  const stubborn = sdk({
    maxRetries: 2,
    fetch: (...request) => {
      posts += 1;
      return fetch(...request);
    },
  });
  const call = stubborn.profiles.create({ name });
  const error = await refused(call, Anchorbrowser.ConflictError, /^Profile name already exists\.$/);
  assert.equal(error.headers.get('x-should-retry'), 'false');
  assert.equal(posts, 1);
});

test("malformed requests are refused with the field's name", async () => {
  const bad = [
    [{ name: '' }, /name/],
    [{ name: 'bell\u0007' }, /name/],
    [{ name: 7 }, /name/],
    [{}, /name/],
    [{ name: unique(), source: 'session' }, /session_id/],
    [{ name: unique(), source: 'session', session_id: 'no uuid' }, /session_id/],
    [{ name: unique(), dedicated_sticky_ip: 'yes' }, /dedicated_sticky_ip/],
  ];
  for (const [body, message] of bad) {
    await refused(client.profiles.create(body), Anchorbrowser.BadRequestError, message);
  }
});

test('a session that does not run cannot be saved', async () => {
  const unreachable = /^Session not found or unreachable\.$/;
  const save = (session_id) => client.profiles.create({ name: unique(), source: 'session', session_id });
  await refused(save(randomUUID()), Anchorbrowser.NotFoundError, unreachable);

  const ended = await withSession({ browser: headless }, (session) => session.id);
  await refused(save(ended), Anchorbrowser.NotFoundError, unreachable);
});

test('what is not implemented says so', async () => {
  const missing = /^Feature not implemented\./;
  const create = (body) => client.profiles.create({ name: unique(), ...body });
  const error = await refused(create({ source: 'upload' }), Anchorbrowser.InternalServerError, missing);
  assert.equal(error.status, 501);
});

test('a dedicated sticky IP is one profile\'s alone, and all its sessions have it', async () => {
  const name = unique();
  await client.profiles.create({ name, dedicated_sticky_ip: true });
  const profile = await retrieve(name);
  assert.deepEqual([profile.dedicated_sticky_ip, profile.exit.address], [true, '127.0.0.71']);
  await withSession({ browser: { ...headless, profile: { name } } }, async ({ id }) => {
    assert.equal((await sessionDetails(id)).proxy.address, '127.0.0.71');
    const listed = await client.get('/v1/sessions?sort_order=desc');
    assert.equal(listed.data.sessions.find((session) => session.id === id).browser_ip, '127.0.0.71');
  });
  const second = sdk({ maxRetries: 0 }).profiles.create({ name: unique(), dedicated_sticky_ip: true });
  const error = await refused(second, Anchorbrowser.InternalServerError, /^All 1 exits/);
  assert.equal(error.status, 503);

  const proxy = { active: true, type: 'anchor_proxy', country_code: 'us' };
  const shared = sdk({ maxRetries: 0 }).sessions.create({ session: { proxy }, browser: headless });
  await refused(shared, Anchorbrowser.InternalServerError, /reserved/);
  await client.profiles.delete(name);
  await withSession({ session: { proxy }, browser: headless }, async ({ id }) => {
    assert.equal((await sessionDetails(id)).proxy.type, 'anchor_proxy');
  });
});

test('a profile that does not exist is not found', async () => {
  await refused(client.profiles.retrieve(unique()), Anchorbrowser.NotFoundError, /^Profile not found\.$/);
  await refused(client.profiles.delete(unique()), Anchorbrowser.NotFoundError, /^Profile not found\.$/);
});

test('a wrong key opens nothing', async () => {
  const stranger = sdk({ apiKey: 'sk-00000000000000000000000000000000' });
  await refused(stranger.profiles.list(), Anchorbrowser.AuthenticationError, /^Invalid API Key$/);
});
