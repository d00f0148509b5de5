// An OAuth client without an SDK: what the tutorial does by hand. Used where an SDK cannot be
// told to do what the test needs (no `resource`, a denied consent, a browser in between).

import { createHash, randomBytes } from 'node:crypto';
import { signIn } from './sign_in.mjs';

const random = () => randomBytes(32).toString('base64url');

async function json(response) {
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} from ${response.url}: ${text.slice(0, 400)}`);
  return JSON.parse(text);
}

const post = (url, fields, headers = {}) => fetch(url, { method: 'POST', body: new URLSearchParams(fields), headers, signal: AbortSignal.timeout(15_000) });

export const discover = async (issuer) => json(await fetch(`${issuer}/.well-known/openid-configuration`, { signal: AbortSignal.timeout(15_000) }));

/** Dynamic registration of a public client (RFC 7591); gives its client id. */
export async function register(metadata, { name, redirectUri }) {
  const wanted = { client_name: name, redirect_uris: [redirectUri], token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], application_type: 'native' };
  const response = await fetch(metadata.registration_endpoint, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(wanted), signal: AbortSignal.timeout(15_000) });
  return (await json(response)).client_id;
}

/** An authorization request with PKCE: where to send the person, and what to remember. */
export function authorizationRequest(metadata, { clientId, redirectUri, scope, resource, prompt }) {
  const [verifier, state] = [random(), random()];
  const url = new URL(metadata.authorization_endpoint);
  const parameters = {
    response_type: 'code', client_id: clientId, redirect_uri: redirectUri, scope, state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256',
    ...(resource && { resource }), ...(prompt && { prompt }),
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return { url: url.href, state, verifier };
}

export async function redeem(metadata, { clientId, redirectUri, code, verifier, resource }) {
  return json(await post(metadata.token_endpoint, { grant_type: 'authorization_code', client_id: clientId, redirect_uri: redirectUri, code, code_verifier: verifier, ...(resource && { resource }) }));
}

/** The whole way by hand: authorize, sign in, consent, redeem. Without `resource` the token is opaque. */
export async function obtainTokens({ issuer, clientId, person, scope, resource, redirectUri = someRedirectUri() }) {
  const metadata = await discover(issuer);
  const request = authorizationRequest(metadata, { clientId, redirectUri, scope, resource });
  const { callback } = await signIn({ url: request.url, callback: redirectUri, ...person });
  const answer = new URL(callback).searchParams;
  if (answer.get('state') !== request.state) throw new Error(`state came back changed: ${callback}`);
  return redeem(metadata, { clientId, redirectUri, code: answer.get('code'), verifier: request.verifier, resource });
}

export async function revoke(issuer, clientId, token) {
  const { revocation_endpoint: url } = await discover(issuer);
  const response = await post(url, { token, client_id: clientId });
  if (response.status !== 200) throw new Error(`revocation answered ${response.status}`);
}

/** A loopback redirect URI. Nobody listens there: the code is read from the redirect. */
export const someRedirectUri = () => `http://127.0.0.1:${20000 + Math.floor(Math.random() * 10000)}/callback`;
