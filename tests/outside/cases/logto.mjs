// `usher serve` beside a provider like Logto: static client ids, JWTs for this server only.

import assert from 'node:assert/strict';
import { suite } from '../kit.mjs';
import { obtainTokens } from '../plain_agent.mjs';
import { CLIENTS, client, visit } from './clients.mjs';
import { addResource, addUsher, knock, logtoLike, usherServe } from './usher.mjs';

const SCOPE = 'mcp:tools';
const tests = {};

for (const one of CLIENTS) {
  tests[`${one.name} signs in with its client id and calls whoami`] = async ({ usher, logto }) => {
    const [alice] = logto.ready.users;
    const clientId = logto.ready.third_party.client_id;

    const { claims, registered, walk, authorize } = await visit(one, usher, { clientId, person: alice });

    assert.equal(registered, false);
    assert.deepEqual(walk.pages, ['sign-in', 'consent']);
    assert.ok(authorize.scope.split(' ').includes(SCOPE), `scope was ${authorize.scope}`);
    assert.equal(claims.sub, alice.id);
    assert.equal(claims.iss, logto.ready.issuer);
    assert.equal(claims.client_id, clientId);
    for (const claim of ['name', 'email']) assert.ok(!(claim in claims), `${claim}: a Logto JWT has no profile claims`);
  };
}

tests['the first-party app sees no consent page'] = async ({ usher, logto }) => {
  const [alice] = logto.ready.users;
  const { claims, walk } = await visit(client('TypeScript client 2.4.0 on /mcp'), usher, { clientId: logto.ready.first_party.client_id, person: alice });

  assert.deepEqual(walk.pages, ['sign-in']);
  assert.equal(claims.sub, alice.id);
};

tests['an opaque token is refused with a challenge'] = async ({ usher, logto }) => {
  const { access_token: token } = await obtainTokens({ issuer: logto.ready.issuer, clientId: logto.ready.third_party.client_id, person: logto.ready.users[0], scope: 'openid profile' });
  assert.ok(!token.includes('.'), 'not an opaque token');

  const { status, challenge } = await knock(usher.ready.mcp, token);

  assert.equal(status, 401);
  assert.match(challenge, /^Bearer .*resource_metadata="/);
};

tests['a JWT for another resource is refused'] = async ({ usher, logto }) => {
  const resource = 'http://127.0.0.1:9/elsewhere';
  await addResource(logto, resource);
  const { access_token: token } = await obtainTokens({ issuer: logto.ready.issuer, clientId: logto.ready.third_party.client_id, person: logto.ready.users[0], scope: SCOPE, resource });
  assert.equal(token.split('.').length, 3, 'not a JWT');

  const { status, challenge } = await knock(usher.ready.mcp, token);

  assert.equal(status, 401);
  assert.match(challenge, /error="invalid_token"/);
};

tests['a JWT without the required scope is told which one: the role lacks it, Logto dropped it'] = async ({ usher, logto }) => {
  const [, bob] = logto.ready.users;
  const { access_token: token } = await obtainTokens({ issuer: logto.ready.issuer, clientId: logto.ready.third_party.client_id, person: bob, scope: `openid ${SCOPE}`, resource: usher.ready.mcp });

  const { status, challenge } = await knock(usher.ready.mcp, token);

  assert.equal(status, 403);
  assert.match(challenge, /^Bearer .*error="insufficient_scope"/);
  assert.match(challenge, new RegExp(`scope="[^"]*${SCOPE}`));
};

tests['a JWT for this server is let in by hand too'] = async ({ usher, logto }) => {
  const { access_token: token } = await obtainTokens({ issuer: logto.ready.issuer, clientId: logto.ready.third_party.client_id, person: logto.ready.users[0], scope: SCOPE, resource: usher.ready.mcp });

  const { status, body } = await knock(usher.ready.mcp, token);

  assert.equal(status, 200);
  assert.match(body, /"protocolVersion":\s*"2025-11-25"/);
};

async function start() {
  const logto = await logtoLike();
  const usher = await usherServe(logto.ready.issuer, { 'resource.scopes': SCOPE, 'resource.required_scopes': SCOPE });
  await addUsher(logto, usher);
  return { logto, usher };
}

suite('usher serve, JWT', start, tests);
