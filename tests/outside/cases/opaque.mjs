// `usher serve` with opaque tokens, as the tutorial has it: userinfo, and introspection.
//
// SDKs that always send `resource` get a JWT from Logto, so here the token is obtained by hand
// and given to the client; the TypeScript SDKs can be told to leave `resource` out.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from '../kit.mjs';
import { obtainTokens, revoke } from '../plain_agent.mjs';
import { CLIENTS, client, visit } from './clients.mjs';
import { addUsher, knock, logtoLike, usherServe } from './usher.mjs';

const SCOPE = 'openid profile email';

const opaqueToken = async ({ logto }, scope = SCOPE) => {
  const [alice] = logto.ready.users;
  const { access_token: token } = await obtainTokens({ issuer: logto.ready.issuer, clientId: logto.ready.third_party.client_id, person: alice, scope });
  assert.ok(!token.includes('.'), 'not an opaque token');
  return token;
};

/** One token for all clients of a suite: what matters is that each of them gets in with it. */
const sharedToken = (shared) => (shared.token ??= opaqueToken(shared));

const userinfo = {};
const introspection = {};

for (const one of CLIENTS) {
  userinfo[`${one.name} calls whoami with an opaque token`] = async (shared) => {
    const [alice] = shared.logto.ready.users;
    const { claims } = await visit(one, shared.usher, { bearer: await sharedToken(shared) });

    assert.equal(claims.sub, alice.id);
    assert.equal(claims.name, alice.name);
    assert.equal(claims.email, alice.email);
  };

  introspection[`${one.name} calls whoami with an opaque token`] = async (shared) => {
    const { claims } = await visit(one, shared.usher, { bearer: await sharedToken(shared) });

    assert.equal(claims.sub, shared.logto.ready.users[0].id);
    assert.equal(claims.client_id, shared.logto.ready.third_party.client_id);
    for (const claim of ['name', 'email']) assert.ok(!(claim in claims), `${claim}: introspection tells no profile`);
  };
}

for (const name of ['TypeScript SDK 1.32.2 on /sse', 'TypeScript client 2.4.0 on /mcp']) {
  userinfo[`${name} signs in without a resource and calls whoami`] = async ({ usher, logto }) => {
    const [alice] = logto.ready.users;
    const { claims, walk, authorize } = await visit(client(name), usher, { clientId: logto.ready.third_party.client_id, noResource: true, person: alice });

    assert.equal(authorize.resource, undefined);
    assert.deepEqual(walk.pages, ['sign-in', 'consent']);
    assert.equal(claims.name, alice.name);
    assert.equal(claims.email, alice.email);
  };
}

userinfo['a token without profile and email shows neither'] = async (shared) => {
  const bearer = await opaqueToken(shared, 'openid');
  const { claims } = await visit(client('Python 2.3.0 on /mcp'), shared.usher, { bearer });

  assert.equal(claims.sub, shared.logto.ready.users[0].id);
  for (const claim of ['name', 'email']) assert.ok(!(claim in claims), `${claim} is there without consent`);
};

userinfo['a JWT is refused: Logto answers no userinfo for it'] = async ({ usher, logto }) => {
  const { access_token: token } = await obtainTokens({ issuer: logto.ready.issuer, clientId: logto.ready.third_party.client_id, person: logto.ready.users[0], scope: SCOPE, resource: usher.ready.mcp });
  assert.equal(token.split('.').length, 3, 'not a JWT');

  assert.equal((await knock(usher.ready.mcp, token)).status, 401);
};

for (const tests of [userinfo, introspection]) {
  tests['a revoked token is refused'] = async (shared) => {
    const { logto, usher } = shared;
    const token = await opaqueToken(shared);
    await revoke(logto.ready.issuer, logto.ready.third_party.client_id, token);

    const { status, challenge } = await knock(usher.ready.mcp, token);

    assert.equal(status, 401);
    assert.match(challenge, /^Bearer .*error="invalid_token"/);
  };

  tests['a made-up token is refused'] = async ({ usher }) => {
    const { status, challenge } = await knock(usher.ready.mcp, 'x'.repeat(43));

    assert.equal(status, 401);
    assert.match(challenge, /^Bearer .*error="invalid_token"/);
  };
}

async function startUserinfo() {
  const logto = await logtoLike();
  const usher = await usherServe(logto.ready.issuer, { 'issuer.verification': 'userinfo', 'resource.scopes': SCOPE });
  await addUsher(logto, usher);
  return { logto, usher };
}

introspection['a token whose introspection names no audience is refused unless the operator allows it'] = async (shared) => {
  const { status } = await knock(shared.strict.ready.mcp, await sharedToken(shared));

  assert.equal(status, 401);
};

async function startIntrospection() {
  const logto = await logtoLike();
  const folder = await mkdtemp(join(tmpdir(), 'usher-outside-'));
  const file = join(folder, 'secret');
  await writeFile(file, logto.ready.introspection.client_secret, { mode: 0o600 });
  const settings = {
    'issuer.verification': 'introspection',
    'issuer.introspection_client_id': logto.ready.introspection.client_id,
    'issuer.introspection_client_secret_file': file,
    'resource.scopes': SCOPE,
  };
  try {
    const strict = await usherServe(logto.ready.issuer, settings);
    const usher = await usherServe(logto.ready.issuer, { ...settings, 'issuer.introspection_without_audience': 'true' });
    return { logto, usher, strict };
  } finally {
    await rm(folder, { recursive: true });
  }
}

suite('usher serve, userinfo', startUserinfo, userinfo);
suite('usher serve, introspection', startIntrospection, introspection);
