"""The registry of layouts: a new reader is one file, and one line here."""

from typing import get_args

from sdg_assets.corpora.folder import Folder
from sdg_assets.corpora.huggingface import HuggingFace, HuggingFaceQA
from sdg_assets.corpora.jsonl_qa import JsonlQA
from sdg_assets.corpora.librispeech import LibriSpeech
from sdg_assets.corpora.ljspeech import LJSpeech
from sdg_assets.corpora.msmarco import MSMarco
from sdg_assets.corpora.nemo import NeMoManifest
from sdg_assets.corpora.squad import Squad
from sdg_assets.corpora.tsv import Tsv

AnyLayout = (
    Folder
    | HuggingFace
    | HuggingFaceQA
    | JsonlQA
    | LibriSpeech
    | LJSpeech
    | MSMarco
    | NeMoManifest
    | Squad
    | Tsv
)

LAYOUTS = {layout.model_fields["layout"].default: layout for layout in get_args(AnyLayout)}
