// Answers for its whole origin out of what it fetched when it was installed: the site may be gone by then.
const STORE = 'offline-v1';
const PAGES = ['/offline', '/offline/data'];

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(STORE).then((store) => store.addAll(PAGES)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('fetch', (event) => {
  const { pathname } = new URL(event.request.url);
  if (pathname === '/computed') {
    event.respondWith(new Response(`computed on ${self.location.host}`));
  } else if (PAGES.includes(pathname)) {
    event.respondWith(caches.match(pathname));
  }
});
