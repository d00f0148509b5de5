"""A stand-in for the `usher` binary, to prove the judges themselves without it.

    USHER_BIN=tests/outside/stand_in tests/outside/run

Speaks the same command line as far as the judges use it (`dev`, `serve --issuer URL`, `--set`),
with the reference server of PyPI mcp 2.x for both transports and a bearer check of its own. With
USHER_STAND_IN_FAULT it misbehaves on purpose, so that a judge can be seen to object.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import jwt
import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from starlette.responses import HTMLResponse, JSONResponse, Response

HERE = Path(__file__).resolve().parent
FAULT = os.environ.get("USHER_STAND_IN_FAULT", "")

server = MCPServer("stand-in")


class Door:
    """401 with a challenge, protected resource metadata, and the claims of whoever got in."""

    def __init__(self, issuer, settings, secret, scope, origin):
        self.issuer, self.settings, self.secret, self.scope = issuer, settings, secret, scope
        self.verification = settings.get("issuer.verification", "auto")
        self.required = set(settings.get("resource.required_scopes", "").split())
        self.mcp = server.streamable_http_app()
        self.sse = server.sse_app()
        self.origin = origin
        self.cache = {}

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            return await self.mcp(scope, receive, send)
        path = scope["path"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        well_known = "/.well-known/oauth-protected-resource"
        if path.startswith(well_known):
            resource = self.origin + path[len(well_known):]
            body = {"resource": resource, "authorization_servers": [self.issuer], "bearer_methods_supported": ["header"]}
            return await JSONResponse(body)(scope, receive, send)
        if path == "/":
            page = f'<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>Usher</title><main><h1>Usher</h1><p>{self.origin}/mcp</p></main>'
            policy = {"content-security-policy": "default-src 'none'; frame-ancestors 'none'"}
            return await HTMLResponse(page, headers=policy)(scope, receive, send)
        if path == "/favicon.ico":
            return await Response(status_code=204)(scope, receive, send)
        app = {"mcp": self.mcp, "sse": self.sse, "messages": self.sse}.get(path.split("/")[1])
        if app is None:
            return await JSONResponse({}, 404)(scope, receive, send)
        token = headers.get("authorization", "").removeprefix("Bearer ")
        claims = await self.claims(token)
        refused = 401 if not claims else 403 if not self.required <= set(claims.get("scope", "").split()) else None
        if refused and FAULT != "open-door":
            metadata = f"{self.origin}{well_known}/{'mcp' if app is self.mcp else 'sse'}"
            error = "" if not token else 'error="invalid_token", ' if refused == 401 else 'error="insufficient_scope", '
            challenge = f'Bearer {error}resource_metadata="{metadata}", scope="{self.scope}"'
            return await JSONResponse({}, refused, {"www-authenticate": challenge})(scope, receive, send)
        if path.startswith("/messages"):
            receive = legacy_only(receive)
        return await app(scope, receive, send)

    async def claims(self, token):
        if token not in self.cache:
            self.cache[token] = await self.ask(token) if token else None
        return self.cache[token]

    async def ask(self, token):
        async with httpx2.AsyncClient() as http:
            found = (await http.get(f"{self.issuer}/.well-known/openid-configuration")).json()
            bearer = {"authorization": f"Bearer {token}"}
            if self.verification == "userinfo":
                answer = await http.get(found["userinfo_endpoint"], headers=bearer)
                return answer.json() if answer.status_code == 200 else None
            if token.count(".") != 2:
                if not self.secret:
                    return None
                answer = await http.post(found["introspection_endpoint"], data={"token": token}, auth=self.secret)
                claims = answer.json() if answer.status_code == 200 else {}
                bound = "aud" in claims or self.settings.get("issuer.introspection_without_audience") == "true"
                return claims if claims.get("active") and bound else None
            if self.verification == "introspection":
                return None
            try:
                keys = jwt.PyJWKSet.from_dict((await http.get(found["jwks_uri"])).json())
                key = keys[jwt.get_unverified_header(token)["kid"]]
                audience = [f"{self.origin}{path}" for path in ("", "/mcp", "/sse")]
                return jwt.decode(token, key, ["ES384", "RS256"], audience=audience, issuer=self.issuer)
            except (jwt.PyJWTError, KeyError) as error:
                print("refused:", error, file=sys.stderr)
                return None


def legacy_only(receive):
    """HTTP+SSE without `server/discover`: the reference server would answer it here too."""

    async def altered():
        message = await receive()
        body = message.get("body", b"")
        if b'"server/discover"' in body:  # same length, so that Content-Length stays true
            body = body.replace(b"server/discover", b"server/disc0ver").replace(b"protocol/protocolVersion", b"protocol/protocolVersi0n")
        return {**message, "body": body}

    return altered


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["dev", "serve"])
    for name in ("listen", "provider-listen", "admin-listen", "issuer"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


async def main():
    given = arguments()
    settings = dict(pair.split("=", 1) for pair in given.set)
    listener = socket.create_server(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    provider, ready = None, {}
    if given.command == "dev":
        resources = [word for path in ("", "/mcp", "/sse") for word in ("--resource", origin + path)]
        command = [os.environ["NODE"], str(HERE / "logto_like.mjs"), "--dev", *resources]
        provider = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        given.issuer = json.loads(provider.stdout.readline())["issuer"]
        ready = {"demo": {"username": "demo", "password": "demo"}, "official_client_id": "official-app"}
    secret = None
    if "issuer.introspection_client_id" in settings:
        secret = (settings["issuer.introspection_client_id"], Path(settings["issuer.introspection_client_secret_file"]).read_text().strip())
    scope = "openid profile email" if given.command == "dev" else settings.get("resource.scopes", "openid")
    door = Door(given.issuer, settings, secret, scope, origin)

    @server.tool()
    async def whoami(ctx: Context) -> dict[str, Any]:
        """Returns the caller's claims."""
        claims = dict(await door.claims(ctx.headers["authorization"].removeprefix("Bearer ")))
        if FAULT == "extra-claim":
            claims |= {"name": "Demo User", "email": "demo@example.com"}
        return {name: value for name, value in claims.items() if FAULT != "no-sub" or name != "sub"}

    ready |= {"event": "ready", "url": origin, "mcp": f"{origin}/mcp", "sse": f"{origin}/sse", "admin": origin, "issuer": given.issuer}
    print(json.dumps(ready), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again once it has stopped
    try:
        await uvicorn.Server(uvicorn.Config(door, log_level="info", log_config=None, timeout_graceful_shutdown=1)).serve([listener])
    finally:
        if provider:
            provider.terminate()
            provider.wait(5)


asyncio.run(main())
