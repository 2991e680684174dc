// The server under test, as the suites reach it: by the unmodified SDK, and by plain HTTP where no SDK goes.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after } from 'node:test';
import Anchorbrowser from 'anchorbrowser';

function required(name) {
  const value = process.env[name];
  assert.ok(value, `set ${name}: the suites run against a server and a demo site that already run`);
  return value.replace(/\/$/, '');
}

export const serverUrl = required('ROADSTEAD_URL');
export const apiKey = required('ROADSTEAD_API_KEY');
export const siteUrl = required('DEMO_SITE_URL');
export const wsUrl = serverUrl.replace(/^http/, 'ws');

export const sdk = (options = {}) => new Anchorbrowser({ baseURL: serverUrl, apiKey, timeout: 120_000, ...options });
export const client = sdk();

// What a failed test left running would keep its connections, and this process, alive.
after(() => client.sessions.all.delete());

/** The smaller browser, for everything that does not need the full one. */
export const headless = { headless: { active: true } };

/** A name that no other test uses. */
export const unique = (label = 'profile') => `${label} ${randomUUID()}`;

/** Plain HTTP: `body` is sent as it is when it is a string, else as JSON. */
export async function request(method, path, { body, headers = {}, key = apiKey } = {}) {
  const response = await fetch(serverUrl + path, {
    method,
    headers: {
      ...(key === null ? {} : { 'anchor-api-key': key }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    body: typeof body === 'string' || body === undefined ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) };
}

/** Starts a session, hands it to `use`, and ends it whatever happened; returns what `use` did. */
export async function withSession(configuration, use) {
  const { data: session } = await client.sessions.create(configuration);
  try {
    return await use(session);
  } finally {
    await client.sessions.delete(session.id);
  }
}

/** Ends a session and returns the answer, receipts and all. */
export const end = async (session) => (await client.sessions.delete(session.id)).data;

export const sessionDetails = async (id) => (await client.sessions.retrieve(id)).data;

/** Reads again and again until `accept` likes what it reads. */
export async function until(read, accept, { seconds = 30 } = {}) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const value = await read();
    if (accept(value)) return value;
    if (Date.now() > deadline) assert.fail(`still ${JSON.stringify(value)} after ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Waits until a session is over, and returns how it ended. */
export const over = (id, options) =>
  until(
    () => sessionDetails(id),
    ({ status }) => status === 'completed' || status === 'failed',
    options,
  );

/** Asserts that an SDK call fails with `errorClass`, and returns the error with the API's own message. */
export async function refused(call, errorClass, message) {
  const error = await call.then(
    (answer) => assert.fail(`expected ${errorClass.name}, got ${JSON.stringify(answer)}`),
    (error) => error,
  );
  assert.ok(error instanceof errorClass, `expected ${errorClass.name}, got ${error}`);
  const detail = error.error.error;
  assert.equal(detail.code, error.status);
  assert.match(detail.message, message);
  return error;
}
