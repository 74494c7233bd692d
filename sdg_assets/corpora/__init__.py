"""Corpora of many layouts, read into one form. The registry of layouts is ``layouts.py``."""

from sdg_assets.corpora.readers import (
    explain_nothing,
    open_reader,
    open_speech_reader,
    open_text_qa_reader,
)

__all__ = ["explain_nothing", "open_reader", "open_speech_reader", "open_text_qa_reader"]
