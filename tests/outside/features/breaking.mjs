// A way to the server that breaks when it is told to: bytes as they come, both ways, until `cut`.

import { connect, createServer } from 'node:net';

/** A listener in front of `target`; `url` is the target's by way of it. */
export async function breakable(target) {
  const { hostname, port } = new URL(target);
  const sockets = new Set();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const [one, other] of [[near, far], [far, near]]) {
      sockets.add(one);
      one.pipe(other);
      // A cut is an error to whoever still writes; both ends go together.
      one.on('error', () => {}).on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const url = new URL(target);
  url.port = String(server.address().port);
  return {
    url: url.href,
    /** Breaks every connection; new ones can be made. */
    cut: () => [...sockets].forEach((socket) => socket.resetAndDestroy()),
    stop() {
      server.close();
      sockets.forEach((socket) => socket.destroy());
    },
  };
}
