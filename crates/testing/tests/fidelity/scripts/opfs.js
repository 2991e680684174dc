{
  bytes: (count) => Uint8Array.from({ length: count }, (_, at) => (at * 13 + (at >> 8)) % 256),
  async write(seed) {
    const root = await navigator.storage.getDirectory();
    const put = async (directory, name, ...parts) => {
      const writer = await (await directory.getFileHandle(name, { create: true })).createWritable();
      for (const part of parts) await writer.write(part);
      await writer.close();
    };
    const deep = await (await root.getDirectoryHandle('charts', { create: true })).getDirectoryHandle('søkort ⚓', {
      create: true,
    });
    await put(root, 'database.sqlite3', this.bytes(1_500_000), seed);
    await put(deep, 'empty');
    await put(deep, 'LOG', 'a name that Chromium uses for logs of its own');
    await put(root, 'draft.tmp', 'a name that looks worthless');
    await root.getDirectoryHandle('GPUCache', { create: true }).then((cache) => put(cache, 'page', seed));
  },
  async read(seed) {
    const tree = {};
    const walk = async (directory, path) => {
      for await (const [name, handle] of directory) {
        if (handle.kind === 'directory') {
          await walk(handle, `${path}${name}/`);
          continue;
        }
        const file = await handle.getFile();
        const sum = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
        tree[`${path}${name}`] = [file.size, String(new Uint8Array(sum))];
      }
    };
    await walk(await navigator.storage.getDirectory(), '/');
    if (Object.keys(tree).length !== 5) throw new Error(`${seed} holds ${Object.keys(tree)}`);
    return tree;
  },
}
