"""The WSGI environ of a client, which python-socketio passes to connect handlers, built from SESSION."""
from __future__ import annotations

import io
import sys
import urllib.parse
from typing import Any, Dict, List, Tuple


def header_pairs(headers: List[str]) -> List[Tuple[str, str]]:
    return list(zip(headers[::2], headers[1::2]))


def build(info: Dict[str, Any], async_mode: str = "") -> Dict[str, Any]:
    """`info` is the JSON of SESSION. The keys follow PEP 3333, with "asgi.scope" if the application runs under ASGI."""
    url = urllib.parse.urlsplit(str(info.get("url", "/")))
    pairs = header_pairs(info.get("headers") or [])
    secure = bool(info.get("secure"))
    environ: Dict[str, Any] = {
        "REQUEST_METHOD": str(info.get("method", "GET")),
        "SCRIPT_NAME": "",
        "PATH_INFO": urllib.parse.unquote(url.path, "latin-1"),
        "QUERY_STRING": url.query,
        "RAW_URI": str(info.get("url", "/")),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "sockeye",
        "REMOTE_ADDR": str(info.get("address", "")),
        "REMOTE_PORT": "0",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https" if secure else "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in pairs:
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = "HTTP_" + key
        environ[key] = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{value}" if key in environ else value
    name, port = _host(environ.get("HTTP_HOST", ""), "443" if secure else "80")
    environ["SERVER_NAME"], environ["SERVER_PORT"] = name, port
    if async_mode == "asgi":
        environ["asgi.scope"] = _scope(info, environ, pairs, url)
    return environ


def _host(host: str, port: str) -> Tuple[str, str]:
    try:
        parts = urllib.parse.urlsplit("//" + host)
        return parts.hostname or "localhost", str(parts.port or port)
    except ValueError:
        return "localhost", port


def _scope(info: Dict[str, Any], environ: Dict[str, Any], pairs: List[Tuple[str, str]],
           url: urllib.parse.SplitResult) -> Dict[str, Any]:
    websocket = info.get("transport") == "websocket"
    scope: Dict[str, Any] = {
        "type": "websocket" if websocket else "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": ("ws" if websocket else "http") + ("s" if info.get("secure") else ""),
        "path": urllib.parse.unquote(url.path),
        "raw_path": url.path.encode("latin-1", "replace"),
        "query_string": url.query.encode("latin-1", "replace"),
        "root_path": "",
        "headers": [(name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in pairs],
        "client": (environ["REMOTE_ADDR"], 0),
        "server": (environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
    }
    if not websocket:
        scope["method"] = environ["REQUEST_METHOD"]
    return scope
