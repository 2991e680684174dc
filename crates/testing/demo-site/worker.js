// Answers one address by itself, so that its presence can be seen; everything else goes to the network untouched.
self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  if (new URL(event.request.url).pathname === '/offline/ping') event.respondWith(new Response('answered offline'));
});
