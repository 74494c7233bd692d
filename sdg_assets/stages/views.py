"""What a person sees of a materialisation: Markdown tables and small plots.

The Dagster UI renders Markdown with embedded pictures, but no audio element: spectrograms stand
in for it.
"""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sdg_assets.corpora.base import Reject
from sdg_assets.engines.base import ASR_RATE, Audio
from sdg_assets.leaderboard import FURTHER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PREVIEW_ROWS = 8
CELL_CHARACTERS = 120
_DARKEST = -120.0  # dB, in a spectrogram
# What a preview leaves out: where a blob lies tells a person nothing, and too much even less.
PLUMBING = frozenset(
    {"corpus", "language", "shard", "byte_offset", "byte_length", "audio_sha256", "call_key",
     "source_sha256", "segments", "prompt_version", "recipe", "composition", "metrics", "uri"}
) | FURTHER  # fmt: skip


@dataclass(frozen=True, slots=True)
class Link:
    """A cell of a table that leads somewhere."""

    text: str
    url: str


def preview_table(table: pa.Table, rows: int = PREVIEW_ROWS) -> str:
    columns = [name for name in table.column_names if name not in PLUMBING]
    head = table.select(columns).slice(0, rows).to_pylist()
    shown = [c for c in columns if any(row[c] not in (None, [], "") for row in head)]
    return markdown_table([{c: row[c] for c in shown} for row in head])


def round_figures(value: Any) -> Any:
    """Every float of metadata with four significant digits, and none fewer before the point."""
    if isinstance(value, float) and math.isfinite(value):
        return round(value, max(0, 3 - math.floor(math.log10(abs(value) or 1))))
    if isinstance(value, dict):
        return {name: round_figures(entry) for name, entry in value.items()}
    return value


def rejects_table(rejects: Sequence[Reject], rows: int = PREVIEW_ROWS) -> str:
    return markdown_table(
        [{"item": r.item_id, "reason": r.reason, "detail": r.detail} for r in rejects[:rows]]
    )


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "(no rows)"
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(_cell(row[c]) for c in columns) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Link):
        return f"[{value.text}]({value.url})"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    text = " ".join(str(value).split())
    if len(text) > CELL_CHARACTERS:
        text = text[: CELL_CHARACTERS - 1] + "…"
    return text.replace("|", "\\|").replace("<", "&lt;")


def histograms(series: Mapping[str, Sequence[float]], bins: int = 30) -> str:
    """Markdown with one small histogram for each named series that has values."""
    filled = {name: values for name, values in series.items() if len(values)}
    if not filled:
        return "(nothing to plot)"
    figure, axes = _figure(len(filled))
    for axis, (name, values) in zip(axes, filled.items(), strict=True):
        axis.hist(values, bins=bins, color="#4f6bed")
        axis.set_xlabel(name)
    return _embed(figure)


def bars(counts: Mapping[str, float], label: str) -> str:
    """Markdown with one horizontal bar for each entry."""
    if not counts:
        return "(nothing to plot)"
    figure, (axis,) = _figure(1, height=0.6 + 0.3 * len(counts))
    axis.barh(list(counts), list(counts.values()), color="#4f6bed")
    axis.invert_yaxis()
    axis.set_xlabel(label)
    return _embed(figure)


def grouped_bars(groups: Mapping[str, Mapping[str, float]], label: str) -> str:
    """Markdown with, for each group, a bar for each of its series (the same in all groups)."""
    if not groups:
        return "(nothing to plot)"
    names = list(next(iter(groups.values())))
    figure, (axis,) = _figure(1, width=7.5)
    width = 0.8 / len(names)
    for i, name in enumerate(names):
        positions = [g + i * width for g in range(len(groups))]
        axis.bar(positions, [group[name] for group in groups.values()], width, label=name)
    axis.set_xticks([g + 0.4 - width / 2 for g in range(len(groups))], list(groups), fontsize=7)
    axis.set_ylabel(label)
    axis.legend(
        fontsize=7, frameon=False, ncols=len(names), loc="lower center", bbox_to_anchor=(0.5, 1)
    )
    return _embed(figure)


def heat_map(rows: Mapping[str, Mapping[str, float]], label: str) -> str:
    """Markdown with a coloured cell, 0 to 1, for each row and each column that any row has."""
    if not rows:
        return "(nothing to plot)"
    columns = sorted({column for cells in rows.values() for column in cells})
    values = [[cells.get(column, math.nan) for column in columns] for cells in rows.values()]
    figure, (axis,) = _figure(1, width=3.5 + 1.1 * len(columns), height=1.0 + 0.3 * len(rows))
    picture = axis.imshow(values, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    axis.set_xticks(range(len(columns)), columns, fontsize=7)
    axis.set_yticks(range(len(rows)), list(rows), fontsize=7)
    for y, cells in enumerate(values):
        for x, value in enumerate(cells):
            if not math.isnan(value):
                colour = "white" if value < 0.6 else "black"
                axis.text(x, y, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=8)
    figure.colorbar(picture, label=label)
    return _embed(figure)


def plot_curves(curves: Mapping[str, Sequence[tuple[float, float]]], xlabel: str) -> str:
    """Markdown with one line plot for each named curve that has points."""
    filled = {name: points for name, points in curves.items() if points}
    if not filled:
        return "(nothing to plot)"
    figure, axes = _figure(len(filled))
    for axis, (name, points) in zip(axes, filled.items(), strict=True):
        axis.plot(*zip(*points, strict=True), color="#4f6bed")
        axis.set_xlabel(xlabel)
        axis.set_ylabel(name)
    return _embed(figure)


def spectrograms(clips: Mapping[str, Audio]) -> str:
    """Markdown with a spectrogram of each named clip (16 kHz)."""
    if not clips:
        return "(nothing to plot)"
    figure, axes = _figure(len(clips))
    for axis, (name, samples) in zip(axes, clips.items(), strict=True):
        _draw_spectrogram(axis, samples)
        axis.set_title(name[-28:], fontsize=7, parse_math=False)
    return _embed(figure)


def draw_spectrogram(samples: Audio) -> str:
    """The spectrogram of one clip (16 kHz) as a data URI."""
    figure, (axis,) = _figure(1, width=10, height=2.6)
    _draw_spectrogram(axis, samples)
    return _data_uri(figure)


def _draw_spectrogram(axis: Any, samples: Audio) -> None:
    heard = axis.specgram(samples + 1e-6, NFFT=400, noverlap=240, Fs=ASR_RATE, cmap="magma")
    image = heard[3]
    image.set_clim(_DARKEST, max(_DARKEST + 1, float(image.get_array().max())))  # dB, also silence
    axis.set_xlabel("seconds")
    axis.set_ylabel("Hz")


def _figure(panels: int, width: float | None = None, height: float = 2.2) -> "tuple[Figure, Any]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width or min(3.2 * panels, 10), height), dpi=110, layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    for axis in axes:
        axis.tick_params(labelsize=7)
        axis.xaxis.label.set_size(8)
        axis.yaxis.label.set_size(8)
    return figure, axes


def _embed(figure: "Figure") -> str:
    return f"![plot]({_data_uri(figure)})"


def _data_uri(figure: "Figure") -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
