// The Logto-like provider against what a real Logto showed: a wrong double would judge wrongly.

import assert from 'node:assert/strict';
import { suite } from '../kit.mjs';
import { authorizationRequest, discover, obtainTokens, redeem, someRedirectUri } from '../plain_agent.mjs';
import { signIn } from '../sign_in.mjs';
import { addResource, logtoLike } from './usher.mjs';

const RESOURCE = 'http://127.0.0.1:9/mcp';
const tests = {};

const tokens = ({ logto }, scope, resource, user = 0) =>
  obtainTokens({ issuer: logto.ready.issuer, clientId: logto.ready.third_party.client_id, person: logto.ready.users[user], scope, resource });
const part = (jwt, index) => JSON.parse(Buffer.from(jwt.split('.')[index], 'base64url'));
const get = (url, headers = {}) => fetch(url, { headers });

tests['discovery answers under the issuer only, and names no registration endpoint'] = async ({ logto: { ready } }) => {
  for (const path of ['/oidc/.well-known/openid-configuration', '/oidc/.well-known/oauth-authorization-server']) {
    const metadata = await (await get(ready.origin + path)).json();
    assert.equal(metadata.issuer, ready.issuer);
    assert.ok(!('registration_endpoint' in metadata), 'a registration endpoint');
    assert.equal(metadata.authorization_response_iss_parameter_supported, true);
    assert.deepEqual(metadata.code_challenge_methods_supported, ['S256']);
    assert.deepEqual(metadata.id_token_signing_alg_values_supported, ['ES384']);
    assert.equal(metadata.userinfo_endpoint, `${ready.issuer}/me`);
    assert.equal(metadata.introspection_endpoint, `${ready.issuer}/token/introspection`);
    assert.equal(metadata.revocation_endpoint, `${ready.issuer}/token/revocation`);
    assert.ok(metadata.token_endpoint_auth_methods_supported.includes('none'));
  }
  for (const path of ['/.well-known/oauth-authorization-server/oidc', '/.well-known/openid-configuration/oidc', '/.well-known/openid-configuration', '/oidc/reg']) {
    assert.equal((await get(ready.origin + path)).status, 404, path);
  }
};

tests['a resource makes the access token an ES384 JWT without profile claims'] = async (shared) => {
  const { access_token: token, scope } = await tokens(shared, 'openid profile email mcp:tools', RESOURCE);

  assert.equal(scope, 'mcp:tools');
  const { alg, typ, kid } = part(token, 0);
  assert.deepEqual([alg, typ], ['ES384', 'at+jwt']);
  const { keys } = await (await get(`${shared.logto.ready.issuer}/jwks`)).json();
  assert.deepEqual(keys.map((key) => key.kid), [kid]);
  const claims = part(token, 1);
  assert.deepEqual(Object.keys(claims).sort(), ['aud', 'client_id', 'exp', 'iat', 'iss', 'jti', 'scope', 'sub']);
  assert.equal(claims.aud, RESOURCE);
  assert.equal(claims.sub, shared.logto.ready.users[0].id);
};

tests['scopes that the role lacks are dropped without a word'] = async (shared) => {
  const { access_token: token } = await tokens(shared, 'openid mcp:tools', RESOURCE, 1);

  assert.ok(!part(token, 1).scope, `scope is ${part(token, 1).scope}`);
};

tests['a user scope that the agent was not granted is an error with state and iss'] = async ({ logto: { ready } }) => {
  const redirectUri = someRedirectUri();
  const request = authorizationRequest(await discover(ready.issuer), { clientId: ready.third_party.client_id, redirectUri, scope: 'openid phone' });

  const { callback } = await signIn({ url: request.url, callback: redirectUri });

  const answer = Object.fromEntries(new URL(callback).searchParams);
  assert.equal(answer.error, 'invalid_scope');
  assert.equal(answer.iss, ready.issuer);
  assert.equal(answer.state, request.state);
};

