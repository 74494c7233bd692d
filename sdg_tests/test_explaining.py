"""What a person is told of a file that is no YAML."""

import pytest
import yaml

from sdg_assets.explaining import explain_yaml


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: c: d", "line 2, column 5: mapping values are not allowed here"),
        ("a: [1,", "line 1, column 7: expected the node content, but found '<stream end>'"),
        ("a: \x01", "character 4: special characters are not allowed"),
    ],
)
def test_yaml_errors_say_where_and_why(text: str, said: str) -> None:
    with pytest.raises(yaml.YAMLError) as caught:
        yaml.safe_load(text)
    assert explain_yaml(caught.value) == said
