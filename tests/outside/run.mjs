// Runs the outside tests: `run.mjs [--only PATTERN]... [--list]`. See `run` for the environment.

import { parseArgs } from 'node:util';
import { endAll, runSuites } from './kit.mjs';

const { values } = parseArgs({ options: { only: { type: 'string', multiple: true, default: [] }, list: { type: 'boolean', default: false } } });

for (const cases of ['logto_like', 'dev', 'token_life', 'step_up', 'bridge', 'agent', 'servers', 'logto', 'opaque', 'mounted', 'documents', 'features', 'watching', 'browser', 'portal']) await import(`./cases/${cases}.mjs`);

const good = await runSuites(values.only, values);
await endAll();
process.exit(good ? 0 : 1);
