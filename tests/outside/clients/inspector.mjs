// MCP Inspector, unmodified, as its command line: `--cli URL --method tools/call --tool-name whoami`.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readJob } from './agent.mjs';
import { program } from './link.mjs';

const job = await readJob();
const home = await mkdtemp(join(tmpdir(), 'inspector-'));
const launcher = join(import.meta.dirname, '../node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js');
const run = (...method) => program(process.execPath, [launcher, '--cli', '--server-url', job.url, '--transport', job.transport, '--callback-url', job.redirectUri, '--connect-timeout', '30000', '--format', 'json', '--method', ...method], { HOME: home, PATH: '/nonexistent', MCP_AUTO_OPEN_ENABLED: 'true' }, job);
try {
  const called = await run('tools/call', '--tool-name', 'whoami');
  const answer = JSON.parse(called.out);
  console.log(JSON.stringify({ result: { answer: answer.result ?? answer, walk: called.walk, authorize: called.authorize } }));
} finally {
  await rm(home, { recursive: true, force: true });
}
