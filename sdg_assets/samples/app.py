"""The pages: partitions, a partition's examples with their audio, one example with its descent.

They read the lake as it is now, and write nothing.
"""

from collections.abc import Callable
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
_TEMPLATES = Environment(
    loader=PackageLoader("sdg_assets.samples"), autoescape=True, trim_blocks=True
)
_PARTITIONS = """
    SELECT corpus, language, count(*) AS examples, count(DISTINCT audio_sha256) AS recordings
    FROM training_examples GROUP BY ALL ORDER BY ALL"""


def build_app(open_workspace: Callable[[], Workspace]) -> Starlette:
    """
    Args:
        open_workspace: of each request, so that pages show what the lake holds by then.
    """
    pages = _Pages(open_workspace)
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

    def __init__(self, open_workspace: Callable[[], Workspace]) -> None:
        self._open = open_workspace

    def list_partitions(self, request: Request) -> Response:
        rows = self._open().lake.query(_PARTITIONS).to_pylist()
        return _render("partitions.html", partitions=rows)

    def list_examples(self, request: Request) -> Response:
        page = _read_page(request)
        where = {name: request.path_params[name] for name in ("corpus", "language")}
        rows = self._open().lake.read("training_examples", where=where, order_by=["example_id"])
        if not rows.num_rows:
            raise HTTPException(404, f"there is no example of {'|'.join(where.values())}")
        shown = rows.slice(page * PAGE, PAGE).to_pylist()
        last = (rows.num_rows - 1) // PAGE
        return _render(
            "examples.html", **where, examples=shown, count=rows.num_rows, page=page, last=last
        )

    def show_example(self, request: Request) -> Response:
        workspace = self._open()
        example = _find(workspace, request)
        [clip] = workspace.blobs.read_many([ref_of(example)])
        name = "/".join(request.path_params[part] for part in ("corpus", "language", "id"))
        try:
            steps = trace(workspace.lake, name)
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
        workspace = self._open()
        [clip] = workspace.blobs.read_many([ref_of(_find(workspace, request))])
        return Response(clip, media_type="audio/flac")


def _find(workspace: Workspace, request: Request) -> Row:
    names = {"corpus": "corpus", "language": "language", "example_id": "id"}
    where = {column: request.path_params[part] for column, part in names.items()}
    rows = workspace.lake.read("training_examples", where=where).to_pylist()
    if not rows:
        raise HTTPException(404, f"there is no example {'/'.join(where.values())}")
    row: Row = rows[0]
    return row


def _read_page(request: Request) -> int:
    number = request.query_params.get("page", "0")
    return int(number) if number.isdecimal() else 0


def _render(template: str, **values: Any) -> HTMLResponse:
    return HTMLResponse(_TEMPLATES.get_template(template).render(**values))
