// npm anchorbrowser: the extensions that were uploaded, which it can list and no more.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiKey, client, serverUrl } from './support/roadstead.mjs';

/** A ZIP with one manifest, `{"manifest_version":3,"name":"Harbour","version":"1.0"}`, stored. */
const ARCHIVE = Buffer.from(
  'UEsDBBQAAAAAAAAAIQBcQ2ZHNwAAADcAAAANAAAAbWFuaWZlc3QuanNvbnsibWFuaWZlc3RfdmVyc2lvbiI6MywibmFtZSI6IkhhcmJvdXIiLCJ2ZXJzaW9uIjoiMS4wIn1QSwECFAMUAAAAAAAAACEAXENmRzcAAAA3AAAADQAAAAAAAAAAAAAAgAEAAAAAbWFuaWZlc3QuanNvblBLBQYAAAAAAQABADsAAABiAAAAAAA=',
  'base64',
);

test('an extension is listed until it is deleted', async () => {
  const form = new FormData();
  form.set('name', 'harbour');
  form.set('file', new Blob([ARCHIVE]), 'harbour.zip');
  const headers = { 'anchor-api-key': apiKey };
  const made = await fetch(`${serverUrl}/v1/extensions`, { method: 'POST', headers, body: form });
  const { id } = (await made.json()).data;
  const listed = async () => (await client.extensions.list()).data.map((extension) => extension.id);
  assert.ok((await listed()).includes(id));
  await fetch(`${serverUrl}/v1/extensions/${id}`, { method: 'DELETE', headers });
  assert.ok(!(await listed()).includes(id));
});
