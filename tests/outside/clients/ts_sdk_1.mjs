// @modelcontextprotocol/sdk (the first line of the TypeScript SDK), unmodified, with its own OAuth.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { readJob, recordingFetch, run } from './agent.mjs';

const job = await readJob();
const Transport = job.transport === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;

function build(authProvider, http) {
  const requestInit = job.bearer ? { headers: { authorization: `Bearer ${job.bearer}` } } : undefined;
  return {
    transport: new Transport(new URL(job.url), { authProvider, requestInit, fetch: recordingFetch(http) }),
    client: new Client({ name: 'outside-judge', version: '1.0.0' }),
  };
}

await run(
  job,
  UnauthorizedError,
  build,
  (memory, transport) => transport.finishAuth(memory.callback().get('code')),
  (client, transport) => transport.protocolVersion ?? transport._protocolVersion,
);
