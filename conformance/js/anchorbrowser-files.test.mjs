// npm anchorbrowser: files go into a session and come out of it.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { test } from 'node:test';
import Anchorbrowser, { toFile } from 'anchorbrowser';
import { chromium } from 'playwright-core';
import { apiKey, client, headless, refused, until, withSession } from './support/roadstead.mjs';

const contents = randomBytes(100_000);

test('a page gets an uploaded file as the documentation shows it', async () => {
  await withSession({ browser: headless }, async ({ id }) => {
    const { data } = await client.sessions.uploadFile(id, { file: await toFile(contents, 'report.bin') });
    assert.equal(data.status, 'success');
    const path = data.message.replace('File saved at ', '');
    assert.equal(path, data.path);
    const browser = await client.browser.connect(id);
    try {
      const page = browser.contexts()[0].pages()[0];
      await page.setContent('<input type="file">');
      const session = await page.context().newCDPSession(page);
      const { root } = await session.send('DOM.getDocument');
      const { nodeId } = await session.send('DOM.querySelector', { nodeId: root.nodeId, selector: 'input' });
      await session.send('DOM.setFileInputFiles', { nodeId, files: [path] });
      const bytes = await page.evaluate(async () => {
        const [file] = document.querySelector('input').files;
        return [file.name, [...new Uint8Array(await file.arrayBuffer())]];
      });
      assert.deepEqual(bytes, ['report.bin', [...contents]]);
    } finally {
      await browser.close();
    }
  });
});

test('a download is listed and fetched', async () => {
  await withSession({ browser: headless }, async ({ id }) => {
    const page = `data:text/html,<a download="report.txt" href="data:text/plain,harbour">report</a>`;
    await client.sessions.goto(id, { url: page });
    await client.sessions.mouse.click(id, { selector: 'a' });
    const listed = await until(
      () => client.sessions.retrieveDownloads(id),
      ({ data }) => data.count === 1,
    );
    const [item] = listed.data.items;
    assert.equal(item.suggested_file_name, 'report.txt');
    assert.equal(item.size, 7);
    assert.equal((await fetch(item.file_link)).status, 401);
    const file = await fetch(item.file_link, { headers: { 'anchor-api-key': apiKey } });
    assert.equal(await file.text(), 'harbour');
  });
});

// The two ways that the documentation has had to get a file without storage.
test('a download is handed over, and nothing is kept of it', async () => {
  const p2p_download = { active: true };
  const list = await withSession({ browser: { ...headless, p2p_download } }, async ({ id, cdp_url }) => {
    const browser = await chromium.connectOverCDP(cdp_url);
    try {
      const page = browser.contexts()[0].pages()[0];
      await page.setContent('<a download="report.bin">report</a>');
      await page.evaluate((numbers) => {
        document.querySelector('a').href = URL.createObjectURL(new Blob([new Uint8Array(numbers)]));
      }, [...contents]);
      const cdp = await page.context().newCDPSession(page);
      const ready = new Promise((resolve) => cdp.on('Anchor.downloadReady', resolve));
      const [download] = await Promise.all([page.waitForEvent('download'), page.click('a')]);
      assert.equal(download.suggestedFilename(), 'report.bin');
      const extracted = await page.evaluate(() => window._anchorExtractDownloadData());
      assert.deepEqual(Buffer.from(extracted, 'base64'), contents);
      const { p2pDownloadUrl } = await ready;
      for (const headers of [{}, { 'anchor-api-key': apiKey }]) {
        const file = await fetch(p2pDownloadUrl, { headers });
        assert.deepEqual(Buffer.from(await file.arrayBuffer()), contents);
      }
      assert.equal((await client.sessions.retrieveDownloads(id)).data.count, 1);
      return () => client.sessions.retrieveDownloads(id);
    } finally {
      await browser.close();
    }
  });
  assert.equal((await list()).data.count, 0);
});

test('files for agents', async () => {
  await withSession({ browser: headless }, async ({ id }) => {
    const { data } = await client.sessions.agent.files.upload(id, { file: await toFile(contents, 'notes.bin') });
    assert.equal(data.status, 'success');
    const { files } = (await client.get(`/v1/sessions/${id}/agent/files`)).data;
    assert.deepEqual(
      files.map(({ name, size, type }) => [name, size, type]),
      [['notes.bin', contents.length, 'bin']],
    );
  });
});

test('what cannot be done is refused', async () => {
  const { NotFoundError, BadRequestError } = Anchorbrowser;
  const nobody = randomUUID();
  const file = await toFile(contents, 'a');
  await refused(client.sessions.uploadFile(nobody, { file }), NotFoundError, /^Session not found\.$/);
  await refused(client.sessions.retrieveDownloads(nobody), NotFoundError, /^Session not found\.$/);
  await withSession({ browser: headless }, async ({ id }) => {
    const trap = { file: await toFile(contents, 'trap.zip') };
    await refused(client.sessions.agent.files.upload(id, trap), BadRequestError, /^The archive is refused: /);
  });
});
