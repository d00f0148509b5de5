// The suite as a program: running it, and reading what it found.

import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HERE as OUTSIDE, NODE, start, within } from '../outside/kit.mjs';

const PROGRAM = join(OUTSIDE, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');
const PREFIX = { server: 'server-', authorization: 'authorization-server-', client: '' };
const BOUND_MS = 180_000;

/** Starts the suite; its checks are there once it has ended. */
export function startSuite(...args) {
  const out = mkdtempSync(join(tmpdir(), 'usher-conformance-'));
  const child = start(`conformance ${args[0]}`, NODE, [PROGRAM, ...args, '-o', out], { env: { NO_COLOR: '1' } });
  return {
    child,
    /** The suite's exit code is not asked: it takes a warning for a failure here and not there. */
    async checks() {
      try {
        await within(BOUND_MS, `conformance ${args.join(' ')}`, child.exited);
        return read(out, PREFIX[args[0]]);
      } finally {
        await child.stop();
        rmSync(out, { recursive: true, force: true });
      }
    },
  };
}

/** Runs the suite to its end: the checks of each scenario by the scenario's name. */
export const runSuite = (...args) => startSuite(...args).checks();

/** Every scenario of one kind with the protocol versions it is for (`extension` is one of them). */
export async function listSuite(kind) {
  const child = start('conformance list', NODE, [PROGRAM, 'list', `--${kind}`]);
  await within(20_000, 'conformance list', child.exited);
  const lines = child.lines.map((line) => line.match(/^\s+- (\S+) \[(.*)\]$/)).filter(Boolean);
  return Object.fromEntries(lines.map(([, name, versions]) => [name, versions.split(',')]));
}

/** The directories of results are `[KIND-]SCENARIO-TIMESTAMP`, and a scenario's name may hold a slash. */
function read(out, prefix) {
  const found = {};
  for (const path of readdirSync(out, { recursive: true })) {
    const name = path.match(/^(.*)-\d{4}-\d\d-\d\dT[\d-]+Z\/checks\.json$/)?.[1];
    if (name) found[name.slice(prefix.length)] = JSON.parse(readFileSync(join(out, path), 'utf8'));
  }
  return found;
}
