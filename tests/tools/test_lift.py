import pytest

from tools import lift


def test_an_unknown_page_is_named():
    with pytest.raises(FileNotFoundError, match="no page 9-9-nothing.md"):
        lift.find_page("9-9-nothing")
