{
  bytes: (count) => Uint8Array.from({ length: count }, (_, at) => (at * 7) % 256),
  async write(seed) {
    const charts = await caches.open('charts ⚓');
    const headers = { 'content-type': 'application/x-chart', 'x-origin': seed };
    await charts.put('/chart?scale=1', new Response(this.bytes(200_000), { status: 203, headers }));
    await charts.put(
      new Request('/by-language', { headers: { 'accept-language': 'da' } }),
      new Response('Ærø', { headers: { vary: 'accept-language' } }),
    );
    // From the network, and of another origin: an opaque response.
    await charts.add('/fetched');
    await charts.put('/opaque', await fetch('https://buoy.example/opaque', { mode: 'no-cors' }));
    await caches.open('empty');
  },
  async read(seed) {
    const charts = await caches.open('charts ⚓');
    const chart = await charts.match('/chart?scale=1');
    const sum = await crypto.subtle.digest('SHA-256', await chart.arrayBuffer());
    const danish = new Request('/by-language', { headers: { 'accept-language': 'da' } });
    if (chart.headers.get('x-origin') !== seed) throw new Error(`a response of another origin at ${seed}`);
    return {
      names: (await caches.keys()).sort(),
      chart: [chart.status, chart.headers.get('content-type'), String(new Uint8Array(sum))],
      danish: await (await charts.match(danish)).text(),
      english: (await charts.match('/by-language')) === undefined,
      fetched: await (await charts.match('/fetched')).text(),
      opaque: (await charts.match('/opaque')).type,
      keys: (await charts.keys()).map((request) => request.url),
    };
  },
}
