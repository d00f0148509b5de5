// mcp-remote, unmodified: a program that speaks stdio on one side and signs in at a server on the other. Behind it
// a client of the SDK that knows nothing of all that.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { readJob } from './agent.mjs';
import { linkIn, open } from './link.mjs';

const job = await readJob();
const home = await mkdtemp(join(tmpdir(), 'mcp-remote-'));
const proxy = join(import.meta.dirname, '../node_modules/mcp-remote/dist/proxy.js');
const strategy = job.transport === 'sse' ? 'sse-only' : 'http-only';
const transport = new StdioClientTransport({
  command: process.execPath,
  args: [proxy, job.url, '--transport', strategy, '--host', '127.0.0.1'],
  // No browser is to be opened.
  env: { MCP_REMOTE_CONFIG_DIR: home, PATH: '/nonexistent', HOME: home },
  stderr: 'pipe',
});
let [said, opened] = ['', undefined];
transport.stderr.on('data', (chunk) => {
  process.stderr.write(chunk);
  said += chunk;
  const link = opened ? undefined : linkIn(said);
  if (link) opened = open(link, job);
});
const client = new Client({ name: 'outside-judge', version: '1.0.0' });
try {
  await client.connect(transport);
  const { tools } = await client.listTools();
  const answer = await client.callTool({ name: 'whoami', arguments: {} });
  const seen = await opened;
  console.log(JSON.stringify({ result: { tools: tools.map((tool) => tool.name), answer, ...seen } }));
} finally {
  await client.close();
  await rm(home, { recursive: true, force: true });
}
