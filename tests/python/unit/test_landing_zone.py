"""What the landing job says of an engine that it has lost."""

import grpc
import pytest

from ingestion import landing_zone
from lakehouse import ports


def test_a_lost_connection_to_the_engine_is_told_in_its_own_words():
    with grpc.insecure_channel(f"127.0.0.1:{ports.free_port()}") as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/")(b"", timeout=5)
    assert landing_zone.first_line(raised.value).startswith("failed to connect to all addresses")
