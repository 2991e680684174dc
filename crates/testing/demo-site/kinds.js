// Every kind of state that a login leaves in a browser: how it is written, and how it is recognised later.
//
// Cookies are set by the server, so they have no `write`; whether they came back is the server's verdict (`whoami`).
// Everything else is judged by itself: present, and with the content that `write` gave it.

const KEY = 'harbour-desk';
const CACHE = 'harbour-shelf';
const CACHED_PAGE = '/shelf/tide-tables';
const BYTES = 4096;

/** A recognisable byte pattern: a lost, cut or zeroed block does not pass for it. */
const pattern = () => Uint8Array.from({ length: BYTES }, (_, i) => (i * 31 + 7) % 251);
const isPattern = (bytes) => bytes.length === BYTES && bytes.every((byte, i) => byte === (i * 31 + 7) % 251);

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function database() {
  const opening = indexedDB.open(KEY, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore('desk');
  return done(opening);
}

async function workerReply() {
  const registration = await navigator.serviceWorker.getRegistration('/');
  if (!registration?.active) return null;
  // The server has no such address: only the worker answers it.
  const reply = await fetch('/offline/ping');
  return reply.ok ? reply.text() : null;
}

export const kinds = [
  {
    name: 'session_cookie',
    label: 'Session cookie',
    detail: 'no expiry: a browser forgets it when it closes',
    kept: (whoami) => whoami.cookies.session,
  },
  {
    name: 'persistent_cookie',
    label: 'Persistent HttpOnly cookie',
    detail: 'thirty days, hidden from scripts',
    kept: (whoami) => whoami.cookies.persistent,
  },
  {
    name: 'partitioned_cookie',
    label: 'Partitioned cookie',
    detail: 'CHIPS: bound to the site in the address bar',
    kept: (whoami) => whoami.cookies.partitioned,
  },
  {
    name: 'local_storage',
    label: 'localStorage',
    detail: 'a JSON value',
    write: (login) => localStorage.setItem(KEY, JSON.stringify({ login, shelf: 'Ψ 12' })),
    kept: () => JSON.parse(localStorage.getItem(KEY))?.shelf === 'Ψ 12',
  },
  {
    name: 'indexed_db',
    label: 'IndexedDB',
    detail: 'a typed array and a Blob',
    async write(login) {
      const db = await database();
      const transaction = db.transaction('desk', 'readwrite', { durability: 'strict' });
      transaction.objectStore('desk').put({ login, chart: pattern(), scan: new Blob([pattern()]) }, 'loan');
      await new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error);
      });
      db.close();
    },
    async kept() {
      const db = await database();
      const loan = await done(db.transaction('desk').objectStore('desk').get('loan'));
      const kept = isPattern(loan.chart) && isPattern(new Uint8Array(await loan.scan.arrayBuffer()));
      db.close();
      return kept;
    },
  },
  {
    name: 'cache_storage',
    label: 'Cache Storage',
    detail: 'a stored response',
    async write() {
      const cache = await caches.open(CACHE);
      await cache.put(
        CACHED_PAGE,
        new Response(pattern(), { headers: { 'content-type': 'application/octet-stream' } }),
      );
    },
    async kept() {
      const stored = await caches.match(CACHED_PAGE);
      return isPattern(new Uint8Array(await stored.arrayBuffer()));
    },
  },
  {
    name: 'service_worker',
    label: 'Service worker',
    detail: 'answers an address that the server does not have',
    async write() {
      await navigator.serviceWorker.register('/worker.js', { scope: '/' });
      await navigator.serviceWorker.ready;
    },
    kept: async () => (await workerReply()) === 'answered offline',
  },
  {
    name: 'file_system',
    label: 'Origin private file system',
    detail: 'a file of 4 KiB',
    async write() {
      const file = await (await navigator.storage.getDirectory()).getFileHandle(KEY, { create: true });
      const writer = await file.createWritable();
      await writer.write(pattern());
      await writer.close();
    },
    async kept() {
      const handle = await (await navigator.storage.getDirectory()).getFileHandle(KEY);
      return isPattern(new Uint8Array(await (await handle.getFile()).arrayBuffer()));
    },
  },
  {
    name: 'http_cache',
    label: 'HTTP cache',
    detail: 'a resource that need not be fetched again',
    write: async () => (await fetch('/almanac.json')).arrayBuffer(),
    kept: async () => (await fetch('/almanac.json', { cache: 'only-if-cached', mode: 'same-origin' })).ok,
  },
];
