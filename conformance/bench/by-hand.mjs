// What people do today: Playwright's persistent context on a directory that is unpacked before and packed after.
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import { QUIET, launchUser } from './bare.mjs';

const run = promisify(execFile);

// Playwright cannot start a browser as another user, so as root it gets a small script that does.
function executable(build, scratch) {
  if (process.getuid() !== 0) return build.executable;
  const script = path.join(scratch, `as-nobody-${path.basename(build.executable)}`);
  writeFileSync(script, `#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups ${build.executable} "$@"\n`);
  chmodSync(script, 0o755);
  return script;
}

function launch(build, scratch, dir) {
  return chromium.launchPersistentContext(dir, {
    executablePath: executable(build, scratch),
    headless: true,
    chromiumSandbox: true,
    args: QUIET,
    env: { PATH: process.env.PATH, HOME: dir, LANG: 'C.UTF-8' },
    viewport: { width: 1440, height: 900 },
  });
}

async function withDirectory(scratch, work) {
  const outer = mkdtempSync(path.join(scratch, 'hand-'));
  chmodSync(outer, 0o755);
  const dir = path.join(outer, 'profile');
  mkdirSync(dir);
  try {
    return await work(dir);
  } finally {
    await rm(outer, { recursive: true, force: true });
  }
}

// Makes a profile of the same contents as ours, packed.
export async function makeArchive(build, scratch, url) {
  const archive = path.join(scratch, `hand-${build.headless}.tar.gz`);
  await withDirectory(scratch, async (dir) => {
    launchUser.give(dir);
    const context = await launch(build, scratch, dir);
    const page = context.pages()[0] ?? (await context.newPage());
    await page.goto(url);
    await page.waitForFunction(() => document.title === 'filled');
    await context.close();
    await run('tar', ['czf', archive, '-C', dir, '.']);
  });
  if (!statSync(archive).size) throw new Error('empty archive');
  return archive;
}

export function byHandLifecycle(build, archive, scratch, url) {
  return withDirectory(scratch, async (dir) => {
    await run('tar', ['xzf', archive, '-C', dir, '--same-owner']);
    launchUser.give(dir);
    const context = await launch(build, scratch, dir);
    const page = await context.newPage();
    await page.goto(url);
    await context.close();
    await run('tar', ['czf', `${archive}.new`, '-C', dir, '.']);
  });
}
