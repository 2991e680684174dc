'use strict';
// Plays a recording: its pictures are fetched one by one, a few ahead, each shown from its own moment on.
const at = (id) => document.getElementById(id);
const token = new URLSearchParams(location.search).get('token');
const AHEAD = 8;
const KEPT = 80;
const LOOK_EVERY_MS = 2000;
let key = null; // never leaves this page's memory
let frames = [];
let length = 0;
let position = 0;
let playing = false;
let before = null;
let shown = -1;
const pictures = new Map();

async function get(path) {
  const query = token && !key ? `?token=${encodeURIComponent(token)}` : '';
  const headers = key ? { 'anchor-api-key': key } : {};
  const response = await fetch(path + query, { headers, credentials: 'omit', cache: 'no-store' });
  if (response.ok) return response;
  const told = await response.json().catch(() => null);
  throw Object.assign(new Error(told?.error?.message ?? `HTTP ${response.status}`), { status: response.status });
}

const time = (ms) => {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
};

function frameAt(ms) {
  let [low, high] = [0, frames.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (frames[middle] <= ms) low = middle + 1; else high = middle;
  }
  return Math.max(0, low - 1);
}

function picture(number) {
  if (!pictures.has(number)) {
    pictures.set(number, get(`frames/${number}`).then((response) => response.blob()).then((blob) => createImageBitmap(blob)));
    for (const old of [...pictures.keys()].slice(0, Math.max(0, pictures.size - KEPT))) pictures.delete(old);
  }
  return pictures.get(number);
}

async function show() {
  const number = frameAt(position);
  at('seek').value = position;
  at('clock').textContent = `${time(position)} / ${time(length)}`;
  for (let next = number; next < Math.min(frames.length, number + AHEAD); next++) picture(next).catch(() => pictures.delete(next));
  if (number === shown) return;
  try {
    const image = await picture(number);
    if (frameAt(position) !== number) return;
    const screen = at('screen');
    [screen.width, screen.height] = [image.width, image.height];
    screen.getContext('2d').drawImage(image, 0, 0);
    shown = number;
    document.body.dataset.shown = number;
  } catch (problem) {
    // Asking again and again would not help: whoever looks presses play again, or gives a key.
    setPlaying(false);
    fail(problem);
  }
}

function tell(text) {
  at('message').textContent = text;
  at('message').hidden = !text;
}

function setPlaying(value) {
  if (value && position >= length) position = 0;
  playing = value;
  before = null;
  at('play').textContent = playing ? '❚❚' : '▶';
  at('play').setAttribute('aria-label', playing ? 'Pause' : 'Play');
  if (playing) requestAnimationFrame(step);
}

function step(now) {
  if (!playing) return;
  position = Math.min(length, position + (before === null ? 0 : (now - before) * Number(at('speed').value)));
  before = now;
  show();
  if (position >= length) setPlaying(false); else requestAnimationFrame(step);
}

async function load() {
  const { data } = await (await get('frames')).json();
  frames = data.frames;
  length = Math.max(data.duration_ms, frames.at(-1) ?? 0);
  at('seek').max = length;
  at('facts').textContent = `${frames.length} pictures, ${data.status}`;
  at('door').hidden = true;
  at('player').hidden = frames.length === 0;
  tell(frames.length === 0 ? 'Nothing was seen yet.' : '');
  document.body.dataset.loaded = frames.length;
  if (frames.length > 0) show();
  if (data.status === 'recording' || data.status === 'paused') setTimeout(() => load().catch(fail), LOOK_EVERY_MS);
}

function fail(problem) {
  at('door').hidden = problem.status !== 401;
  tell(problem.status === 401 && key === null && token === null ? '' : problem.message);
}

at('door').addEventListener('submit', (event) => {
  event.preventDefault();
  key = at('key').value.trim();
  load().catch(fail);
});
at('play').addEventListener('click', () => setPlaying(!playing));
at('seek').addEventListener('input', () => {
  position = Number(at('seek').value);
  before = null;
  show();
});
document.addEventListener('keydown', (event) => {
  if (event.key !== ' ' || at('player').hidden || event.target.closest('button, input[type=password], select')) return;
  event.preventDefault();
  setPlaying(!playing);
});
load().catch(fail);
