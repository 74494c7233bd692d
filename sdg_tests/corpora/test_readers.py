"""What is said of a reader, whatever its layout."""

from sdg_assets.corpora import explain_nothing
from sdg_tests.corpora.reading import corpus


def test_a_reader_that_found_nothing_says_how_it_looked() -> None:
    reader = {"layout": "folder", "path": "/data/{language}", "include": "x-*"}
    names = {"language_names": {"zh-cn": "zh-CN"}}
    config = corpus("unlabelled_speech", reader | names, "en", "zh-cn")
    said = explain_nothing(config, "zh-cn")
    assert said.startswith("its reader found 0 records in 'zh-cn' (layout: folder, ")
    assert "path: /data/zh-CN, include: x-*)" in said
