import pytest

from tests.parity.operations.files import WITH_A_BUCKET


@pytest.fixture(autouse=True)
def bucket_where_it_is_asked(request: pytest.FixtureRequest) -> None:
    """Nothing else may find one: that a service is away is a refusal of some."""
    node: pytest.Function = request.node
    if hasattr(node, "callspec") and node.callspec.params.get("operation") in WITH_A_BUCKET:
        request.getfixturevalue("plain_bucket")
