// Shows who is signed in and what the browser still holds, to a person (the table) and to a program (`window.__state`).
import { kinds } from '/kinds.js';

const whoami = await (await fetch('/whoami')).json();

async function verdictOn(kind) {
  try {
    return (await kind.kept(whoami)) ? 'kept' : 'lost';
  } catch (error) {
    console.warn(kind.name, error);
    return 'lost';
  }
}

function row({ name, label, detail }, verdict) {
  const badge = Object.assign(document.createElement('span'), { className: 'badge', textContent: verdict });
  badge.dataset.verdict = verdict;
  const note = Object.assign(document.createElement('small'), { textContent: detail });
  const line = document.createElement('tr');
  line.dataset.kind = name;
  line.insertCell().append(label, note);
  const cell = line.insertCell();
  cell.className = 'verdict';
  cell.append(badge);
  return line;
}

const verdicts = {};
for (const kind of kinds) {
  verdicts[kind.name] = await verdictOn(kind);
  document.querySelector('#state tbody').append(row(kind, verdicts[kind.name]));
}

const lost = Object.values(verdicts).filter((verdict) => verdict === 'lost').length;
document.querySelector('#who').textContent = whoami.user ? `Signed in as ${whoami.user}` : 'Nobody is signed in';
document.querySelector('#summary').textContent =
  lost === 0
    ? `All ${kinds.length} kinds of state are here.`
    : `${lost} of ${kinds.length} kinds of state are missing.`;
window.__state = { user: whoami.user, kinds: verdicts, complete: lost === 0 && whoami.user !== null };
document.documentElement.dataset.ready = 'true';
