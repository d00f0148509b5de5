"""Runs a command on a terminal of its own, and types what a person would.

The job on standard input: `command`, and `steps`, each a text to wait for on the screen (`see`) and
a line to type then (`type`; `^C` is the key). The result: the exit code, and all that was shown.
"""

import json
import os
import pty
import select
import signal
import sys
import time

STEP_SECONDS = 20


def main():
    job = json.load(sys.stdin)
    child, screen = pty.fork()
    if child == 0:
        os.execvp(job["command"][0], job["command"])
    shown = ""
    seen = 0
    for step in [*job["steps"], None]:
        until = time.monotonic() + STEP_SECONDS
        while step is None or step["see"] not in shown[seen:]:
            ready, _, _ = select.select([screen], [], [], max(0, until - time.monotonic()))
            if not ready:
                os.kill(child, signal.SIGKILL)
                sys.exit(f"waited for {step and step['see']!r}; on the screen: {shown!r}")
            try:
                piece = os.read(screen, 65536)
            except OSError:
                piece = b""
            if not piece:
                break
            shown += piece.decode(errors="replace")
        if step is None:
            break
        seen = shown.find(step["see"], seen) + len(step["see"])
        os.write(screen, b"\x03" if step["type"] == "^C" else step["type"].encode() + b"\n")
    _, status = os.waitpid(child, 0)
    print(json.dumps({"result": {"code": os.waitstatus_to_exitcode(status), "shown": shown}}))


main()
