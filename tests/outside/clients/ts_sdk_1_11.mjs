// @modelcontextprotocol/sdk 1.11.0, unmodified: it knows protocol versions up to 2025-03-26, in which a client looks
// for the authorization server at the server's origin, and takes /register, /authorize and /token there where it
// finds no metadata. With `job.noMetadata` it finds none.

import { Client } from 'mcp-sdk-1.11.0/client/index.js';
import { UnauthorizedError } from 'mcp-sdk-1.11.0/client/auth.js';
import { SSEClientTransport } from 'mcp-sdk-1.11.0/client/sse.js';
import { StreamableHTTPClientTransport } from 'mcp-sdk-1.11.0/client/streamableHttp.js';
import { readJob, recordingFetch, run } from './agent.mjs';

const job = await readJob();
const Transport = job.transport === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;

/** This SDK takes no `fetch`, so the global one is watched. */
function watched(http) {
  const recording = recordingFetch(http);
  const missing = (url) => job.noMetadata && String(url).includes('/.well-known/');
  return async (url, init) => (missing(url) ? new Response('', { status: 404 }) : recording(url, init));
}

let watching;
await run(
  job,
  UnauthorizedError,
  (authProvider, http) => {
    watching ??= watched(http);
    globalThis.fetch = watching;
    return { transport: new Transport(new URL(job.url), { authProvider }), client: new Client({ name: 'outside-judge', version: '1.0.0' }) };
  },
  // It sends no state, so there is none to come back.
  (memory, transport) => transport.finishAuth(new URL(memory.walk.callback).searchParams.get('code')),
  () => undefined,
);
