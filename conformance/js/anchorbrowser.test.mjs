// npm anchorbrowser: every suite, and then that no method of the SDK was left out. Tests run in this order, one after the other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { called, methods } from './support/calls.mjs';
import './anchorbrowser-profiles.test.mjs';
import './anchorbrowser-sessions.test.mjs';
import './anchorbrowser-login.test.mjs';
import './anchorbrowser-quick-start.test.mjs';
import './anchorbrowser-driving.test.mjs';
import './anchorbrowser-files.test.mjs';
import './anchorbrowser-tools.test.mjs';
import './anchorbrowser-recordings.test.mjs';
import './anchorbrowser-extensions.test.mjs';
import './anchorbrowser-identities.test.mjs';
import './anchorbrowser-elsewhere.test.mjs';

test('no method was left out', () => {
  assert.deepEqual(
    methods()
      .map(([name]) => name)
      .filter((name) => !called.has(name)),
    [],
  );
});
