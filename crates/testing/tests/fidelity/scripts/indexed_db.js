{
  bytes: (count) => Uint8Array.from({ length: count }, (_, at) => (at * 31) % 256),
  settled: (request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    }),
  open(name, version, upgrade) {
    const request = indexedDB.open(name, version);
    request.onupgradeneeded = () => upgrade(request.result);
    return this.settled(request);
  },
  async write(seed) {
    const db = await this.open('logbook', 3, (fresh) => {
      fresh.createObjectStore('entries').createIndex('by-port', 'port');
      fresh.createObjectStore('counted', { autoIncrement: true });
    });
    const done = new Promise((resolve, reject) => {
      const tx = db.transaction(['entries', 'counted'], 'readwrite', { durability: 'strict' });
      tx.oncomplete = resolve;
      tx.onabort = () => reject(tx.error);
      const entries = tx.objectStore('entries');
      entries.put({ port: 'Ærø', seed }, 'plain');
      entries.put(
        {
          port: 'Ærø',
          date: new Date(86_400_000.5),
          map: new Map([['a', { deep: [1, [2, [3n]]] }], [{ k: 1 }, new Set([1, 'two'])]]),
          pattern: /knots?/giu,
          nothing: undefined,
          numbers: [NaN, -0, Infinity],
          floats: Float64Array.of(1.5, -2.5),
          bytes: this.bytes(1000),
          buffer: this.bytes(7).buffer,
        },
        'nested',
      );
      entries.put(new Blob([this.bytes(300_000), seed], { type: 'application/x-chart' }), 'blob');
      entries.put(
        { file: new File([this.bytes(5000)], 'chart ⚓.bin', { type: 'image/png', lastModified: 1234567 }) },
        'file',
      );
      entries.put('array and date keys', ['a', new Date(5), this.bytes(3)]);
      tx.objectStore('counted').add('one');
      tx.objectStore('counted').add('two');
    });
    await done;
    db.close();
    (await this.open('second', 1, (fresh) => fresh.createObjectStore('empty'))).close();
  },
  async read(seed) {
    const told = async (blob) => {
      const sum = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
      return [blob.constructor.name, blob.type, blob.size, blob.name, blob.lastModified, String(new Uint8Array(sum))];
    };
    const databases = (await indexedDB.databases()).map(({ name, version }) => `${name} ${version}`).sort();
    const db = await this.open('logbook', undefined, () => {
      throw new Error('there was no database');
    });
    const tx = db.transaction(['entries', 'counted']);
    const entries = tx.objectStore('entries');
    const get = (key) => this.settled(entries.get(key));
    const [plain, nested, blob, file, keyed, byPort, counted, keys] = await Promise.all([
      get('plain'),
      get('nested'),
      get('blob'),
      get('file'),
      get(['a', new Date(5), this.bytes(3)]),
      this.settled(entries.index('by-port').getAllKeys('Ærø')),
      this.settled(tx.objectStore('counted').getAllKeys()),
      this.settled(entries.getAllKeys()),
    ]);
    if (plain.seed !== seed) throw new Error(`an entry of ${plain.seed} at ${seed}`);
    const [[, deep], [object, set]] = [...nested.map];
    const report = {
      databases,
      stores: [...db.objectStoreNames],
      nested: [
        nested.date instanceof Date && nested.date.getTime(),
        deep.deep[1][1][0] === 3n,
        object.k === 1 && [...set],
        String(nested.pattern),
        'nothing' in nested && nested.nothing === undefined,
        nested.numbers.map((number, at) => Object.is(number, [NaN, -0, Infinity][at])),
        nested.floats instanceof Float64Array && [...nested.floats],
        nested.bytes instanceof Uint8Array && String(nested.bytes) === String(this.bytes(1000)),
        nested.buffer instanceof ArrayBuffer && [...new Uint8Array(nested.buffer)],
      ],
      blob: await told(blob),
      file: await told(file.file),
      keyed,
      byPort,
      counted,
      keys: keys.length,
    };
    db.close();
    return report;
  },
}
