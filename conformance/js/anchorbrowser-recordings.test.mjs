// npm anchorbrowser: a session is recorded, and plays.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { client, headless, until, withSession } from './support/roadstead.mjs';

/** A page that never looks the same for long. */
const MOVES = `data:text/html,<script>setInterval(() => { document.body.style.background = \`hsl(\${performance.now() % 360} 90% 50%)\` }, 100)</script>`;

test('a recording plays as a video', async () => {
  const id = await withSession({ browser: headless, session: { recording: { active: true } } }, async ({ id }) => {
    await client.sessions.goto(id, { url: MOVES });
    await until(
      async () => (await client.sessions.recordings.list(id)).data.items,
      ([primary]) => primary?.size > 100_000,
    );
    return id;
  });
  const [primary] = (await client.sessions.recordings.list(id)).data.items;
  assert.equal(primary.is_primary, true);
  const video = Buffer.from(await (await client.sessions.recordings.primary.get(id)).arrayBuffer());
  assert.equal(video.subarray(4, 8).toString(), 'ftyp');
});
