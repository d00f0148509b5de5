// Starting the server under judgement and the Logto-like provider.

import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HERE, NODE, ROOT, launch, start } from '../kit.mjs';
import { discover, obtainTokens, register, someRedirectUri } from '../plain_agent.mjs';

const anyPort = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--json'];

/** `USHER_BIN`, else the newest build. */
function binary() {
  if (process.env.USHER_BIN) return process.env.USHER_BIN;
  const target = process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target');
  const built = ['release', 'debug'].map((profile) => join(target, profile, 'usher')).filter(existsSync);
  if (built.length === 0) throw new Error('no usher binary: build one, or name it in USHER_BIN');
  return built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}

const env = { NODE }; // for the stand-in only

export const usherDev = (more = {}, flags = []) => launch('usher dev', binary(), ['dev', ...anyPort, '--provider-listen', '127.0.0.1:0', ...flags], { env: { ...env, ...more } });

const example = (name) => join(dirname(binary()), 'examples', name);

/** examples/conformance: every feature of the library, with a provider of its own. */
export const conformanceServer = () => launch('conformance server', process.env.CONFORMANCE_BIN ?? example('conformance'), [], { env });

/** examples/conformance_rmcp: the same, written for rmcp. */
export const rmcpServer = () => launch('rmcp server', process.env.CONFORMANCE_RMCP_BIN ?? example('conformance_rmcp'), [], { env });

/** examples/mounted: Usher below a path of somebody else's App; it prints the URL of its endpoint. */
export async function mountedServer() {
  const host = start('mounted', example('mounted'), ['127.0.0.1:0']);
  const mcp = await host.line(30_000, 'its URL', (line) => line.startsWith('http://') && line);
  const at = (path) => new URL(path, mcp).href;
  host.ready = { mcp, sse: at('sse'), url: at('.').replace(/\/$/, ''), home: at('/'), demo: { username: 'demo', password: 'demo' } };
  return host;
}

export function usherServe(issuer, settings = {}) {
  const set = Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  return launch('usher serve', binary(), ['serve', '--issuer', issuer, ...anyPort, ...set], { env });
}

/** Usher's own third-party agent, as a person runs it in a terminal. */
export const usherAgent = (...args) => start('usher agent', ...command(args));

/** The command that does so, in words. */
export const agentCommand = (...args) => command(args).flat();

const command = (args) => [binary(), ['agent', '--no-browser', ...args]];

export const logtoLike = () => launch('logto_like', NODE, [join(HERE, 'logto_like.mjs')]);

/** Makes a resource known to the provider, as an operator does in Logto's console. */
export async function addResource(logto, indicator) {
  const response = await fetch(`${logto.ready.origin}/api/resources`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name: 'MCP server', indicator }) });
  if (response.status !== 201) throw new Error(`adding a resource answered ${response.status}`);
}

/** Registers all three URLs that an agent may name as its resource. */
export async function addUsher(logto, usher) {
  for (const indicator of [usher.ready.url, usher.ready.mcp, usher.ready.sse]) await addResource(logto, indicator);
}

/** A token for `resource`, for a client that registered itself and whose user signed in. */
export async function tokenFor({ ready }, name, resource) {
  const redirectUri = someRedirectUri();
  const clientId = await register(await discover(ready.issuer), { name, redirectUri });
  const granted = await obtainTokens({ issuer: ready.issuer, clientId, redirectUri, person: ready.demo, scope: 'openid profile email', resource });
  return granted.access_token;
}

/** A bare authenticated POST: status, challenge and body, to see a refusal as it is. */
export async function knock(url, token) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'outside-judge', version: '1.0.0' } } }),
    signal: AbortSignal.timeout(15_000),
  });
  return { status: response.status, challenge: response.headers.get('www-authenticate') ?? '', body: await response.text() };
}
