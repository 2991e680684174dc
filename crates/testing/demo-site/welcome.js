// Runs once after a login: leaves one item of every kind of state in the browser, then shows the account.
import { kinds } from '/kinds.js';

const { login } = await (await fetch('/whoami')).json();
try {
  for (const kind of kinds) await kind.write?.(login);
  location.replace('/account');
} catch (error) {
  document.querySelector('#status').textContent = `The desk could not be set up: ${error}`;
  throw error;
}
