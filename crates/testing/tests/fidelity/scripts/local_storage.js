{
  items: (seed) => ({
    plain: seed,
    'ключ ⚓ 鍵': `Ærø, 港, שלום, 🚢 at ${seed}`,
    // No UTF-8 text, but storage takes it: halves of surrogate pairs, and NUL.
    halves: `\ud83d and \udea2, \u0000, ${seed}`,
    empty: '',
    large: `${seed} `.repeat(Math.floor(CHARACTERS / (seed.length + 1))),
  }),
  write(seed) {
    for (const [key, value] of Object.entries(this.items(seed))) localStorage.setItem(key, value);
  },
  read(seed) {
    const items = this.items(seed);
    const verdicts = Object.entries(items).map(([key, value]) => {
      const held = localStorage.getItem(key);
      if (held !== value) throw new Error(`${key} of ${seed}: ${held === null ? 'gone' : 'changed'}`);
      return [key, held.length];
    });
    return { length: localStorage.length, ...Object.fromEntries(verdicts) };
  },
}
