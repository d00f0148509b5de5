// `usher dev`: agents register themselves, the person signs in and consents, `whoami` answers.

import assert from 'node:assert/strict';
import { suite, within } from '../kit.mjs';
import { authorizationRequest, discover, obtainTokens, register, someRedirectUri } from '../plain_agent.mjs';
import { signIn } from '../sign_in.mjs';
import { CLIENTS, client, visit } from './clients.mjs';
import { usherDev } from './usher.mjs';

const person = (usher, more = {}) => ({ ...usher.ready.demo, ...more });
const tests = {};

for (const one of CLIENTS) {
  tests[`${one.name} registers, signs in and calls whoami`] = async ({ usher }) => {
    const { claims, registered, walk, authorize } = await visit(one, usher, { person: person(usher) });

    assert.ok(registered, 'the client did not register itself');
    assert.deepEqual(walk.pages, ['sign-in', 'consent']);
    assert.match(walk.consentText, /SmartMail AI/, 'the consent page does not name the agent');
    assert.match(walk.consentText, /127\.0\.0\.1/, 'the consent page does not say where it sends the person');
    assert.ok([usher.ready.url, usher.ready.mcp, usher.ready.sse].some((url) => authorize.resource?.replace(/\/$/, '') === url), `resource was ${authorize.resource}`);
    const scopes = authorize.scope.split(' ');
    for (const scope of ['openid', 'profile', 'email']) assert.ok(scopes.includes(scope), `scope was ${authorize.scope}`);
    assert.ok(claims.sub, 'no sub');
    assert.ok(claims.name, 'no name although consented');
    assert.match(claims.email ?? '', /@/, 'no email although consented');
  };
}

for (const name of ['TypeScript SDK 1.32.2 on /sse', 'TypeScript client 2.4.0 on /mcp, negotiating', 'Python 1.30.0 on /mcp']) {
  tests[`${name} does not learn what was not consented to`] = async ({ usher }) => {
    const { claims, walk } = await visit(client(name), usher, { person: person(usher, { untick: ['email'] }) });

    assert.ok(walk.offered.includes('email'), `no tick box for email: ${walk.offered}`);
    assert.ok(claims.name, 'no name although consented');
    for (const claim of ['email', 'email_verified']) assert.ok(!(claim in claims), `${claim} is there without consent`);
  };
}

tests['Python 2.3.0 on /sse learns neither name nor email without consent'] = async ({ usher }) => {
  const { claims } = await visit(client('Python 2.3.0 on /sse'), usher, { person: person(usher, { untick: ['email', 'profile'] }) });

  assert.ok(claims.sub, 'no sub');
  for (const claim of ['name', 'preferred_username', 'email', 'email_verified']) assert.ok(!(claim in claims), `${claim} is there without consent`);
};

for (const name of ['TypeScript SDK 1.32.2 on /mcp', 'Python 2.3.0 on /sse']) {
  tests[`${name} as the first-party app sees no consent page`] = async ({ usher }) => {
    const { claims, walk, registered } = await visit(client(name), usher, { clientId: usher.ready.official_client_id, person: person(usher) });

    assert.deepEqual(walk.pages, ['sign-in']);
    assert.equal(registered, false);
    assert.ok(claims.name && claims.email, 'the first-party app lacks claims');
  };
}

tests['a denied consent comes back as access_denied with state and iss'] = async ({ usher }) => {
  const metadata = await discover(usher.ready.issuer);
  const redirectUri = someRedirectUri();
  const clientId = await register(metadata, { name: 'Denied Agent', redirectUri });
  const request = authorizationRequest(metadata, { clientId, redirectUri, scope: 'openid profile email', resource: usher.ready.mcp });

  const { callback } = await signIn({ url: request.url, callback: redirectUri, ...person(usher, { decision: 'deny' }) });

  const answer = Object.fromEntries(new URL(callback).searchParams);
  assert.equal(answer.error, 'access_denied');
  assert.equal(answer.state, request.state);
  assert.equal(answer.iss, usher.ready.issuer);
  assert.ok(!answer.code, 'a code although denied');
};

tests['a stop ends an open stream and exits with 0'] = async ({ usher }) => {
  const metadata = await discover(usher.ready.issuer);
  const clientId = await register(metadata, { name: 'Last Agent', redirectUri: someRedirectUri() });
  const { access_token: token } = await obtainTokens({ issuer: usher.ready.issuer, clientId, person: person(usher), scope: 'openid', resource: usher.ready.sse });
  const stream = await fetch(usher.ready.sse, { headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' } });
  assert.equal(stream.status, 200);
  const reader = stream.body.getReader();
  const { value } = await reader.read();
  assert.match(new TextDecoder().decode(value), /event: endpoint/);

  const [how] = await Promise.all([usher.stop(), within(5_000, 'the stream to end', drain(reader))]);

  assert.equal(how, 0);
};

const drain = async (reader) => {
  while (!(await reader.read()).done);
};

suite('usher dev', async () => ({ usher: await usherDev() }), tests);
