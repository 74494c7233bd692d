"""What `sdg corpora layouts` says of each field."""

import pytest

from sdg_assets.commands.describe import list_settings, make_example
from sdg_assets.corpora.layouts import LAYOUTS


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_field_of_a_layout_is_explained(layout: str) -> None:
    settings = {setting.name: setting for setting in list_settings(make_example(layout))}
    unexplained = {name for name, setting in settings.items() if not setting.description}
    assert unexplained == {"reader.layout"}
    assert settings["reader.layout"].default == f'= "{layout}"'
    required = {name for name, setting in settings.items() if setting.default == "required"}
    assert required == {"name", "kind", "languages", "reader.path"}


@pytest.mark.parametrize(("layout", "group"), [("folder", "speaker"), ("squad", "passage")])
def test_defaults_are_those_of_the_kind(layout: str, group: str) -> None:
    settings = {setting.name: setting for setting in list_settings(make_example(layout))}
    assert settings["split.by"].default == f'= "{group}"'


def test_a_column_says_where_it_is_looked_for() -> None:
    settings = {setting.name: setting for setting in list_settings(make_example("tsv"))}
    column = settings["reader.columns.audio"]
    assert column.default == "optional"
    assert column.description.startswith("a column; by default the first that there is of path, ")
    assert column.description.endswith("there must be one")
