// deploy/: a real Prometheus scrapes a server that has had some traffic, is given our alerts, and is asked
// what every panel of our dashboard asks. A metric that was renamed shows as a panel without data.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HERE, ROOT, start, suite } from '../kit.mjs';
import { knock, tokenFor, usherDev } from './usher.mjs';

const BIN = join(HERE, '.cache/prometheus/usr/bin');
const ALERTS = join(ROOT, 'deploy/prometheus/alerts.yaml');
const DASHBOARD = join(ROOT, 'deploy/grafana/usher.json');
const run = promisify(execFile);

/** Panels that a server in good health has nothing to show in. */
const QUIET = new Set(['Errors, by kind', 'Calls that did not go well', 'Sessions of others', 'Limits reached', 'Callers known without asking']);

const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

/** Prometheus on a free port, with a folder of its own. */
async function prometheus(target) {
  const folder = await mkdtemp(join(tmpdir(), 'usher-prometheus-'));
  const config = { global: { scrape_interval: '1s', evaluation_interval: '1s' }, rule_files: [ALERTS], scrape_configs: [{ job_name: 'usher', static_configs: [{ targets: [target] }] }] };
  await writeFile(join(folder, 'prometheus.yaml'), JSON.stringify(config)); // JSON is YAML
  const origin = `127.0.0.1:${await freePort()}`;
  const child = start('prometheus', join(BIN, 'prometheus'), [`--config.file=${join(folder, 'prometheus.yaml')}`, `--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=${origin}`, '--log.level=warn']);
  const ask = async (path, query = {}) => {
    const answer = await fetch(`http://${origin}/api/v1/${path}?${new URLSearchParams(query)}`, { signal: AbortSignal.timeout(5_000) });
    const body = await answer.json();
    assert.equal(body.status, 'success', `${JSON.stringify(query)}: ${body.error}`);
    return body.data;
  };
  return { child, ask, async end() { await child.stop(); await rm(folder, { recursive: true, force: true }); } };
}

/** Asks again until `wanted` gives something, for half a minute. */
async function eventually(what, wanted) {
  for (let left = 120; left > 0; left -= 1) {
    const found = await wanted().catch(() => null);
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`waited in vain until ${what}`);
}

/** A session with a call in it, opened and ended. */
async function visit(mcp, token) {
  const post = (message, session) => fetch(mcp, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...(session && { 'mcp-session-id': session }) },
    body: JSON.stringify({ jsonrpc: '2.0', ...message }),
  });
  const opened = await post({ id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'watching', version: '1' } } });
  const session = opened.headers.get('mcp-session-id');
  await opened.text();
  await (await post({ method: 'notifications/initialized' }, session)).text();
  await (await post({ id: 2, method: 'tools/call', params: { name: 'whoami', arguments: {} } }, session)).text();
  await (await post({ id: 3, method: 'tools/list' }, session)).text();
  const ended = await fetch(mcp, { method: 'DELETE', headers: { authorization: `Bearer ${token}`, 'mcp-session-id': session } });
  assert.equal(ended.status, 204);
}

const expressions = (panel, instance = '.*') => (panel.targets ?? []).map(({ expr }) => expr.replaceAll('$__rate_interval', '20s').replaceAll('$instance', instance));

/** The audit log of a server, from the registration of an agent to the end of its session. */
async function audited() {
  const folder = await mkdtemp(join(tmpdir(), 'usher-audit-'));
  const file = join(folder, 'audit.jsonl');
  const usher = await usherDev({ USHER_AUDIT_TO: file });
  try {
    await visit(usher.ready.mcp, await tokenFor(usher, 'audited', usher.ready.mcp));
  } finally {
    await usher.stop();
  }
  const text = await readFile(file, 'utf8');
  await rm(folder, { recursive: true, force: true });
  return text;
}

suite('watching', async () => ({ usher: await usherDev() }), {
  'promtool finds no fault in the alerts, and each fires at its trouble': async () => {
    for (const args of [['check', 'rules', ALERTS], ['test', 'rules', ALERTS.replace('.yaml', '_test.yaml')]]) {
      const { stdout } = await run(join(BIN, 'promtool'), args);
      assert.match(stdout, /SUCCESS/);
    }
  },
  'the audit log tells a visit from registration to its end, by one name that is nobody\'s': async () => {
    const text = await audited();
    const lines = text.trim().split('\n').map((line) => JSON.parse(line));
    const story = ['registered', 'signed_in', 'consented', 'sign_in_seen', 'session_opened', 'call', 'session_closed'];
    assert.deepEqual(lines.map(({ event }) => event).filter((event) => event !== 'refused'), story);
    const names = new Set(lines.flatMap(({ caller }) => caller ?? []));
    assert.equal(names.size, 1, `one caller has several names: ${[...names]}`);
    assert.equal(new Set(lines.flatMap(({ client_id: id }) => id ?? [])).size, 1);
    assert.ok(!text.includes('demo'), 'the user is named');
  },
  'every panel of the dashboard has data from a real Prometheus': async ({ usher }) => {
    const token = await tokenFor(usher, 'watching', usher.ready.mcp);
    const { panels } = JSON.parse(await readFile(DASHBOARD, 'utf8'));
    const watcher = await prometheus(new URL(usher.ready.admin).host);
    try {
      await visit(usher.ready.mcp, token);
      await eventually('it was scraped', async () => (await watcher.ask('query', { query: 'usher_calls_total' })).result[0]);
      for (let round = 0; round < 4; round += 1) {
        await visit(usher.ready.mcp, token);
        assert.equal((await knock(usher.ready.mcp)).status, 401);
        await new Promise((resolve) => setTimeout(resolve, 1_100)); // one scrape further: a rate needs two
      }
      const empty = [];
      for (const panel of panels.filter(({ type }) => type !== 'row')) {
        for (const query of expressions(panel)) {
          const { result } = await watcher.ask('query', { query });
          if (result.length === 0 && !QUIET.has(panel.title)) empty.push(`${panel.title}: ${query}`);
        }
      }
      assert.deepEqual(empty, []);
      const { groups } = await watcher.ask('rules');
      const sick = groups.flatMap(({ rules }) => rules).filter(({ health, state }) => health === 'err' || state === 'firing');
      assert.deepEqual(sick, []);
    } finally {
      await watcher.end();
    }
  },
});
