// The demo site, as a person in a browser uses it. Pages may be Playwright's or Puppeteer's: only what both have is used.
import assert from 'node:assert/strict';
import { siteUrl } from './roadstead.mjs';

const READY = 'html[data-ready]';

/** Signs in by the form, and checks that every kind of state was left in the browser. */
export async function signIn(page) {
  await page.goto(siteUrl);
  await page.type('#user', 'ada');
  await page.type('#password', 'anchors-aweigh');
  await page.click('button[type=submit]');
  await page.waitForSelector(READY);
  await assertEverythingKept(page);
}

/** Opens the account page and returns the site's verdict on what the browser holds. */
export async function visitAccount(page) {
  await page.goto(`${siteUrl}/account`);
  await page.waitForSelector(READY);
  return page.evaluate(() => window.__state);
}

/** Asserts that the member is signed in and that every kind of state is there. */
export async function assertSignedIn(page) {
  await visitAccount(page);
  await assertEverythingKept(page);
}

/** Asserts that the browser knows nothing of the site. */
export async function assertStranger(page) {
  const state = await visitAccount(page);
  assert.equal(state.user, null);
  assert.deepEqual(new Set(Object.values(state.kinds)), new Set(['lost']));
}

async function assertEverythingKept(page) {
  const state = await page.evaluate(() => window.__state);
  const lost = Object.keys(state.kinds).filter((kind) => state.kinds[kind] !== 'kept');
  assert.deepEqual(lost, []);
  assert.equal(state.user, 'ada');
}
