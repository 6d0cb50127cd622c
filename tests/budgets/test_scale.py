"""The scale plan: every formula by hand, its laws, and a plan against the round that it predicts."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlab_core.budgets import scale
from fedlab_core.budgets.load import TENSOR_BYTES, Load, load_of
from fedlab_core.budgets.scale import Rates
from fedlab_core.experiment import Experiment
from fedlab_core.lab import Federation
from fedlab_core.models.hypernetwork import CODE
from fedlab_core.rounds import run_round

LOAD = Load(
    download_bytes=1000,
    upload_bytes=500,
    own_downloads=False,
    update_bytes=4000,
    numbers=1000,
    largest=600,
    mask_entries=900,
    server_bytes=3,
    device_bytes=7,
    rewritten_bytes=2,
)
BASE = Experiment().replace(
    {
        "model.name": "mlp",
        "data.num_clients": 6,
        "data.partition": "iid",
        "federation.participation": 0.5,
        "federation.rounds": 3,
        "federation.local_epochs": 1,
        "federation.batch_size": 256,
    }
)
PARAMETERS, WEIGHTS = 26_122, 25_856  # 64 x 128 + 128 x 128 + 128 x 10 weights; 266 biases
SURE = ("fedavg", "fedsparsify-global", "snip", "scaffold")


def federation(settings: dict[str, object]) -> Federation:
    return Federation.of(BASE.replace(settings))


def test_memory_by_hand() -> None:
    assert scale.engine_bytes(LOAD, clients=100, asked=10) == 10 * (500 + 4000) + 100 * (3 + 7 + 2)
    assert scale.sum_bytes(LOAD) == 8 * 1000 + 8 * 900
    assert scale.streamed_bytes(LOAD) == 15_200 + 500 + 2 * 4000 + 8 * 600
    assert scale.index_bytes(10, 25) == 10 * 2 * 640 + 25 * 8


def test_the_most_that_can_be_asked_is_the_last_that_fits() -> None:
    most = scale.most_asked(LOAD, 100, 1e6)
    assert most == 221  # (1,000,000 - 1,200) / 4,500
    assert scale.engine_bytes(LOAD, 100, most) <= 1e6 < scale.engine_bytes(LOAD, 100, most + 1)
    assert scale.most_asked(LOAD, 10**6, 1e6) == 0


def test_times_on_the_line_by_hand() -> None:
    assert scale.network_seconds(LOAD, 100, 1e6) == pytest.approx(0.8)  # downloads are the larger part
    assert scale.device_seconds(LOAD, 1e4, 1e3) == pytest.approx(0.8 + 4.0)


def test_krum_compares_every_pair() -> None:
    assert scale.krum_flops(LOAD, 4) == 6 * 3 * 1000


def test_clients_asked_are_those_of_the_engine() -> None:
    assert [scale.asked_of(1000, 0.01), scale.asked_of(3, 0.01)] == [10, 1]


@pytest.mark.parametrize(
    ("asked", "levels", "aggregators", "root"),
    [(10, 0, 0, 10), (11, 1, 2, 2), (100, 1, 10, 10), (1000, 2, 110, 10), (101, 2, 13, 2)],
)
def test_trees_by_hand(asked: int, levels: int, aggregators: int, root: int) -> None:
    assert scale.tree(LOAD, asked, 10) == (levels, aggregators, root, 15_200)


def test_a_tree_of_single_messages_is_refused() -> None:
    with pytest.raises(ValueError, match="fan_out is 1"):
        scale.tree(LOAD, 10, 1)


def test_rates_by_hand() -> None:
    """Two seconds a round, 0.1 a client asked, 0.01 a client."""
    rates = Rates.through((100, 10, 4.0), (100, 60, 9.0), (600, 10, 9.0))
    assert rates == pytest.approx((2.0, 0.1, 0.01))
    assert rates.seconds(1000, 100) == pytest.approx(2 + 10 + 10)


def test_noise_is_no_rate() -> None:
    assert Rates.through((100, 10, 3.0), (100, 60, 2.9), (300, 10, 5.9)) == (3.0, 0.0, 0.0)


def test_rates_need_rounds_that_tell_them_apart() -> None:
    with pytest.raises(ValueError, match="rates need"):
        Rates.through((100, 10, 1.0), (200, 20, 1.0), (300, 10, 1.0))


@settings(max_examples=30)
@given(asked=st.integers(1, 10**8), times=st.integers(1, 50), clients=st.integers(1, 10**8))
def test_bytes_and_memory_are_linear_in_those_asked(asked: int, times: int, clients: int) -> None:
    load = LOAD._replace(server_bytes=0, device_bytes=0, rewritten_bytes=0)
    assert scale.engine_bytes(load, clients, times * asked) == times * scale.engine_bytes(load, clients, asked)
    assert scale.network_seconds(load, times * asked, 1e9) == pytest.approx(
        times * scale.network_seconds(load, asked, 1e9)
    )
    assert scale.tree(load, times * asked, 100).root_messages <= 100


@pytest.mark.parametrize("strategy", SURE)
def test_a_plan_for_more_clients_has_the_bytes_of_their_round(strategy: str) -> None:
    """Nobody chooses masks alone here, so the bytes of three clients are those of any six: masks' codes aside."""
    load = load_of(federation({"strategy.name": strategy}), 1)
    larger = federation({"strategy.name": strategy, "federation.participation": 1.0})
    record = run_round(larger, larger.initial_state(), larger.context(1))
    assert (6 * load.download_bytes, 6 * load.upload_bytes) == (record.download_bytes, record.upload_bytes)


