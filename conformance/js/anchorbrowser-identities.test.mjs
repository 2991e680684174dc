// npm anchorbrowser: applications and identities are kept, and come back with their credentials.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import Anchorbrowser from 'anchorbrowser';
import { client } from './support/roadstead.mjs';

const somewhere = () => `https://${randomUUID()}.example`;
const told = (answer) => answer.data ?? answer;
const password = (secret) => ({ type: 'username_password', username: 'ada', password: secret });

test('an application, its flows and its end', async () => {
  const { applications } = client;
  const { id } = told(await applications.create({ source: somewhere(), name: 'Harbour' }));
  assert.equal(told(await applications.retrieve(id)).name, 'Harbour');
  assert.ok(JSON.stringify(await applications.list()).includes(id));
  const flow = told(await applications.authFlows.create(id, { name: 'by password', methods: ['username_password'] }));
  assert.ok(JSON.stringify(await applications.authFlows.list(id)).includes(flow.id));
  await applications.authFlows.delete(flow.id, { application_id: id });
  assert.ok(!JSON.stringify(await applications.authFlows.list(id)).includes(flow.id));
  await applications.delete(id);
  await assert.rejects(applications.retrieve(id), Anchorbrowser.NotFoundError);
});

test('an identity keeps its credentials to itself', async () => {
  const { applications, identities } = client;
  const { id } = told(
    await identities.create({ source: somewhere(), name: 'ada', credentials: [password('anchors-aweigh')] }),
  );
  assert.ok(!JSON.stringify(await identities.retrieve(id)).includes('anchors-aweigh'));
  await identities.update(id, { name: 'ada lovelace', credentials: [password('changed')] });
  assert.equal(told(await identities.retrieve(id)).name, 'ada lovelace');
  assert.ok(JSON.stringify(await identities.retrieveCredentials(id)).includes('changed'));
  const held = await Promise.all(
    told(await applications.list()).applications.map((one) => applications.listIdentities(one.id)),
  );
  assert.equal(held.filter((answer) => JSON.stringify(answer).includes(id)).length, 1);
  await identities.delete(id);
  await assert.rejects(identities.retrieve(id), Anchorbrowser.NotFoundError);
});
