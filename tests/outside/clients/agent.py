"""What both Python client scripts share: the job, storage in memory, the person, the result.

The job and the result are the same JSON as those of agent.mjs; the person is sign_in.mjs, run as
a program, so that every client meets the same one.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SIGN_IN = Path(__file__).resolve().parent.parent / "sign_in.mjs"


class Memory:
    """Token storage of the SDK, and what happened on the way."""

    def __init__(self, client=None):
        self.tokens = None
        self.client = client

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class Person:
    """Signs in when the client redirects; afterwards knows the callback's parameters."""

    def __init__(self, job):
        self.job = job
        self.walk = None
        self.authorize = None
        self.walks = []

    async def redirect(self, url):
        self.authorize = {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
        self.walks.append(self.authorize.get("scope"))
        errand = {"url": url, "callback": self.job["redirectUri"], **self.job["person"]}
        process = await asyncio.create_subprocess_exec(
            os.environ.get("NODE", "node"), str(SIGN_IN),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate(json.dumps(errand).encode())
        if process.returncode != 0:
            raise RuntimeError("the person could not sign in (see the log)")
        self.walk = json.loads(out)

    def callback(self):
        query = {name: values[-1] for name, values in parse_qs(urlsplit(self.walk["callback"]).query).items()}
        if "error" in query:
            raise RuntimeError(f"the provider said {query['error']}: {query.get('error_description')}")
        return query


def recorder(exchanges, names=()):
    """Event hooks for the HTTP client: write down method, path, JSON-RPC method and status, and headers of these names."""

    async def arrived(response):
        request = response.request
        rpc = ""
        if request.method == "POST" and request.headers.get("content-type", "").startswith("application/json"):
            try:
                rpc = json.loads(request.content).get("method", "response")
            except Exception:  # a streamed body, or none: the path says enough
                pass
        origin = f"{request.url.scheme}://{request.url.host}:{request.url.port}"
        headers = {name: request.headers[name] for name in names if name in request.headers}
        session = request.headers.get("mcp-session-id") or request.url.params.get("sessionId")
        exchange = {"method": request.method, "origin": origin, "path": request.url.path, "rpc": rpc, "status": response.status_code, "headers": headers, "session": session}
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            response.stream = overheard(response.stream, exchange)
        exchanges.append(exchange)
        print(request.method, origin + request.url.path, rpc, "->", response.status_code, file=sys.stderr)

    return {"response": [arrived]}


def overheard(stream, exchange):
    """The same stream, and what it says written down, comments too, which no SDK passes on."""
    kind = next(base for base in type(stream).__mro__ if base.__name__ == "AsyncByteStream")
    exchange["said"] = ""

    class Overheard(kind):
        async def __aiter__(self):
            async for chunk in stream:
                exchange["said"] += chunk.decode(errors="replace")
                yield chunk

        async def aclose(self):
            await stream.aclose()

    return Overheard()


async def stay(job, client):
    """Stays for as long as the job says, calling `whoami` as it says; the SDK refreshes by itself."""
    answers = []
    for second in range(1, job["stay"]["seconds"] + 1):
        await asyncio.sleep(1)
        if job["stay"].get("calls") and second % job["stay"].get("callEvery", 1) == 0:
            answers.append((await client.call_tool("whoami", {})).model_dump(mode="json", by_alias=True, exclude_none=True))
    return answers


def read_job():
    return json.load(sys.stdin)


def report(memory, person, http, tools, answer, version, stayed=None):
    result = {
        "tools": [tool.name for tool in tools],
        "answer": answer.model_dump(mode="json", by_alias=True, exclude_none=True),
        "version": version,
        "http": http,
        "walk": person.walk if person else None,
        "authorize": person.authorize if person else None,
        "scope": memory.tokens.scope if memory and memory.tokens else None,
        "stayed": stayed,
        "walks": person.walks if person else None,
    }
    print(json.dumps({"result": result}), flush=True)
