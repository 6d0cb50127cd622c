"""The real thing: a SuperLink and two SuperNodes as processes, messages over loopback. Nothing is pretended here."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import torch

from fedlab_core.experiment import Experiment
from fedlab_core.runs.elsewhere import execute_elsewhere
from fedlab_core.runs.info import Where
from fedlab_core.runs.store import RunError, RunStore
from fedlab_core.simulation import simulate

pytest.importorskip("flwr", reason="Flower is not installed: pip install 'fedlab_core[flower]'")

SMALL = Experiment().replace(
    {
        "model.name": "mlp",
        "data.num_clients": 4,
        "federation.rounds": 2,
        "federation.local_epochs": 1,
        "strategy.name": "fedsparsify-global",
    }
)
DEADLINE_S = 40.0


def family(*words: str, of: psutil.Process | None = None) -> list[psutil.Process]:
    """Processes started from here, or by `of`, whose command has all of these words in it."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for process in (of or psutil.Process()).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                command = " ".join(process.cmdline())
                if all(word in command for word in words):
                    found.append(process)
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_over_flower_survives_its_superlink_and_one_of_its_nodes(tmp_path: Path) -> None:
    with RunStore(tmp_path / "runs.sqlite") as store:
        where = Where(nodes=2, deadline_s=DEADLINE_S)
        run_id = store.create(SMALL, status="interrupted", machine={"where": where.model_dump()})
        killed: list[str] = []
        servers: set[psutil.Process] = set()

        def kill_superlink_after_round_1() -> None:
            servers.update(family("flwr-serverapp"))
            if not killed and store.get(run_id).rounds_done == 1:
                family("flower-superlink")[0].kill()
                killed.append("superlink")

        store.claim(run_id)
        with pytest.raises(RunError, match=r"the SuperLink ended .* the run can be resumed"):
            execute_elsewhere(store, run_id, on_look=kill_superlink_after_round_1)
        info = store.get(run_id)
        assert (info.status, info.rounds_done, info.error) == ("interrupted", 1, "")
        assert servers
        assert not [one for one in servers if one.is_running()]
        assert not family("flower-") + family("flwr-")

        here = next(record for record in simulate(SMALL) if record.round == 1)
        row = store.rows(run_id)[1]
        assert (row["upload_bytes"], row["download_bytes"]) == (here.upload_bytes, here.download_bytes)
        assert row["dropped"] == []
        there = store.state(run_id, 1)[1]
        for name, weight in here.state.params.items():
            torch.testing.assert_close(there.params[name], weight, atol=1e-5, rtol=0)

        asked: set[int] = set()

        def kill_node_1_while_it_trains() -> None:
            for node in family("flower-supernode", "partition-id=1"):
                asked.update(one.pid for one in family("flwr-clientapp", of=node))
                if len(asked) == 2:  # first it says who it is, then it trains
                    node.kill()
                    killed.append("node")

        store.claim(run_id)
        execute_elsewhere(store, run_id, on_look=kill_node_1_while_it_trains)
        assert "node" in killed
        row = store.rows(run_id)[2]
        assert [client for client, _ in row["dropped"]] == [1, 3]
        assert store.get(run_id).status == "finished"
        assert not family("flower-") + family("flwr-")
