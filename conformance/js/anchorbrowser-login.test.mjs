// npm anchorbrowser: the main job. A logged-in browser becomes a profile, and comes back logged in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertSignedIn, assertStranger, signIn } from './support/demo-site.mjs';
import { client, end, unique, withSession } from './support/roadstead.mjs';

const BUILDS = { 'headless shell': { headless: { active: true } }, 'full browser': { headless: { active: false } } };

const retrieve = async (name) => (await client.profiles.retrieve(name)).data;

/** Connects with the SDK's helper, hands the first page to `use`, and disconnects. */
async function onFirstPage(session, use) {
  const browser = await client.browser.connect(session.id);
  await use(browser.contexts()[0].pages()[0]);
  await browser.close();
}

const start = async (browser) => (await client.sessions.create({ browser })).data;

function assertSaved(ended, name, revision) {
  assert.equal(ended.status, 'success');
  const receipt = ended.receipts.find(({ profile }) => profile === name);
  assert.equal(receipt.status, 'saved');
  assert.equal(receipt.revision, revision);
  assert.match(receipt.digest, /^[0-9a-f]{64}$/);
  assert.ok(receipt.size_bytes > 0 && receipt.added_bytes > 0);
}

/** Loads the profile in a new session and checks that it is logged in. */
const assertComesBack = (name, build) =>
  withSession({ browser: { ...build, profile: { name } } }, (session) => onFirstPage(session, assertSignedIn));

for (const [built, build] of Object.entries(BUILDS)) {
  test(`a profile created from a running session (${built})`, async () => {
    const name = unique();
    const session = await start(build);
    await onFirstPage(session, signIn);
    await client.profiles.create({ name, source: 'session', session_id: session.id });
    assert.equal((await retrieve(name)).status, 'pending');

    assertSaved(await end(session), name, 1);
    const profile = await retrieve(name);
    assert.equal(profile.status, 'active');
    assert.equal(profile.session_id, session.id);
    assert.equal(profile.revision, 1);
    await assertComesBack(name, build);
  });
}

test('a profile persisted by one build opens in the other, and back', async () => {
  const name = unique();
  const profile = { name, persist: true };
  const { 'headless shell': shell, 'full browser': full } = BUILDS;

  const first = await start({ ...shell, profile });
  await onFirstPage(first, signIn);
  assertSaved(await end(first), name, 1);

  const second = await start({ ...full, profile });
  await onFirstPage(second, assertSignedIn);
  assertSaved(await end(second), name, 2);
  await assertComesBack(name, shell);
});

test('a session without persist only reads', async () => {
  const name = unique();
  const first = await start({ ...BUILDS['headless shell'], profile: { name, persist: true } });
  await end(first);

  const reader = await start({ ...BUILDS['headless shell'], profile: { name } });
  await onFirstPage(reader, signIn);
  assert.deepEqual((await end(reader)).receipts, []);
  assert.equal((await retrieve(name)).revision, 1);
  await withSession({ browser: { ...BUILDS['headless shell'], profile: { name } } }, (session) =>
    onFirstPage(session, assertStranger),
  );
});

test('one session can be saved into several profiles, two sessions into one', async () => {
  const build = BUILDS['headless shell'];
  const [shared, copy] = [unique('shared'), unique('copy')];
  const profile = { name: shared, persist: true };
  const one = await start({ ...build, profile });
  await client.profiles.create({ name: copy, session_id: one.id });
  const two = await start({ ...build, profile });
  await onFirstPage(two, signIn);

  const ended = await end(one);
  assertSaved(ended, shared, 1);
  assertSaved(ended, copy, 1);
  assertSaved(await end(two), shared, 2);
  await assertComesBack(shared, build);
});

test('a profile deleted under a running session takes nothing from it', async () => {
  const name = unique();
  const session = await start({ ...BUILDS['headless shell'], profile: { name, persist: true } });
  await client.profiles.delete(name);
  await onFirstPage(session, signIn);
  const ended = await end(session);
  assert.deepEqual(
    ended.receipts.map(({ profile, status }) => [profile, status]),
    [[name, 'dropped']],
  );
});
