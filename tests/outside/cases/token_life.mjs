// Tokens that end while a client is there: one that has a new one keeps its session, one that has not is told
// why its stream ends.

import assert from 'node:assert/strict';
import { suite } from '../kit.mjs';
import { claimsOf, client, send, visit } from './clients.mjs';
import { usherDev } from './usher.mjs';

const [LIFETIME, LEEWAY] = [5, 2];
const tests = {};

// The TypeScript client asks for a new token when it meets a 401, or when its application says so; on /sse the
// session of the old one is over by then, so that application says so in time. The Python client looks at the clock.
for (const [name, renewEvery] of [['TypeScript client 2.4.0 on /sse', 3], ['Python 2.3.0 on /sse']]) {
  tests[`${name} refreshes its token and keeps its session`] = async ({ usher }) => {
    const seconds = 2 * (LIFETIME + LEEWAY) + 1;
    const { http, stayed, claims } = await visit(client(name), usher, { person: usher.ready.demo, stay: { seconds, calls: true, renewEvery } });

    assert.equal(stayed.length, seconds);
    for (const answer of stayed) assert.equal(claimsOf(answer).sub, claims.sub);
    const expiries = new Set(stayed.map((answer) => claimsOf(answer).exp));
    assert.ok(expiries.size >= 2, 'it was one and the same token');
    const sessions = new Set(http.map((one) => one.session).filter(Boolean));
    assert.equal(sessions.size, 1, `sessions: ${[...sessions]}`);
  };
}

// On /mcp a session waits for its next token: nobody tells the SDK to refresh, and the old token has been over
// for a while when the client calls again. Python's first line asks for no `offline_access`; it has its user sign in.
const PAUSE = LIFETIME + LEEWAY + 3;
const COMES_BACK = 'comes back by itself when its token has ended, to the same session';
for (const name of ['TypeScript client 2.4.0 on /mcp', 'Python 1.30.0 on /mcp']) {
  tests[`${name} ${COMES_BACK}`] = async ({ usher }) => {
    const { http, stayed, answer } = await send(client(name), usher, { person: usher.ready.demo, stay: { seconds: 2 * PAUSE, calls: true, callEvery: PAUSE } });

    const inside = http.slice(http.findIndex((one) => one.rpc === 'initialize' && one.status === 200));
    const written = inside.map((one) => `${one.method} ${one.path} ${one.rpc} ${one.status} ${one.session}`).join('\n');
    assert.equal(stayed.length, 2);
    const claims = [answer, ...stayed].map(claimsOf);
    assert.equal(new Set(claims.map(({ sub }) => sub)).size, 1);
    assert.equal(new Set(claims.map(({ exp }) => exp)).size, 3, 'not a token for each');
    assert.equal(new Set(inside.map((one) => one.session).filter(Boolean)).size, 1, `not one session:\n${written}`);
    assert.equal(inside.filter((one) => one.rpc === 'initialize').length, 1, `initialized again:\n${written}`);
    assert.ok(inside.every((one) => one.status < 400 || one.status === 401), `lost its session:\n${written}`);
    assert.ok(inside.some((one) => one.status === 401), `never met a 401:\n${written}`);
    const [first] = inside.filter((one) => one.method === 'GET' && one.said !== undefined);
    assert.match(first.said, /: closed: the access token has expired\n\n$/);
  };
}
tests[`TypeScript SDK 1.32.2 on /mcp ${COMES_BACK}`] = 'it asks for no offline_access, so it has nothing to refresh with and leaves the sign-in to its application';

for (const name of ['TypeScript client 2.4.0 on /mcp', 'TypeScript client 2.4.0 on /sse', 'Python 2.3.0 on /sse']) {
  tests[`${name} is told that its token has ended on its stream`] = async ({ usher }) => {
    const { http } = await send(client(name), usher, { person: usher.ready.demo, stay: { seconds: LIFETIME + LEEWAY + 3 } });

    const streams = http.filter((one) => one.method === 'GET' && one.said !== undefined && one.status === 200);
    assert.ok(streams.length > 0, 'no stream');
    assert.match(streams[0].said, /: closed: the access token has expired\n\n$/);
  };
}

suite('token life', async () => ({ usher: await usherDev({}, ['--token-lifetime', `${LIFETIME}s`, '--set', `issuer.leeway=${LEEWAY}s`]) }), tests);
