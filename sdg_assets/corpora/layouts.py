"""The registry of layouts: a new reader is one file, and one line here."""

from sdg_assets.corpora.folder import Folder

Speech = Folder
AnyLayout = Speech
