// @modelcontextprotocol/client (the second line of the TypeScript SDK), unmodified, with its own OAuth.
// `mode: 'auto'` negotiates (2026-07-28 first); without it the client opens with `initialize`.

import { Client, SSEClientTransport, StreamableHTTPClientTransport, UnauthorizedError, auth } from '@modelcontextprotocol/client';
import { readJob, recordingFetch, run } from './agent.mjs';

const job = await readJob();
const Transport = job.transport === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;

function build(memory, http) {
  const authProvider = job.bearer ? { token: async () => job.bearer } : memory;
  return {
    transport: new Transport(new URL(job.url), { authProvider, fetch: recordingFetch(http) }),
    client: new Client({ name: 'outside-judge', version: '1.0.0' }, job.mode ? { versionNegotiation: { mode: job.mode } } : {}),
  };
}

await run(
  job,
  UnauthorizedError,
  build,
  (memory, transport) => transport.finishAuth(memory.callback()),
  (client) => client.getNegotiatedProtocolVersion(),
  (memory, http) => auth(memory, { serverUrl: job.url, fetchFn: recordingFetch(http) }),
);
