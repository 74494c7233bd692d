"""The pages: partitions, a partition's examples with their audio, one example with its descent.

They read the lake as it is now, and write nothing.
"""

import re
from typing import Any

from jinja2 import Environment, PackageLoader
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from sdg_assets.audio import decode_flac
from sdg_assets.stages.clips import ref_of
from sdg_assets.stages.views import draw_spectrogram
from sdg_assets.trace import TraceError, trace
from sdg_assets.workspace import Workspace

Row = dict[str, Any]
PAGE = 50  # examples
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_TEMPLATES = Environment(
    loader=PackageLoader("sdg_assets.samples"), autoescape=True, trim_blocks=True
)
_PARTITIONS = """
    SELECT corpus, language, count(*) AS examples, count(DISTINCT audio_sha256) AS recordings
    FROM training_examples GROUP BY ALL ORDER BY ALL"""
_COUNT = "SELECT count(*) AS examples FROM training_examples WHERE corpus = ? AND language = ?"
_PAGE = """
    SELECT * FROM training_examples WHERE corpus = ? AND language = ?
    ORDER BY example_id LIMIT ? OFFSET ?"""


def build_app(workspace: Workspace) -> Starlette:
    """The pages show what the lake holds when they are asked for."""
    pages = _Pages(workspace)
    return Starlette(
        routes=[
            Route("/", pages.list_partitions),
            Route("/-/audio/{corpus}/{language}/{id:path}", pages.play),
            Route("/{corpus}/{language}", pages.list_examples),
            Route("/{corpus}/{language}/{id:path}", pages.show_example),
        ]
    )


class _Pages:
    """Each method answers a request; Starlette calls plain functions in threads of its own."""

    def __init__(self, workspace: Workspace) -> None:
        self._lake, self._blobs = workspace.lake, workspace.blobs

    def list_partitions(self, request: Request) -> Response:
        rows = self._lake.query(_PARTITIONS).to_pylist()
        return _render("partitions.html", partitions=rows)

    def list_examples(self, request: Request) -> Response:
        page = _read_page(request)
        where = {name: request.path_params[name] for name in ("corpus", "language")}
        [counted] = self._lake.query(_COUNT, list(where.values())).to_pylist()
        count = counted["examples"]
        if not count:
            raise HTTPException(404, f"there is no example of {'|'.join(where.values())}")
        shown = self._lake.query(_PAGE, [*where.values(), PAGE, page * PAGE]).to_pylist()
        last = (count - 1) // PAGE
        return _render("examples.html", **where, examples=shown, count=count, page=page, last=last)

    def show_example(self, request: Request) -> Response:
        example, clip = self._find(request)
        name = "/".join(request.path_params[part] for part in ("corpus", "language", "id"))
        try:
            steps = trace(self._lake, name)
        except TraceError as error:
            raise HTTPException(404, str(error)) from error
        return _render(
            "example.html",
            name=name,
            example=example,
            spectrogram=draw_spectrogram(decode_flac(clip)),
            steps=steps,
        )

    def play(self, request: Request) -> Response:
        _, clip = self._find(request)
        return _serve(clip, request.headers.get("range", ""))

    def _find(self, request: Request) -> tuple[Row, bytes]:
        """An example's row and its recording."""
        names = {"corpus": "corpus", "language": "language", "example_id": "id"}
        where = {column: request.path_params[part] for column, part in names.items()}
        rows = self._lake.read("training_examples", where=where).to_pylist()
        if not rows:
            raise HTTPException(404, f"there is no example {'/'.join(where.values())}")
        return rows[0], self._blobs.read(ref_of(rows[0]))


def _serve(clip: bytes, wanted: str) -> Response:
    """A recording, or the bytes of it that a player asks for when one seeks (RFC 9110, 14.1.2)."""
    headers = {"accept-ranges": "bytes"}
    asked = _RANGE.fullmatch(wanted.strip())
    if asked is None or not any(asked.groups()):
        return Response(clip, headers=headers, media_type="audio/flac")
    first, last = asked.groups()
    start = int(first) if first else max(0, len(clip) - int(last))
    end = min(int(last) + 1 if first and last else len(clip), len(clip))
    if start >= end:
        return Response(status_code=416, headers={"content-range": f"bytes */{len(clip)}"})
    headers["content-range"] = f"bytes {start}-{end - 1}/{len(clip)}"
    return Response(clip[start:end], 206, headers, "audio/flac")


def _read_page(request: Request) -> int:
    number = request.query_params.get("page", "0")
    return int(number) if number.isdecimal() else 0


def _render(template: str, **values: Any) -> HTMLResponse:
    return HTMLResponse(_TEMPLATES.get_template(template).render(**values))
