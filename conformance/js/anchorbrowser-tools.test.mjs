// npm anchorbrowser: tools, in a session and without one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anchorbrowser from 'anchorbrowser';
import { client, headless, refused, siteUrl, withSession } from './support/roadstead.mjs';

test('a picture and a page without a session', async () => {
  const answer = await client.tools.screenshotWebpage({ url: siteUrl, width: 500, height: 300, image_quality: 100 });
  const picture = Buffer.from(await answer.arrayBuffer());
  assert.equal(picture.subarray(1, 4).toString(), 'PNG');
  assert.deepEqual([picture.readUInt32BE(16), picture.readUInt32BE(20)], [500, 300]);
  assert.match(await client.tools.fetchWebpage({ url: siteUrl, format: 'markdown' }), /Sign in/);
});

test('the page that a session shows', async () => {
  await withSession({ browser: headless }, async ({ id }) => {
    await client.sessions.goto(id, { url: siteUrl });
    const html = await client.tools.fetchWebpage({ sessionId: id, format: 'html' });
    assert.match(html, /^<!DOCTYPE html>.*Sign in/s);
    const answer = await client.tools.screenshotWebpage({ sessionId: id, scroll_all_content: true });
    assert.equal(Buffer.from(await answer.arrayBuffer()).subarray(1, 4).toString(), 'PNG');
  });
});

test('what needs a model says what to use instead', async () => {
  const asked = client.tools.performWebTask({ prompt: 'Find the harbour' });
  await refused(asked, Anchorbrowser.InternalServerError, /^Feature not implemented\. .* cdp_url\.$/);
});