tests['without a resource the token is opaque and good for userinfo'] = async (shared) => {
  const { access_token: token } = await tokens(shared, 'openid profile email');

  assert.match(token, /^[\w-]{43}$/);
  const me = await (await get(`${shared.logto.ready.issuer}/me`, { authorization: `Bearer ${token}` })).json();
  assert.equal(me.name, 'Alice Example');
  assert.equal(me.email, 'alice@example.com');
};

tests['userinfo refuses a JWT'] = async (shared) => {
  const { access_token: token } = await tokens(shared, 'openid mcp:tools', RESOURCE);

  const response = await get(`${shared.logto.ready.issuer}/me`, { authorization: `Bearer ${token}` });

  assert.equal(response.status, 401);
  assert.match(response.headers.get('www-authenticate'), /error="invalid_token"/);
  assert.equal((await response.json()).code, 'oidc.invalid_token');
};

tests['introspection knows opaque tokens, wants a secret, and refuses JWTs'] = async (shared) => {
  const { issuer, introspection } = shared.logto.ready;
  const ask = (token, secret) => fetch(`${issuer}/token/introspection`, {
    method: 'POST', body: new URLSearchParams({ token }),
    headers: secret ? { authorization: `Basic ${btoa(`${introspection.client_id}:${secret}`)}` } : {},
  });
  const opaque = (await tokens(shared, 'openid profile')).access_token;
  const jwt = (await tokens(shared, 'openid mcp:tools', RESOURCE)).access_token;

  const known = await (await ask(opaque, introspection.client_secret)).json();
  assert.equal(known.active, true);
  assert.equal(known.sub, shared.logto.ready.users[0].id);
  assert.ok(!('aud' in known) && !('username' in known), 'Logto tells neither aud nor username');
  assert.deepEqual(await (await ask('x'.repeat(43), introspection.client_secret)).json(), { active: false });
  const refused = await ask(jwt, introspection.client_secret);
  assert.equal(refused.status, 400);
  assert.equal((await refused.json()).error, 'unsupported_token_type');
  assert.equal((await ask(opaque)).status, 400);
};

tests['an unknown resource is invalid_target, also with only a slash more'] = async ({ logto: { ready } }) => {
  const redirectUri = someRedirectUri();
  const request = authorizationRequest(await discover(ready.issuer), { clientId: ready.third_party.client_id, redirectUri, scope: 'openid', resource: `${RESOURCE}/` });

  const { callback } = await signIn({ url: request.url, callback: redirectUri });

  assert.equal(new URL(callback).searchParams.get('error'), 'invalid_target');
};

tests['Cancel goes to the bare redirect URI'] = async ({ logto: { ready } }) => {
  const redirectUri = someRedirectUri();
  const request = authorizationRequest(await discover(ready.issuer), { clientId: ready.third_party.client_id, redirectUri, scope: 'openid profile' });

  const { callback } = await signIn({ url: request.url, callback: redirectUri, ...ready.users[0], decision: 'deny' });

  assert.equal(callback, redirectUri);
};

for (const [prompt, expected] of [[undefined, false], ['consent', true]]) {
  tests[`offline_access ${expected ? 'gives a refresh token with' : 'is dropped without'} prompt=consent`] = async ({ logto: { ready } }) => {
    const [redirectUri, clientId] = [someRedirectUri(), ready.third_party.client_id];
    const metadata = await discover(ready.issuer);
    const request = authorizationRequest(metadata, { clientId, redirectUri, scope: 'openid offline_access', prompt });

    const { callback } = await signIn({ url: request.url, callback: redirectUri, ...ready.users[0] });
    const answer = await redeem(metadata, { clientId, redirectUri, code: new URL(callback).searchParams.get('code'), verifier: request.verifier });

    assert.equal('refresh_token' in answer, expected);
  };
}

async function start() {
  const logto = await logtoLike();
  await addResource(logto, RESOURCE);
  return { logto };
}

suite('logto_like', start, tests);
