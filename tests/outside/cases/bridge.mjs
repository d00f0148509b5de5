// `usher dev` with the bridge: agents register with Usher itself, as they would in front of a Logto.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { HERE, NODE, PYTHON, suite } from '../kit.mjs';
import { authorizationRequest, someRedirectUri } from '../plain_agent.mjs';
import { signIn } from '../sign_in.mjs';
import { CLIENTS, claimsOf, send, visit } from './clients.mjs';
import { usherDev } from './usher.mjs';

const person = (usher, more = {}) => ({ ...usher.ready.demo, ...more });
const tests = {};

/** What Usher says as an authorization server. */
const metadata = async ({ ready }) => (await fetch(`${ready.url}/.well-known/oauth-authorization-server`)).json();

for (const one of CLIENTS) {
  tests[`${one.name} registers with Usher, signs in at the provider and calls whoami`] = async ({ usher }) => {
    const { claims, registered, walk, authorize } = await visit(one, usher, { person: person(usher) });

    assert.ok(registered, 'the client did not register itself');
    assert.deepEqual(walk.pages, ['sign-in', 'consent']);
    assert.match(walk.consentText, /SmartMail AI \(unverified, leads to this computer\)/, 'the consent page does not say whose name it is and where it leads');
    assert.ok([usher.ready.mcp, usher.ready.sse].some((url) => authorize.resource === url), `resource was ${authorize.resource}`);
    assert.equal(claims.iss, usher.ready.issuer, 'the token is not the provider’s');
    assert.match(claims.email ?? '', /@/, 'no email although consented');
  };
}

// Programs that come with a sign-in of their own, and the one client that knows nothing newer than 2025-03-26.
const script = (name) => join(HERE, 'clients', name);
const PROGRAMS = [
  { name: 'mcp-remote 0.15.1', command: NODE, script: script('mcp_remote.mjs') },
  { name: 'MCP Inspector 2.12.0', command: NODE, script: script('inspector.mjs') },
  { name: 'fastmcp 4.1.2', command: PYTHON.fastmcp, script: script('fastmcp_client.py') },
  { name: 'TypeScript SDK 1.11.0', command: NODE, script: script('ts_sdk_1_11.mjs') },
  { name: 'TypeScript SDK 1.11.0 without metadata', command: NODE, script: script('ts_sdk_1_11.mjs'), noMetadata: true },
];

for (const one of PROGRAMS) {
  for (const transport of ['http', 'sse']) {
    const path = transport === 'sse' ? '/sse' : '/mcp';
    tests[`${one.name} on ${path} registers with Usher by itself and calls whoami`] = async ({ usher }) => {
      const { answer, walk, authorize, http } = await send({ ...one, transport }, usher, { noMetadata: one.noMetadata, person: person(usher) });

      assert.equal(claimsOf(answer).iss, usher.ready.issuer, 'the token is not the provider’s');
      assert.deepEqual(walk.pages, ['sign-in', 'consent']);
      assert.match(walk.consentText, /\(unverified, leads to this computer\)/, 'it is no agent that registered itself');
      assert.notEqual(authorize.client_id, undefined);
      if (!one.noMetadata) return;
      const paths = http.filter((exchange) => exchange.method === 'POST').map((exchange) => exchange.path);
      assert.ok(['/register', '/token'].every((bare) => paths.includes(bare)), `it did not take the bare paths: ${paths}`);
    };
  }
}

tests['a denied consent comes back as access_denied with the state and iss of Usher'] = async ({ usher }) => {
  const server = await metadata(usher);
  const redirectUri = someRedirectUri();
  const registered = await fetch(server.registration_endpoint, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' }) });
  const { client_id: clientId } = await registered.json();
  const request = authorizationRequest(server, { clientId, redirectUri, scope: 'openid', resource: usher.ready.mcp });

  const { callback } = await signIn({ url: request.url, callback: redirectUri, ...person(usher, { decision: 'deny' }) });

  const answer = Object.fromEntries(new URL(callback).searchParams);
  assert.equal(answer.error, 'access_denied');
  assert.equal(answer.state, request.state);
  assert.equal(answer.iss, usher.ready.url);
  assert.ok(!answer.code, 'a code although denied');
};

suite('bridge', async () => ({ usher: await usherDev({ USHER_REGISTRATION_MODE: 'bridge' }) }), tests);
