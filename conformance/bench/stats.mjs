// Medians, ratios and a table that can be pasted into the README.

export function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export const ms = (list, digits = 0) => `${median(list).toFixed(digits)} ms`;
export const ratio = (ours, theirs) => `${(median(ours) / median(theirs)).toFixed(2)} ×`;

// Times `work` in milliseconds; what it returns is handed to `after`, untimed.
export async function timed(work, after = () => {}) {
  const began = performance.now();
  const result = await work();
  const took = performance.now() - began;
  await after(result);
  return took;
}

export function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
