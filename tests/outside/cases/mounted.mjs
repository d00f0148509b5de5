// `examples/mounted`: below a path of somebody else's App, clients find the sign-in by the documents
// at the origin's root, and get in on every transport.

import assert from 'node:assert/strict';
import { suite } from '../kit.mjs';
import { client, visit } from './clients.mjs';
import { mountedServer } from './usher.mjs';

const METADATA = '/.well-known/oauth-protected-resource/ai';
const tests = {};

for (const name of ['TypeScript SDK 1.32.2 on /mcp', 'TypeScript SDK 1.32.2 on /sse', 'TypeScript client 2.4.0 on /mcp, negotiating', 'Python 2.3.0 on /mcp']) {
  tests[`${name} finds the sign-in below a path and calls whoami`] = async ({ host }) => {
    const { claims, walk, http, authorize } = await visit(client(name), host, { person: host.ready.demo });

    assert.deepEqual(walk.pages, ['sign-in', 'consent']);
    assert.ok(claims.email, 'no e-mail although consented');
    const { origin } = new URL(host.ready.home);
    const found = http.filter((one) => one.origin === origin && one.path.startsWith('/.well-known/'));
    assert.ok(found.some((one) => one.path.startsWith(METADATA) && one.status === 200), `metadata was not found: ${JSON.stringify(found)}`);
    assert.ok(authorize.resource?.startsWith(host.ready.url), `resource was ${authorize.resource}`);
    const home = await fetch(host.ready.home);
    assert.equal(await home.text(), 'The rest of your app');
  };
}

suite('mounted', async () => ({ host: await mountedServer() }), tests);
