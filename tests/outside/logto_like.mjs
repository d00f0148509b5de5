// A provider that behaves like Logto: npm `oidc-provider` (which Logto itself is built on) with
// the set-up that a real Logto showed when it was recorded.
//
//   node logto_like.mjs [--resource URL]... [--dev]
//
// Listens on a free loopback port, prints one JSON line when ready, ends on SIGTERM.
// What it keeps of Logto: the issuer has a path and only `<issuer>/.well-known/...` answers; no
// registration endpoint; an opaque token without `resource`, an ES384 `at+jwt` with it, without
// profile claims; `iss` in every callback; consent for third parties only; Cancel goes to the bare
// redirect URI; offline_access needs prompt=consent; resource scopes that the user's role lacks are
// dropped silently, user scopes that the agent was not granted are an error; the error body has
// Logto's `code` and `message` beside the RFC's members.
// `POST /api/resources {"indicator"}` adds a resource, as Logto's Management API does (no token asked).
//
// `--dev` makes it a stand-in for Usher's own development provider instead: dynamic registration,
// a tick box per scope, access_denied on Deny, profile claims in the JWT, the user demo/demo.

import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';

console.info = console.error; // stdout is for the ready line only
const { default: Provider, errors, interactionPolicy } = await import('oidc-provider');

const { values: options } = parseArgs({
  options: { resource: { type: 'string', multiple: true, default: [] }, dev: { type: 'boolean', default: false } },
});

const users = options.dev
  ? [{ id: 'demo-user', username: 'demo', password: 'demo', name: 'Demo User', email: 'demo@example.com', roles: ['agent user'] }]
  : [
      { id: 'ali01ce02xyz', username: 'alice', password: 'Al1ce-sign-in', name: 'Alice Example', email: 'alice@example.com', roles: ['agent user'] },
      { id: 'b0b03b04xyzu', username: 'bob', password: 'B0b-sign-in', name: 'Bob Example', email: 'bob@example.com', roles: [] },
    ];
const roleScopes = { 'agent user': ['mcp:tools', 'notes:read'] };
const resources = new Set(options.resource);
const scopeWords = {
  profile: 'Your name and username', email: 'Your email address',
  'mcp:tools': 'Call tools', 'notes:read': 'Read your notes', offline_access: 'Stay signed in',
};

const publicClient = { token_endpoint_auth_method: 'none', application_type: 'native', grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] };
const introspection = { id: 'resource-server', secret: randomBytes(24).toString('base64url') };
const clients = [
  { ...publicClient, client_id: 'third-party-agent', client_name: 'Agent Smith', is_third_party: true, redirect_uris: ['http://127.0.0.1/callback'], scope: 'openid offline_access profile email' },
  { ...publicClient, client_id: 'official-app', client_name: 'Official App', is_third_party: false, redirect_uris: ['http://127.0.0.1/callback'] },
  { client_id: introspection.id, client_secret: introspection.secret, client_name: 'Resource server', is_third_party: false, token_endpoint_auth_method: 'client_secret_basic', grant_types: ['client_credentials'], response_types: [], redirect_uris: [] },
];

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const signingKey = { ...privateKey.export({ format: 'jwk' }), alg: 'ES384', use: 'sig', kid: randomBytes(8).toString('hex') };

const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const origin = `http://127.0.0.1:${server.address().port}`;
const issuer = `${origin}/oidc`;

// Logto leaves out oidc-provider's "native clients are always asked": one consent is remembered.
const policy = interactionPolicy.base();
policy.get('consent').checks.remove('native_client_prompt');

const allowedResourceScopes = (user) => (user ? user.roles.flatMap((role) => roleScopes[role]) : Object.values(roleScopes).flat());
const findUser = (id) => users.find((user) => user.id === id);

