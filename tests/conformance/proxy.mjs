// A proxy that adds a bearer token, because the conformance suite has no way to send one.
//
// Everything else goes through as it came: method, path, `Host`, `Origin`, every other header, and
// both bodies as they arrive, byte by byte, so that an event stream is never held back. When one
// side hangs up, so does the other: a client's disconnect reaches the server, and the reverse.
// One upstream connection per request, so that no request waits for another.

import { createServer, request as ask } from 'node:http';

/**
 * @param {string} target    the server's URL; only its host and port are used
 * @param {() => string} token  asked for each request
 * @param {(exchange: {request: string, answer: string}) => void} [seen]  told of each exchange when it is over
 * @returns {Promise<{url: string, stop: () => Promise<void>}>} `url` has the target's path
 */
export async function tokenProxy(target, token, seen) {
  const { hostname, port, pathname } = new URL(target);
  const server = createServer((request, response) => {
    const headers = [...request.rawHeaders, 'authorization', `Bearer ${token()}`];
    const upstream = ask({ host: hostname, port, method: request.method, path: request.url, headers, agent: false, setHost: false });
    const record = recorder(request, seen);
    request.pipe(upstream);
    request.on('data', record.asked);
    upstream.on('response', (answer) => {
      response.writeHead(answer.statusCode, answer.statusMessage, endToEnd(answer.rawHeaders));
      response.flushHeaders();
      answer.on('data', record.answered);
      answer.pipe(response);
      answer.once('close', () => {
        record.over(answer.statusCode);
        if (!answer.complete) response.destroy(); // broken off there, so broken off here
      });
    });
    upstream.on('error', () => response.destroy());
    response.once('close', () => upstream.destroy());
  });
  server.requestTimeout = 0;
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${server.address().port}${pathname}`,
    async stop() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

/** Headers that belong to one hop are ours to set (RFC 9110 §7.6.1). */
function endToEnd(rawHeaders) {
  const kept = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (!/^(connection|keep-alive|transfer-encoding)$/i.test(rawHeaders[at])) kept.push(rawHeaders[at], rawHeaders[at + 1]);
  }
  return kept;
}

const KEPT_BYTES = 4_000;

function recorder(request, seen) {
  if (!seen) return { asked() {}, answered() {}, over() {} };
  let [asked, answer] = ['', ''];
  const { method, url, headers } = request;
  const mcp = Object.entries(headers).filter(([name]) => name.startsWith('mcp-') || name === 'origin' || name === 'host').map(([name, value]) => `${name}: ${value}`);
  return {
    asked: (chunk) => (asked = (asked + chunk).slice(0, KEPT_BYTES)),
    answered: (chunk) => (answer = (answer + chunk).slice(0, KEPT_BYTES)),
    over: (status) => seen({ request: `${method} ${url} [${mcp.join(', ')}] ${asked}`, answer: `${status} ${answer}` }),
  };
}
