// Tokens that end while a client is there: one that has a new one keeps its session, one that has not is told
// why its stream ends.

import assert from 'node:assert/strict';
import { suite } from '../kit.mjs';
import { claimsOf, client, send, visit } from './clients.mjs';
import { usherDev } from './usher.mjs';

const [LIFETIME, LEEWAY] = [5, 2];
const tests = {};

// The TypeScript client asks for a new token when it meets a 401, or when its application says so; by then the
// session of the old one is over, so that application says so in time. The Python client looks at the clock.
for (const [name, renewEvery] of [['TypeScript client 2.4.0 on /mcp', 3], ['TypeScript client 2.4.0 on /sse', 3], ['Python 2.3.0 on /sse']]) {
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

for (const name of ['TypeScript client 2.4.0 on /mcp', 'TypeScript client 2.4.0 on /sse', 'Python 2.3.0 on /sse']) {
  tests[`${name} is told that its token has ended on its stream`] = async ({ usher }) => {
    const { http } = await send(client(name), usher, { person: usher.ready.demo, stay: { seconds: LIFETIME + LEEWAY + 3 } });

    const streams = http.filter((one) => one.method === 'GET' && one.said !== undefined && one.status === 200);
    assert.ok(streams.length > 0, 'no stream');
    assert.match(streams[0].said, /: closed: the access token has expired\n\n$/);
  };
}

suite('token life', async () => ({ usher: await usherDev({}, ['--token-lifetime', `${LIFETIME}s`, '--set', `issuer.leeway=${LEEWAY}s`]) }), tests);
