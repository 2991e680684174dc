// A site that fills a browser's storage with as many bytes as asked for, and one small page.
import { createServer } from 'node:http';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';

const FILL = (bytes) => `<!doctype html><title>fill</title><script type="module">
  const chunk = ${Math.ceil(bytes / 24)};
  document.cookie = 'kept=1; max-age=86400';
  for (let i = 0; i < 4; i++) localStorage.setItem('k' + i, (await (await fetch('/random?bytes=' + (chunk >> 1))).text()));
  const cache = await caches.open('fill');
  for (let i = 0; i < 8; i++) await cache.add('/random?bytes=' + chunk + '&i=' + i);
  const db = await new Promise((done, fail) => {
    const open = indexedDB.open('fill', 1);
    open.onupgradeneeded = () => open.result.createObjectStore('items');
    open.onsuccess = () => done(open.result);
    open.onerror = () => fail(open.error);
  });
  const items = db.transaction('items', 'readwrite', { durability: 'strict' });
  for (let i = 0; i < 8; i++) items.objectStore('items').put(crypto.getRandomValues(new Uint8Array(Math.min(chunk, 65536))), i);
  await new Promise((done) => (items.oncomplete = done));
  document.title = 'filled';
</script>`;

// Sixty small changes a second, all over the screen.
const MOVING = `<!doctype html><title>moving</title><style>
  body { margin: 0; overflow: hidden } div { position: absolute; width: 40px; height: 40px; background: teal }
</style><script type="module">
  const boxes = Array.from({ length: 100 }, () => document.body.appendChild(document.createElement('div')));
  (function step(now) {
    boxes.forEach((box, i) => (box.style.transform = \`translate(\${(i * 97 + now / 10) % 1400}px, \${(i * 61) % 860}px)\`));
    requestAnimationFrame(step);
  })(0);
</script>`;

export async function startSite() {
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://site');
    const bytes = Number(url.searchParams.get('bytes') ?? 0);
    response.setHeader('content-type', url.pathname === '/random' ? 'text/plain' : 'text/html');
    if (url.pathname === '/random') {
      response.setHeader('cache-control', 'max-age=86400');
      return response.end(randomBytes(bytes >> 1).toString('hex'));
    }
    if (url.pathname === '/moving') return response.end(MOVING);
    if (url.pathname === '/images') {
      const images = Array.from({ length: 100 }, (_, i) => `<img class="thing-${i}" src="/image?${url.search.slice(1)}-${i}">`);
      return response.end(`<!doctype html><title>images</title>${images.join('')}`);
    }
    if (url.pathname === '/image') {
      response.setHeader('content-type', 'image/svg+xml');
      return response.end('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
    }
    response.end(url.pathname === '/fill' ? FILL(bytes) : '<!doctype html><title>plain</title><p>plain');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