const provider = new Provider(issuer, {
  clients,
  jwks: { keys: [signingKey] },
  cookies: { keys: [randomBytes(16).toString('hex')], names: { session: '_session', interaction: '_interaction', resume: '_interaction_resume' } },
  scopes: ['openid', 'offline_access', 'profile', 'email', 'phone', 'address'],
  claims: {
    openid: ['sub'],
    profile: ['name', 'preferred_username', 'username', 'picture', 'updated_at', 'created_at'],
    email: ['email', 'email_verified'],
    phone: ['phone_number', 'phone_number_verified'],
    address: ['address'],
  },
  extraClientMetadata: { properties: ['is_third_party'] },
  clientDefaults: { id_token_signed_response_alg: 'ES384' },
  enabledJWA: { idTokenSigningAlgValues: ['ES384'], userinfoSigningAlgValues: ['ES384'] },
  pkce: { required: (_, client) => client.clientAuthMethod === 'none' },
  conformIdTokenClaims: false,
  rotateRefreshToken: true,
  revokeGrantPolicy: () => true,
  ttl: { AccessToken: 3600, AuthorizationCode: 60, Grant: 86400, IdToken: 3600, Interaction: 600, RefreshToken: 1209600, Session: 86400 },
  interactions: {
    policy,
    url: (ctx, interaction) => `${origin}/${interaction.prompt.name === 'login' ? 'sign-in' : 'consent'}?app_id=${encodeURIComponent(ctx.oidc.client.clientId)}`,
  },
  findAccount: (_, id) => {
    const user = findUser(id);
    return user && { accountId: id, claims: () => userClaims(user) };
  },
  extraTokenClaims: options.dev ? profileInJwt : undefined,
  features: {
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    revocation: { enabled: true },
    clientCredentials: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    registration: { enabled: options.dev },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      getResourceServerInfo: (ctx, indicator) => {
        if (!resources.has(indicator)) throw new errors.InvalidTarget('resource indicator is missing, or unknown');
        const account = ctx.oidc.account?.accountId ?? ctx.oidc.session?.accountId;
        return {
          scope: allowedResourceScopes(findUser(account)).join(' '),
          audience: indicator,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: 'ES384', kid: signingKey.kid } },
        };
      },
    },
  },
  renderError: (ctx, out) => {
    ctx.body = out; // Logto answers JSON here too, never a page
    if (options.dev) errorPage(ctx, out);
  },
});

function userClaims(user) {
  const [created, updated] = [1763856000000, 1763859600000];
  return {
    sub: user.id, name: user.name, preferred_username: user.username, username: user.username, picture: null,
    created_at: created, updated_at: updated, email: user.email, email_verified: true,
  };
}

async function profileInJwt(ctx, token) {
  const grant = token.grantId && (await ctx.oidc.provider.Grant.find(token.grantId));
  const user = findUser(token.accountId);
  if (!grant || !user) return undefined;
  const granted = grant.getOIDCScopeFiltered(new Set(['profile', 'email'])).split(' ');
  return {
    ...(granted.includes('profile') && { name: user.name, preferred_username: user.username }),
    ...(granted.includes('email') && { email: user.email, email_verified: true }),
  };
}

// Error bodies as Logto writes them.
provider.use(async (ctx, next) => {
  await next();
  const body = ctx.body;
  if (body && typeof body === 'object' && typeof body.error === 'string' && !options.dev) {
    ctx.body = { code: `oidc.${body.error}`, message: body.error_description ?? body.error, ...body };
  }
});

const escape = (text) => String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

function sendPage(response, status, title, body) {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'cache-control': 'no-store',
  });
  response.end(`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escape(title)}</title></head><body><main><h1>${escape(title)}</h1>${body}</main></body></html>`);
}

function errorPage(ctx, { error_description: words }) {
  ctx.set({ 'content-security-policy': "default-src 'none'; frame-ancestors 'none'", 'cache-control': 'no-store' });
  ctx.type = 'html';
  ctx.body = `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Error</title><main><h1>${escape(words)}</h1></main></html>`;
}

const signInPage = (response, status, note) => sendPage(response, status, 'Sign in', `${note ? `<p role="alert">${escape(note)}</p>` : ''}
  <form method="post"><label>Username <input name="username" autocomplete="username" required autofocus></label>
  <label>Password <input name="password" type="password" autocomplete="current-password" required></label><button>Sign in</button></form>`);

