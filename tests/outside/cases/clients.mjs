// The real clients, and what each run of one has to show on the wire.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { HERE, NODE, PYTHON, runClient } from '../kit.mjs';
import { someRedirectUri } from '../plain_agent.mjs';

const script = (name) => join(HERE, 'clients', name);
// Where Usher is the authorization server too.
const BRIDGE = ['/register', '/token'];
const [LEGACY, MODERN] = ['2025-11-25', '2026-07-28'];

/** Every client on every transport it has. `version` is what it has to end up with. */
export const CLIENTS = [
  { name: 'TypeScript SDK 1.32.2 on /mcp', command: NODE, script: script('ts_sdk_1.mjs'), transport: 'http', version: LEGACY },
  { name: 'TypeScript SDK 1.32.2 on /sse', command: NODE, script: script('ts_sdk_1.mjs'), transport: 'sse', version: LEGACY },
  { name: 'TypeScript client 2.4.0 on /mcp', command: NODE, script: script('ts_client_2.mjs'), transport: 'http', version: LEGACY },
  { name: 'TypeScript client 2.4.0 on /mcp, negotiating', command: NODE, script: script('ts_client_2.mjs'), transport: 'http', mode: 'auto', version: MODERN },
  { name: 'TypeScript client 2.4.0 on /sse', command: NODE, script: script('ts_client_2.mjs'), transport: 'sse', version: LEGACY },
  { name: 'Python 2.3.0 on /mcp', command: PYTHON[2], script: script('python_2.py'), transport: 'http', version: MODERN },
  { name: 'Python 2.3.0 on /sse', command: PYTHON[2], script: script('python_2.py'), transport: 'sse', version: LEGACY, discoversFirst: true },
  { name: 'Python 1.30.0 on /mcp', command: PYTHON[1], script: script('python_1.py'), transport: 'http', version: LEGACY },
  { name: 'Python 1.30.0 on /sse', command: PYTHON[1], script: script('python_1.py'), transport: 'sse', version: LEGACY },
];

export const client = (name) => CLIENTS.find((one) => one.name === name);

const endpoint = (client, usher) => (client.transport === 'sse' ? usher.ready.sse : usher.ready.mcp);

/** Runs one client against `usher` and gives what it reports. */
export const send = (client, usher, job) =>
  runClient(client.name, client.command, [client.script], {
    url: endpoint(client, usher), transport: client.transport, mode: client.mode, redirectUri: someRedirectUri(), ...job,
  });

/** The same, and checks what every run has to show; gives claims and result. */
export async function visit(client, usher, job) {
  const url = endpoint(client, usher);
  const result = await send(client, usher, job);
  assert.ok(result.tools.includes('whoami'), `whoami is not among the tools: ${result.tools}`);
  assert.equal(result.version, client.version, 'protocol version');
  judgeWire(client, new URL(url).origin, result.http, Boolean(job.bearer));
  const registered = result.http.some((one) => one.method === 'POST' && one.status === 201);
  return { ...result, registered, claims: claimsOf(result.answer) };
}

/** The claims in a `whoami` answer: structured content and text have to agree. */
export function claimsOf(answer) {
  assert.ok(!answer.isError, `whoami answered an error: ${JSON.stringify(answer)}`);
  const text = answer.content.find((part) => part.type === 'text');
  assert.ok(text, `whoami answered no text: ${JSON.stringify(answer)}`);
  const claims = JSON.parse(text.text);
  if (answer.structuredContent) assert.deepEqual(answer.structuredContent, claims, 'structured content differs from the text');
  return claims;
}

function judgeWire(client, origin, http, hasToken) {
  const ours = http.filter((one) => one.origin === origin && !one.path.startsWith('/.well-known/') && !BRIDGE.includes(one.path));
  const written = ours.map((one) => `${one.method} ${one.path} ${one.rpc} ${one.status}`).join('\n');
  const count = (test) => ours.filter(test).length;
  assert.equal(count((one) => one.status >= 500), 0, `server errors:\n${written}`);
  if (!hasToken) assert.equal(ours[0].status, 401, `the first answer was not 401:\n${written}`);
  const refused = ours.findLastIndex((one) => one.status === 401);
  const inside = ours.slice(refused + 1);
  assert.ok(inside.length > 0, `never got in:\n${written}`);
  if (hasToken) assert.equal(refused, -1, `a good token was refused:\n${written}`);
  if (client.transport === 'sse') {
    assert.equal(count((one) => one.method === 'GET' && one.status === 200), 1, `not one stream:\n${written}`);
    const posts = inside.filter((one) => one.method === 'POST');
    assert.ok(posts.every((one) => one.path.endsWith('/messages') && one.status === 202), `a POST was not 202:\n${written}`);
    if (client.discoversFirst) assert.deepEqual(posts.slice(0, 2).map((one) => one.rpc), ['server/discover', 'initialize'], `not discover, then initialize:\n${written}`);
  } else if (client.version === MODERN) {
    assert.equal(count((one) => one.rpc === 'initialize'), 0, `initialize in the stateless era:\n${written}`);
    assert.equal(inside.filter((one) => one.rpc === 'tools/call' && one.status === 200).length, 1, `tools/call was not answered 200:\n${written}`);
  } else {
    assert.equal(inside.filter((one) => one.rpc === 'initialize' && one.status === 200).length, 1, `initialize was not answered 200:\n${written}`);
  }
}
