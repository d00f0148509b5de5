// The suite's client under test: `usher agent`, run without a terminal.
//
// The suite starts this with the URL of its server as the last argument, and says in the environment
// which scenario it plays and which protocol version it speaks. Its authorization servers approve at
// once, so the "browser" only follows the sign-in link's redirects to the agent's callback.
// Ends as the agent ends; what the agent says goes to standard error.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { usherAgent } from '../outside/cases/usher.mjs';
import { endAll, within } from '../outside/kit.mjs';

const BOUND_MS = 25_000;
const call = (name, values = {}) => ['call', name, '--args', JSON.stringify(values)];
const tool = (listed, name) => listed.tools.find((one) => one.name === name);

/** What the agent is asked to do, one run after the other; the second may use what the first listed. */
const ERRANDS = {
  tools_call: [() => call('add_numbers', { a: 5, b: 3 })],
  'elicitation-sep1034-client-defaults': [() => [...call('test_client_elicitation_defaults'), '--answers', '{}']],
  'request-metadata': [() => ['tools', '--root', import.meta.dirname, '--sampling-command', '/bin/cat']],
  'sep-2322-client-request-state': ['echo_state', 'unrelated', 'no_state', 'no_result_type'].map((name) => () => [...call(`test_mrtr_${name}`), '--answer', 'confirmed=yes']),
  'http-custom-headers': [() => call(...given('test_custom_headers')), () => call(...given('test_custom_headers_null'))],
  'http-standard-headers': [
    () => call('test_headers'),
    () => ['resources'],
    () => ['read', 'file:///path/to/file%20name.txt'],
    () => ['prompts'],
    () => ['prompt', 'test_prompt'],
  ],
  'http-invalid-tool-headers': [() => ['tools'], () => call('valid_tool', { region: 'eu' })],
  'json-schema-ref-no-deref': [() => ['tools']],
  'json-schema-2020-12-preservation': [() => ['tools'], (listed) => call('json_schema_echo', { schema: tool(listed, 'json_schema_2020_12_tool').inputSchema })],
  // The document that the user has put on the web to describe this client.
  'auth/basic-cimd': [() => [...call('test-tool'), '--client-id', 'https://conformance-test.local/client-metadata.json']],
};

const url = process.argv.at(-1);
const errands = ERRANDS[process.env.MCP_CONFORMANCE_SCENARIO] ?? [() => call('test-tool')];
const directory = mkdtempSync(join(tmpdir(), 'usher-agent-'));
const fixed = ['--json', '--protocol', process.env.MCP_CONFORMANCE_PROTOCOL_VERSION ?? 'auto', ...clientGiven()];

let [how, listed] = [0, {}];
for (const errand of errands) {
  const agent = usherAgent(url, ...errand(listed), ...fixed);
  agent.process.stderr.pipe(process.stderr);
  followLinks(agent);
  how = await within(BOUND_MS, 'usher agent to finish', agent.exited).catch((error) => error.message);
  if (how !== 0) break;
  listed = JSON.parse(agent.lines.find((line) => !line.startsWith('{"event"')));
}
rmSync(directory, { recursive: true });
await endAll();
if (typeof how !== 'number') console.error(how);
process.exit(typeof how === 'number' ? how : 1);

/** What the scenario says besides its name. */
function context() {
  return JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}');
}

/** The call of a tool that the scenario asks for. */
function given(name) {
  const { name: called, arguments: values } = context().toolCalls.find((one) => one.name === name);
  return [called, values];
}

/** The client that the scenario registered by hand. */
function clientGiven() {
  const { client_id: id, client_secret: secret } = context();
  if (!id) return [];
  if (!secret) return ['--client-id', id];
  const file = join(directory, 'secret');
  writeFileSync(file, secret, { mode: 0o600 });
  return ['--client-id', id, '--client-secret-file', file];
}

/** Follows each sign-in link once: a step up asks for another. */
async function followLinks(agent) {
  const followed = new Set();
  const link = (line) => {
    const asked = line.startsWith('{"event":"sign_in"') && JSON.parse(line).url;
    return asked && !followed.has(asked) && asked;
  };
  for (;;) {
    const next = await agent.line(BOUND_MS, 'a sign-in link', link).catch(() => null);
    if (!next) return;
    followed.add(next);
    await fetch(next, { signal: AbortSignal.timeout(10_000) }).catch((error) => console.error(`following the link: ${error.cause ?? error}`));
  }
}
