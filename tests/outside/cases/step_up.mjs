// A tool that needs a scope which the user has not granted: the client meets `403 insufficient_scope`, has the user
// asked for it, and goes on in the same session. And `whoami` that tells how its caller was verified.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from '../kit.mjs';
import { claimsOf, client, send } from './clients.mjs';
import { usherDev } from './usher.mjs';

const NEEDED = 'email';
const SETTINGS = `
[resource]
scopes = "openid profile"
[handler]
whoami_meta = true
[policy]
list_unscoped = true
[[policy.rules]]
tools = ["whoami"]
needs = "${NEEDED}"
`;

const tests = {};

for (const name of [
  'TypeScript SDK 1.32.2 on /mcp',
  'TypeScript client 2.4.0 on /mcp',
  'TypeScript client 2.4.0 on /mcp, negotiating',
  'Python 1.30.0 on /mcp',
  'Python 2.3.0 on /mcp',
]) {
  tests[`${name} has its user asked for the scope that a tool needs, and calls it`] = async ({ usher }) => {
    const { http, answer, walks, tools } = await send(client(name), usher, { person: usher.ready.demo, stepUp: true });
    const written = http.map((one) => `${one.method} ${one.path} ${one.rpc} ${one.status}`).join('\n');

    assert.ok(tools.includes('whoami'), 'the tool was not listed');
    assert.equal(http.filter((one) => one.status === 403).length, 1, `not one 403:\n${written}`);
    assert.equal(walks.length, 2, `asked ${walks.length} times:\n${written}`);
    assert.ok(walks[1].split(' ').includes(NEEDED), `asked for ${walks[1]}`);
    claimsOf(answer);
    const { tokenKind, verifiedBy, verifiedSecondsAgo, clientClass, scopes } = answer._meta?.['usher/verification'] ?? {};
    assert.deepEqual({ tokenKind, verifiedBy, clientClass }, { tokenKind: 'jwt', verifiedBy: 'jwt', clientClass: 'third-party' });
    assert.ok(Number.isInteger(verifiedSecondsAgo) && verifiedSecondsAgo < 60, `verified ${verifiedSecondsAgo} s ago`);
    assert.ok(`${scopes}`.includes(NEEDED), `scopes: ${scopes}`);
    const sessions = new Set(http.map((one) => one.session).filter(Boolean));
    assert.ok(sessions.size <= 1, `sessions: ${[...sessions]}`);
  };
}

tests['TypeScript client 2.4.0 on /sse asks nobody, and says what is missing'] = async ({ usher }) => {
  const { answer, walks, refused } = await send(client('TypeScript client 2.4.0 on /sse'), usher, { person: usher.ready.demo, stepUp: true });

  assert.equal(answer, undefined);
  assert.equal(walks.length, 1);
  assert.match(refused.message, /HTTP 403.*lacks a scope; needed: email/);
};

async function start() {
  const folder = await mkdtemp(join(tmpdir(), 'usher-outside-'));
  const file = join(folder, 'usher.toml');
  await writeFile(file, SETTINGS);
  try {
    return { usher: await usherDev({}, ['--config', file]) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

suite('step-up', start, tests);
