// The figures of the README: everything that is compared is measured side by side, in turn, in one run, on one machine.
// Usage: node conformance/bench/main.mjs [--rounds 15]   (after `make install` and a release build)
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { BareBrowser, BUILDS, launchUser } from './bare.mjs';
import { byHandLifecycle, makeArchive } from './by-hand.mjs';
import { Roadstead } from './roadstead.mjs';
import { RawCdp } from './raw-cdp.mjs';
import { startSite } from './site.mjs';
import { median, ms, ratio, table, timed } from './stats.mjs';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } });
const rounds = Number(values.rounds);

const scratch = await mkdtemp(path.join(tmpdir(), 'roadstead-bench-'));
launchUser.open(scratch);
const site = await startSite();
const server = await Roadstead.start(path.join(scratch, 'data'));
try {
  const rows = [];
  for (const build of BUILDS) rows.push(...(await starts(build)), ...(await lifecycles(build)));
  for (const build of BUILDS) rows.push(...(await checkpoints(build)));
  for (const build of BUILDS) rows.push(...(await protocol(build)));
  for (const build of BUILDS) rows.push(...(await recordings(build)));
  for (const build of BUILDS) rows.push(...(await adblock(build)));
  console.log(table(['figure', 'build', 'ours', 'compared with', 'theirs', 'ratio'], rows));
  console.log(`medians of ${rounds} rounds; server process after the run: ${server.residentMiB()} MiB resident`);
} finally {
  await server.stop();
  site.close();
  await rm(scratch, { recursive: true, force: true });
}

// Create, without a profile and with one of about 2.5 MB, against spawning the bare binary until its first page answers.
async function starts(build) {
  const profile = `start-${build.name}`;
  const bytes = await server.makeProfile(profile, build, `${site.url}/fill?bytes=2200000`);
  const [bare, empty, loaded] = [[], [], []];
  for (let round = -1; round < rounds; round++) {
    const results = [
      await timed(() => BareBrowser.start(build, scratch), (browser) => browser.stop()),
      await timed(() => server.create(build), (session) => server.end(session)),
      await timed(() => server.create(build, { name: profile }), (session) => server.end(session)),
    ];
    if (round < 0) continue; // warm-up
    [bare, empty, loaded].forEach((list, index) => list.push(results[index]));
  }
  const against = 'bare spawn → first page reply';
  return [
    ['create, no profile', build.name, ms(empty), against, ms(bare), ratio(empty, bare)],
    [`create, profile of ${(bytes / 1e6).toFixed(1)} MB`, build.name, ms(loaded), against, ms(bare), ratio(loaded, bare)],
  ];
}

// Create from a profile → connect → open a page → end and stored, against the same by hand: unpack a tar.gz, Playwright's
// persistent context, open a page, close, pack again.
async function lifecycles(build) {
  const profile = `life-${build.name}`;
  await server.makeProfile(profile, build, `${site.url}/fill?bytes=2200000`);
  const archive = await makeArchive(build, scratch, `${site.url}/fill?bytes=2200000`);
  const [ours, hand] = [[], []];
  for (let round = -1; round < rounds; round++) {
    const one = await timed(() => server.lifecycle(build, profile, `${site.url}/plain`));
    const other = await timed(() => byHandLifecycle(build, archive, scratch, `${site.url}/plain`));
    if (round < 0) continue;
    ours.push(one);
    hand.push(other);
  }
  return [['whole lifecycle, stored', build.name, ms(ours), 'Playwright + tar.gz by hand', ms(hand), ratio(ours, hand)]];
}

// Saving a session while it runs, against ending it and starting another from what was saved: what one does without.
async function checkpoints(build) {
  const profile = `checkpoint-${build.name}`;
  await server.makeProfile(profile, build, `${site.url}/fill?bytes=2200000`);
  const [ours, restart, added] = [[], [], []];
  let session = await server.create(build, { name: profile, persist: true });
  for (let round = -1; round < rounds; round++) {
    let receipt;
    const one = await timed(async () => (receipt = await server.checkpoint(session, profile)));
    const other = await timed(async () => {
      await server.end(session);
      session = await server.create(build, { name: profile, persist: true });
    });
    if (round < 0) continue;
    ours.push(one);
    restart.push(other);
    added.push(receipt.added_bytes);
  }
  await server.end(session);
  const what = `checkpoint of a running session (${Math.round(median(added) / 1e3)} kB added)`;
  return [[what, build.name, ms(ours), 'end it and start again', ms(restart), ratio(ours, restart)]];
}

// What recording costs: processor time of the server and its browser, of a page that changes all the time and of one that does not,
// against the same session unrecorded. In turn, five seconds each.
async function recordings(build) {
  const rows = [];
  for (const [name, page] of [['a page that moves', '/moving'], ['a page that stands still', '/plain']]) {
    const [recorded, plain] = [[], []];
    for (let round = 0; round < Math.min(rounds, 5); round++) {
      recorded.push(await server.processorShare(build, `${site.url}${page}`, true));
      plain.push(await server.processorShare(build, `${site.url}${page}`, false));
    }
    const share = (list) => `${(100 * median(list)).toFixed(1)} % of a core`;
    rows.push([`recorded: ${name}`, build.name, share(recorded), 'the same unrecorded', share(plain), ratio(recorded, plain)]);
  }
  return rows;
}

// What blocking advertisements costs a page with a hundred images, none of which is one: refused by host, and in pages, against not.
async function adblock(build) {
  const kinds = [[undefined, 'by host'], [true, 'in pages too'], [false, 'off']];
  const sessions = [];
  for (const [active] of kinds) sessions.push(await server.viewer(build, active));
  const times = kinds.map(() => []);
  for (let round = -1; round < rounds * 3; round++) {
    for (const [index, session] of sessions.entries()) {
      const took = await timed(() => session.page.goto(`${site.url}/images?${round}-${index}`, { waitUntil: 'load' }));
      if (round >= 0) times[index].push(took);
    }
  }
  for (const session of sessions) await server.leave(session);
  const off = times.at(-1);
  return [0, 1].map((kind) => [
    `page with 100 images, adblock ${kinds[kind][1]}`, build.name, ms(times[kind]), 'adblock off', ms(off), ratio(times[kind], off),
  ]);
}

// Round trips and the throughput of 5 MB replies, through us and through a bare debugging port.
async function protocol(build) {
  const bare = await BareBrowser.start(build, scratch, { port: true });
  const session = await server.create(build);
  const [direct, through] = [await RawCdp.page(bare.webSocketUrl), await RawCdp.page(session.cdp_url)];
  const trips = { ours: [], theirs: [] };
  const speed = { ours: [], theirs: [] };
  for (let round = 0; round < 20; round++) {
    trips.theirs.push(await direct.roundTrip(100));
    trips.ours.push(await through.roundTrip(100));
  }
  for (let round = 0; round < rounds; round++) {
    speed.theirs.push(await direct.megabytesPerSecond(5));
    speed.ours.push(await through.megabytesPerSecond(5));
  }
  direct.close();
  through.close();
  await Promise.all([bare.stop(), server.end(session)]);
  const rate = (list) => `${median(list).toFixed(0)} MB/s`;
  return [
    ['CDP round trip', build.name, ms(trips.ours, 3), 'bare debugging port', ms(trips.theirs, 3), ratio(trips.ours, trips.theirs)],
    ['5 MB replies', build.name, rate(speed.ours), 'bare debugging port', rate(speed.theirs), ratio(speed.ours, speed.theirs)],
  ];
}
