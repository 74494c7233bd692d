from hypothesis import given
from hypothesis import strategies as st

from sdg_assets.engines.seeds import combine_seeds

integers = st.integers(-(2**70), 2**70)


@given(integers, integers)
def test_seeds_fit_everywhere_and_depend_on_each_part_and_its_place(first, second):
    seed = combine_seeds(first, second)
    assert 0 <= seed < 2**31
    assert seed == combine_seeds(first, second)
    if first != second:
        assert seed != combine_seeds(second, first)
    assert seed != combine_seeds(first, second, 0)
