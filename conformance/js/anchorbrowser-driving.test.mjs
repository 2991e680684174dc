// npm anchorbrowser: a session is driven by the SDK alone, from the login page to the clipboard.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import Anchorbrowser from 'anchorbrowser';
import { client, headless, refused, siteUrl, until, withSession } from './support/roadstead.mjs';

const shown = async (id) => (await client.get(`/v1/sessions/${id}/pages`)).data.items[0];

for (const [build, browser] of [
  ['the headless shell', headless],
  ['full Chromium', {}],
]) {
  test(`a login by mouse and keyboard alone, in ${build}`, async () => {
    await withSession({ browser }, async ({ id }) => {
      assert.equal((await client.sessions.goto(id, { url: siteUrl })).status, 'success');
      await client.sessions.mouse.click(id, { selector: '#user', selectorTimeoutMs: 2000 });
      await client.sessions.keyboard.type(id, { text: 'ada', delay: 5 });
      await client.sessions.keyboard.shortcut(id, { keys: ['Tab'], holdTime: 5 });
      await client.sessions.keyboard.type(id, { text: 'anchors-aweigh' });
      await client.sessions.mouse.click(id, { selector: 'button', index: 0 });
      await until(
        () => shown(id),
        ({ url }) => url === `${siteUrl}/welcome` || url === `${siteUrl}/account`,
      );
    });
  });
}

test('mouse, wheel, screen and clipboard', async () => {
  await withSession({ browser: headless }, async ({ id }) => {
    const page = 'data:text/html,<body style="height:5000px"><textarea autofocus></textarea>';
    await client.sessions.goto(id, { url: page });
    const point = { x: 200, y: 300 };
    assert.equal((await client.sessions.mouse.click(id, { ...point, button: 'left' })).status, 'success');
    assert.equal((await client.sessions.mouse.doubleClick(id, { ...point, button: 'left' })).status, 'success');
    assert.equal((await client.sessions.mouse.move(id, point)).status, 'success');
    assert.equal((await client.sessions.scroll(id, { ...point, deltaY: 100, deltaX: 0, steps: 2, useOs: true })).status, 'success');
    const drag = { startX: 200, startY: 300, endX: 300, endY: 300, button: 'left' };
    assert.equal((await client.sessions.dragAndDrop(id, drag)).status, 'success');
    assert.equal((await client.sessions.clipboard.set(id, { text: 'héllo' })).status, 'success');
    assert.equal((await client.sessions.clipboard.get(id)).data.text, 'héllo');
    const picture = await (await client.sessions.retrieveScreenshot(id)).arrayBuffer();
    assert.equal(Buffer.from(picture).subarray(1, 4).toString(), 'PNG');
  });
});

test('what cannot be done is refused', async () => {
  await withSession({ browser: headless }, async ({ id }) => {
    const { BadRequestError, InternalServerError, NotFoundError } = Anchorbrowser;
    await refused(client.sessions.goto(id, { url: 'nonsense' }), BadRequestError, /^url: must be an absolute URL/);
    await refused(client.sessions.goto(id, { url: 'http://nobody.invalid' }), InternalServerError, /net::ERR_NAME_NOT_RESOLVED/);
    const nobody = { selector: '#nobody', selectorTimeoutMs: 100 };
    await refused(client.sessions.mouse.click(id, nobody), BadRequestError, /#nobody.* within 100 ms/);
    await refused(client.sessions.mouse.move(id, { x: 99999, y: 1 }), BadRequestError, /1440 × 900/);
    await refused(client.sessions.clipboard.get(randomUUID()), NotFoundError, /^Session not found\.$/);
  });
});
