// Client ID metadata documents: clients that nobody registered. A site of the client's own describes
// it, over https with a certificate made for the occasion, and real clients sign in by its URL.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from '../kit.mjs';
import { client, visit } from './clients.mjs';
import { usherDev } from './usher.mjs';

/** A site on https://localhost that publishes one client's document; counts who reads it. */
async function publisher() {
  const folder = mkdtempSync(join(tmpdir(), 'usher-publisher-'));
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-addext', 'basicConstraints=critical,CA:FALSE',
    '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  const site = { certificate, reads: 0 };
  const server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, (request, response) => {
    site.reads += 1;
    response.writeHead(request.url === '/smartmail.json' ? 200 : 404, { 'content-type': 'application/json', 'cache-control': 'max-age=600' });
    response.end(JSON.stringify({
      client_id: site.url, client_name: 'SmartMail AI', redirect_uris: ['http://127.0.0.1/callback'],
      grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], token_endpoint_auth_method: 'none',
    }));
  });
  await new Promise((listening) => server.listen(0, 'localhost', listening));
  site.url = `https://localhost:${server.address().port}/smartmail.json`;
  site.stop = async () => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  };
  return site;
}

const tests = {};

for (const name of ['TypeScript SDK 1.32.2 on /mcp', 'TypeScript client 2.4.0 on /mcp, negotiating', 'Python 2.3.0 on /mcp', 'Python 1.30.0 on /sse']) {
  tests[`${name} signs in by the URL of its document and calls whoami`] = async ({ usher, site }) => {
    const { claims, walk, authorize, registered } = await visit(client(name), usher, { clientMetadataUrl: site.url, person: usher.ready.demo });

    assert.equal(registered, false, 'it registered itself all the same');
    assert.equal(authorize.client_id, site.url);
    assert.match(walk.consentText, new RegExp(`It says it is from ${new URL(site.url).host}\\.`), 'the consent page does not name the site');
    assert.match(walk.consentText, /SmartMail AI/);
    assert.ok(claims.sub && claims.email, 'claims are missing');
    assert.equal(site.reads, 1, 'a copy that is fresh was not used');
  };
}

async function start() {
  const site = await publisher();
  return { site, usher: await usherDev({ SSL_CERT_FILE: site.certificate }) };
}

suite('documents', start, tests);
