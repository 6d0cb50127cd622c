"""What travels: a round trip of both messages, and refusals that name the client."""

from dataclasses import replace

import pytest
import torch

from fedlab_core.costs.codec import CodecError, encode
from fedlab_core.federation.messages import pack_assignment, pack_update, unpack_assignment, unpack_update
from fedlab_core.types import Assignment, ServerState, Update

PARAMS = {"fc.weight": torch.tensor([[0.5, 0.0], [0.0, -2.0]]), "fc.bias": torch.tensor([1.0, 2.0])}
MASKS = {"fc.weight": torch.tensor([[True, False], [False, True]])}
SERVER = ServerState(PARAMS, {"norm.mean": torch.zeros(1)}, MASKS)
UPDATE = Update(3, PARAMS, {"norm.mean": torch.tensor([4.0])}, MASKS, 17, 0.25, {"indices": torch.tensor([1, 2])})


def test_update_round_trip() -> None:
    got = unpack_update(pack_update(UPDATE), 3, SERVER)
    assert (got.client_id, got.num_examples, got.train_loss) == (3, 17, 0.25)
    assert all(torch.equal(got.params[name], weight) for name, weight in PARAMS.items())
    assert torch.equal(got.masks["fc.weight"], MASKS["fc.weight"])
    assert torch.equal(got.buffers["norm.mean"], UPDATE.buffers["norm.mean"])
    assert torch.equal(got.extras["indices"], UPDATE.extras["indices"])
    assert got.extras.keys() == {"indices"}


def test_assignment_round_trip_leaves_out_the_client() -> None:
    payloads = [pack_assignment(Assignment(k, PARAMS, {}, MASKS, {"c": torch.ones(2)})) for k in (1, 2)]
    assert payloads[0] == payloads[1]
    got = unpack_assignment(payloads[0], 2)
    assert got.client_id == 2
    assert torch.equal(got.extras["c"], torch.ones(2))
    assert torch.equal(got.params["fc.weight"], PARAMS["fc.weight"])


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"", "payload"),
        (pack_update(UPDATE)[:-3], "payload"),
        (encode({"params/fc.weight": torch.ones(3)}), "not of the model"),
        (pack_update(replace(UPDATE, buffers={})), "not of the model"),
        (pack_update(replace(UPDATE, masks={"fc.bias": torch.tensor([True, False])})), "cannot be pruned"),
        (pack_assignment(Assignment(3, PARAMS, UPDATE.buffers, MASKS)), "lacks its number of examples"),
        (encode({"elsewhere/fc": torch.ones(3)}), "no place for 'elsewhere/fc'"),
        (encode({"params/fc.weight": torch.zeros(70_000)}), "elements"),
    ],
)
def test_what_is_not_an_update_is_refused(payload: bytes, complaint: str) -> None:
    with pytest.raises(CodecError, match=complaint):
        unpack_update(payload, 3, SERVER)
