// For clients that are programs of their own: they print the link that a person has to open, and listen for
// the callback. Here is the person: the link is walked, and the callback is handed to the client.

import { spawn } from 'node:child_process';
import { signIn } from '../sign_in.mjs';

/** Opens a link as the person of the job would; says what was seen on the way. */
export async function open(url, job) {
  const authorize = Object.fromEntries(new URL(url).searchParams);
  const walk = await signIn({ url, callback: authorize.redirect_uri, ...job.person });
  await (await fetch(walk.callback, { signal: AbortSignal.timeout(15_000) })).text();
  return { walk, authorize };
}

/** The link in a client's output, once it is there: an authorization request. */
export const linkIn = (text) => text.match(/https?:\/\/\S+[?&]response_type=code\S*(?=\s)/)?.[0];

/** Runs a program that prints its link on standard error; gives its output and what the person saw. */
export async function program(command, args, env, job) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, said, opened] = ['', '', undefined];
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => {
    process.stderr.write(chunk);
    said += chunk;
    const link = opened ? undefined : linkIn(said);
    if (link) opened = open(link, job);
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`it ended with ${code}`);
  return { out, ...(await opened) };
}
