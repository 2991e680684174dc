// The quick start that is published for profiles, word for word but for the base URL and the page: what stands between `begin`
// and `end` is not ours. https://docs.anchorbrowser.io/essentials/authentication-and-identity
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { after, test } from 'node:test';
import Anchorbrowser from 'anchorbrowser';
import { apiKey, client, serverUrl, until, withSession } from './support/roadstead.mjs';

// The page: its fields are where the quick start clicks.
const at = (y) => `style="position: absolute; box-sizing: border-box; left: 20px; top: ${y - 15}px; width: 200px; height: 30px"`;
const FORM = `<!doctype html><title>Login</title><form method="post">
  <input name="username" ${at(200)}><input name="password" type="password" ${at(250)}><button ${at(300)}>Log in</button></form>`;

/** Who has seen the home page. */
const visitors = [];
const site = createServer(async (request, response) => {
  response.setHeader('content-type', 'text/html');
  if (request.method === 'POST') {
    const given = new URLSearchParams(Buffer.concat(await request.toArray()).toString());
    const isRight = given.get('username') === 'your-username' && given.get('password') === 'your-password';
    const cookie = isRight ? 'user=your-username; Max-Age=86400' : 'user=nobody';
    response.writeHead(303, { location: '/', 'set-cookie': cookie }).end();
  } else if (request.url === '/login') {
    response.end(FORM);
  } else {
    visitors.push(request.headers.cookie);
    response.end(`<!doctype html><title>Home</title>${request.headers.cookie ?? 'a stranger'}`);
  }
});
site.listen(0, '127.0.0.1');
await once(site, 'listening');
after(() => site.close());
const siteUrl = `http://127.0.0.1:${site.address().port}`;

process.env.ANCHORBROWSER_API_KEY = apiKey;
process.env.ANCHORBROWSER_BASE_URL = serverUrl;

test('it creates a profile, and the profile is logged in', async (t) => {
  const told = t.mock.method(console, 'log', () => {});
  // begin
  const anchorClient = new Anchorbrowser()
  const session = await anchorClient.sessions.create({
    browser: {
      profile: {
        name: 'new-profile',
        persist: true
      }
    }
  })
  const sessionId = session.data.id;
  // Navigate to the login page
  await anchorClient.sessions.goto(sessionId, {
    url: `${siteUrl}/login`
  })
  // Fill in your login credentials
  await anchorClient.sessions.mouse.click(sessionId, { x: 100, y: 200 })
  await anchorClient.sessions.keyboard.type(sessionId, { text: 'your-username' })
  await anchorClient.sessions.mouse.click(sessionId, { x: 100, y: 250 })
  await anchorClient.sessions.keyboard.type(sessionId, { text: 'your-password' })
  // Submit the login form
  await anchorClient.sessions.mouse.click(sessionId, { x: 100, y: 300 })
  console.log('Session', sessionId)
  // end
  assert.equal(told.mock.callCount(), 1);

  await until(
    () => visitors,
    (seen) => seen.includes('user=your-username'),
  );
  await client.sessions.delete(sessionId);
  await withSession({ browser: { profile: { name: 'new-profile' } } }, async ({ id }) => {
    await client.sessions.goto(id, { url: siteUrl });
    assert.match(await client.tools.fetchWebpage({ sessionId: id, format: 'html' }), /user=your-username/);
  });
});