function consentPage(response, client, prompt) {
  const asked = [...(prompt.details.missingOIDCScope ?? []), ...Object.values(prompt.details.missingResourceScopes ?? {}).flat()].filter((scope) => scope !== 'openid');
  const items = asked.map((scope) => {
    const words = escape(scopeWords[scope] ?? scope);
    return options.dev ? `<li><label><input type="checkbox" name="scope" value="${escape(scope)}" checked> ${words}</label></li>` : `<li>${words}</li>`;
  });
  sendPage(response, 200, `Authorize ${client.clientName}`, `${options.dev ? '<p>This agent is unverified.</p>' : ''}<p>You will be redirected to ${escape(client.redirectUris[0] ?? '')}.</p>
  <form method="post"><input type="hidden" name="form" value="consent"><ul>${items.join('')}</ul>
  <button name="decision" value="deny">Cancel</button> <button name="decision" value="allow">Authorize</button></form>`);
}

async function readBody(request) {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > 16384) throw new Error('body too large');
  }
  return text;
}

async function signIn(request, response) {
  await provider.interactionDetails(request, response);
  if (request.method !== 'POST') return signInPage(response, 200);
  const form = new URLSearchParams(await readBody(request));
  const user = users.find((one) => one.username === form.get('username') && one.password === form.get('password'));
  if (!user) return signInPage(response, 422, 'Incorrect account or password.');
  return provider.interactionFinished(request, response, { login: { accountId: user.id } });
}

async function consent(request, response) {
  const interaction = await provider.interactionDetails(request, response);
  const { prompt, params, session } = interaction;
  const client = await provider.Client.find(params.client_id);
  const isThirdParty = client.is_third_party !== false;
  let ticked = null; // null: everything that was asked
  if (isThirdParty) {
    if (request.method !== 'POST') return consentPage(response, client, prompt);
    const form = new URLSearchParams(await readBody(request));
    if (form.get('decision') !== 'allow') {
      if (options.dev) return provider.interactionFinished(request, response, { error: 'access_denied', error_description: 'the user denied the request' });
      response.writeHead(302, { location: params.redirect_uri });
      return response.end();
    }
    if (options.dev) ticked = form.getAll('scope');
  }
  const grant = interaction.grantId ? await provider.Grant.find(interaction.grantId) : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  for (const scope of prompt.details.missingOIDCScope ?? []) {
    if (ticked === null || scope === 'openid' || ticked.includes(scope)) grant.addOIDCScope(scope);
    else grant.rejectOIDCScope(scope);
  }
  for (const [indicator, scopes] of Object.entries(prompt.details.missingResourceScopes ?? {})) grant.addResourceScope(indicator, scopes.join(' '));
  return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}

async function addResource(request, response) {
  const { indicator } = JSON.parse(await readBody(request));
  resources.add(indicator);
  response.writeHead(201, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ id: randomBytes(6).toString('hex'), indicator, isDefault: false, accessTokenTtl: 600, scopes: [] }));
}

const oidc = provider.callback();
async function route(request, response) {
  const { pathname } = new URL(request.url, origin);
  if (pathname.startsWith('/oidc/')) {
    request.originalUrl = request.url;
    request.url = request.url.slice('/oidc'.length);
    return oidc(request, response);
  }
  if (pathname === '/sign-in') return signIn(request, response);
  if (pathname === '/consent') return consent(request, response);
  if (pathname === '/api/resources' && request.method === 'POST') return addResource(request, response);
  if (pathname === '/favicon.ico') return response.writeHead(204).end();
  response.writeHead(404, { 'content-type': 'text/plain' });
  return response.end('Not Found');
}

server.on('request', (request, response) => {
  console.error(`${request.method} ${request.url.split('?')[0]}`);
  route(request, response).catch((error) => {
    console.error(error);
    if (!response.headersSent) sendPage(response, 400, 'Something is wrong', `<p>${escape(error.message)}</p>`);
    else response.end();
  });
});
provider.on('server_error', (_, error) => console.error(error));

const stop = () => {
  server.close(() => process.exit(0));
  server.closeAllConnections();
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
if (options.dev) process.stdin.on('end', stop).resume(); // the stand-in that started it is gone

console.log(JSON.stringify({
  event: 'ready', issuer, origin,
  third_party: { client_id: 'third-party-agent', name: 'Agent Smith' },
  first_party: { client_id: 'official-app' },
  introspection: { client_id: introspection.id, client_secret: introspection.secret },
  users: users.map(({ id, username, password, name, email }) => ({ id, username, password, name, email })),
}));
