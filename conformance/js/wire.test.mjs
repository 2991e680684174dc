// Plain HTTP, where no SDK goes: the envelopes of odd requests, and the calls of older integrations.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { client, headless, request, unique, withSession } from './support/roadstead.mjs';

test("every failure comes in the API's envelope, with a request id", async () => {
  const odd = [
    [401, request('GET', '/v1/profiles', { key: null })],
    [401, request('POST', '/v1/sessions', { key: 'sk-wrong', body: {} })],
    [404, request('GET', '/v1/nothing/here')],
    [404, request('GET', '/nothing/here')],
    [405, request('PATCH', '/v1/profiles', { body: {} })],
    [400, request('POST', '/v1/profiles', { body: '{not json' })],
    [400, request('POST', '/v1/profiles', { body: '[]' })],
    [400, request('POST', '/v1/sessions', { body: '{"browser":' })],
    [413, request('POST', '/v1/profiles', { body: { name: unique(), description: 'x'.repeat(2 << 20) } })],
  ];
  for (const [status, pending] of odd) {
    const answer = await pending;
    assert.equal(answer.status, status, answer.text);
    const { error } = answer.json();
    assert.equal(error.code, status);
    assert.equal(typeof error.message, 'string');
    assert.match(answer.headers.get('content-type'), /^application\/json/);
    assert.ok(answer.headers.get('x-request-id'));
  }
});

test('a wrong content type is refused, a missing body is not', async () => {
  const form = await request('POST', '/v1/profiles', {
    body: 'name=x',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  assert.ok([400, 415].includes(form.status), form.text);
  assert.equal(form.json().error.code, form.status);

  const bare = await request('POST', '/v1/sessions');
  assert.equal(bare.status, 200, bare.text);
  await client.sessions.delete(bare.json().data.id);
});

test('profiles can still be updated, as the n8n node does', async () => {
  const name = unique('n8n / profile');
  const path = `/v1/profiles/${encodeURIComponent(name)}`;
  await client.profiles.create({ name });
  const described = await request('PUT', path, { body: { description: 'by n8n', store_cache: true } });
  assert.equal(described.json().data.status, 'success');
  assert.equal((await client.profiles.retrieve(name)).data.description, 'by n8n');

  await withSession({ browser: headless }, async (session) => {
    const bound = await request('PUT', path, { body: { source: 'session', session_id: session.id } });
    assert.equal(bound.status, 200, bound.text);
  });
  assert.equal((await client.profiles.retrieve(name)).data.revision, 1);
  assert.equal((await request('PUT', `/v1/profiles/${unique('x')}`, { body: {} })).status, 404);
});

test('health, metrics and the OpenAPI document need no key', async () => {
  for (const path of ['/healthz', '/readyz', '/metrics']) {
    assert.equal((await request('GET', path, { key: null })).status, 200, path);
  }
  const openapi = (await request('GET', '/openapi.json', { key: null })).json();
  assert.match(openapi.openapi, /^3\./);
  for (const path of ['/v1/profiles', '/v1/profiles/{name}', '/v1/sessions', '/v1/sessions/{session_id}']) {
    const known = Object.keys(openapi.paths).map((key) => key.replace(/\{(id|session_id|sessionId)\}/, '{session_id}'));
    assert.ok(known.includes(path), `${path} is missing from ${known}`);
  }
});