def test_loads_by_hand() -> None:
    fedavg, scaffold = (load_of(federation({"strategy.name": name}), 1) for name in ("fedavg", "scaffold"))
    assert (fedavg.numbers, fedavg.largest, fedavg.mask_entries) == (PARAMETERS, 128 * 128, 0)
    assert (fedavg.server_bytes, fedavg.device_bytes) == (0, 0)
    # Six tensors and three masks, which are shared.
    assert fedavg.update_bytes == 4 * PARAMETERS + 9 * TENSOR_BYTES
    assert fedavg.download_bytes == pytest.approx(4 * PARAMETERS, rel=0.01)
    # Control variates travel both ways, and every device keeps its own.
    assert (scaffold.numbers, scaffold.server_bytes, scaffold.device_bytes) == (2 * PARAMETERS, 0, 4 * PARAMETERS)
    assert scaffold.rewritten_bytes == 4 * PARAMETERS
    assert scaffold.upload_bytes == pytest.approx(2 * fedavg.upload_bytes, rel=0.01)


def test_masks_that_clients_choose_are_held_for_each() -> None:
    load = load_of(federation({"strategy.name": "dynamic-salient"}), 1)
    assert load.mask_entries == WEIGHTS
    assert load.update_bytes == 4 * PARAMETERS + WEIGHTS + 9 * TENSOR_BYTES
    assert load.upload_bytes < load.download_bytes


def test_a_server_remembers_codes_and_channels_of_every_device() -> None:
    load = load_of(federation({"strategy.name": "dwnp"}), 1)
    assert load.own_downloads
    assert load.device_bytes == 0
    assert load.server_bytes == 256 + load.rewritten_bytes  # a byte for each of 2 x 128 hidden units, and a code
    assert load.rewritten_bytes == 4 * 2 * CODE


def test_bytes_fall_with_density() -> None:
    loads = [
        load_of(federation({"strategy.name": "snip", "strategy.final_sparsity": sparsity}), 1)
        for sparsity in (0.0, 0.5, 0.9, 0.99)
    ]
    uploads = [load.upload_bytes for load in loads]
    assert uploads == sorted(uploads, reverse=True)
    assert len({load.update_bytes for load in loads}) == 1  # decoded, zeros take as much as weights


def test_one_client_says_nothing_about_what_updates_share() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        load_of(federation({"federation.participation": 0.1}), 1)


@pytest.mark.slow
def test_the_example_of_the_document_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "SCALE.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    runpy.run_path(str(tmp_path / "example.py"))
    memory, shape = capsys.readouterr().out.splitlines()
    assert float(memory) > 10_000 * 4 * 38_000  # ten thousand decoded networks
    assert shape.startswith("Tree(levels=1, aggregators=100, root_messages=100,")
