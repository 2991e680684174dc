// npm anchorbrowser: what needs a model, a code sandbox or another service says so, whatever it is given.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import Anchorbrowser from 'anchorbrowser';
import { client, headless, refused, withSession } from './support/roadstead.mjs';

const REASON = /^Feature not implemented\. [A-Z].{20,}\.$/;
const PROMPT = 'Find the harbour';
const ID = '00000000-0000-4000-8000-000000000000';

const needsSomethingElse = (asked) => refused(asked, Anchorbrowser.InternalServerError, REASON);

test('every call is answered with what to use instead', async () => {
  const { task, tools, applications } = client;
  for (const asked of [
    () => task.create({ name: 'harbour', language: 'typescript' }),
    () => task.list(),
    () => task.retrieveExecutionResult(ID, { taskId: ID }),
    () => task.run({ task_id: ID }),
    () => tools.performWebTask({ prompt: PROMPT }),
    () => tools.getPerformWebTaskStatus(ID),
    () => applications.createIdentityToken(ID, { callback_url: 'https://example.com' }),
  ]) {
    await needsSomethingElse(asked());
  }
});

test("the agent's helpers end with that answer too", async () => {
  const { agent } = client;
  await withSession({ browser: headless }, async ({ id }) => {
    await needsSomethingElse(agent.task(PROMPT, { sessionId: id }));
  });
  const started = await agent.browserTask(PROMPT, { sessionOptions: { browser: headless } });
  await needsSomethingElse(started.taskResultPromise);
  await started.playwrightBrowser.close();
  await client.sessions.delete(started.sessionId);
});

test("no agent tells of its steps, and what the helpers send is the SDK's own affair", async (t) => {
  const { agent } = client;
  t.mock.method(console, 'error', () => {});
  const socket = agent.setupWebSocket(ID, () => assert.fail('there is no agent'));
  const [error] = await once(socket, 'error');
  assert.match(error.message, /404/);
  agent.cleanupWebSocket(socket);
  assert.deepEqual(JSON.parse(agent.createTaskPayloadJSON(PROMPT)), agent.createTaskPayload(PROMPT, undefined) && { prompt: PROMPT });
});
