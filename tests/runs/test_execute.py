"""Runs in this process: interrupted and resumed or not, the numbers are the same; forks continue their parent."""

from time import perf_counter

import pytest
import torch

from fedlab_core.costs.codec import encode
from fedlab_core.experiment import Experiment, SettingError
from fedlab_core.federation.messages import pack_update
from fedlab_core.lab import Federation
from fedlab_core.rounds import run_round
from fedlab_core.runs import tables
from fedlab_core.runs.execute import Interrupted, execute, execute_claimed, fork, sentence
from fedlab_core.runs.info import recorded_processes
from fedlab_core.runs.store import RunError
from fedlab_core.simulation import simulate

NAMES = ["fedavg", "fedprox", "fedsparsify-global", "fedsparsify-local", "random", "channel-pruning"]


class Steps:
    """Counts client steps and does something before step `at`."""

    def __init__(self, at, action):
        self.count, self.at, self.action = 0, at, action

    def __call__(self):
        self.count += 1
        if self.count == self.at:
            self.action()


def leave():
    raise Interrupted


def finished(store, experiment):
    run_id = store.create(experiment)
    execute(store, run_id)
    return run_id


def without_times(rows):
    return [{key: value for key, value in row.items() if key != "round_s"} for row in rows]


def test_a_stored_run_is_the_simulated_one(store, tiny):
    records, seen = list(simulate(tiny)), []
    run_id = store.create(tiny)
    execute(store, run_id, on_record=seen.append)
    assert without_times(store.rows(run_id)) == without_times(r.to_json() for r in records)
    assert [record.round for record in seen] == list(range(7))
    for record in records:
        assert store.state(run_id, record.round)[1].sha256() == record.state.sha256()
        assert store.masks(run_id, record.round).keys() == record.state.masks.keys()
    assert store.get(run_id).status == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("strategy", NAMES)
@pytest.mark.parametrize("at", [1, 20, 50])
def test_interrupted_and_resumed_is_as_if_nothing_had_happened(store, tiny, strategy, at):
    experiment = tiny.replace({"strategy.name": strategy})
    whole = finished(store, experiment)
    run_id = store.create(experiment)
    with pytest.raises(Interrupted):
        execute(store, run_id, on_step=Steps(at, leave))
    assert store.get(run_id).status == "interrupted"
    assert 0 <= store.get(run_id).rounds_done < 6
    execute(store, run_id)
    assert store.state(run_id)[1].sha256() == store.state(whole)[1].sha256()
    assert without_times(store.rows(run_id)) == without_times(store.rows(whole))


def test_stop_is_followed_before_the_next_step_and_drops_the_half_done_round(store, tiny):
    run_id = store.create(tiny)
    steps = Steps(2, lambda: store.request(run_id, "stop"))
    execute(store, run_id, on_step=steps)
    assert store.get(run_id).status == "stopped"
    assert steps.count < 40  # the store is asked every 20 ms, a step takes a millisecond
    assert store.get(run_id).rounds_done < 6
    execute(store, run_id)
    assert store.get(run_id).status == "finished"


def test_pause_waits_and_goes_on(store, tiny):
    run_id = store.create(tiny)
    store.request(run_id, "pause")
    statuses = []

    def watch():
        statuses.append(store.get(run_id).status)
        if statuses.count("paused") == 3:
            store.request(run_id, "resume")

    execute(store, run_id, on_step=watch)
    assert statuses[0] == "running"
    assert statuses.count("paused") == 3
    assert set(statuses[4:]) == {"running"}
    assert store.state(run_id)[1].sha256() == store.state(finished(store, tiny))[1].sha256()


def test_the_time_of_a_round_has_no_pauses(store, tiny):
    run_id = store.create(tiny)
    store.request(run_id, "pause")
    looks = []

    def watch():
        if store.get(run_id).status == "paused":
            looks.append(perf_counter())
            if looks[-1] - looks[0] > 0.3:
                store.request(run_id, "resume")

    start = perf_counter()
    execute(store, run_id, on_step=watch)
    assert sum(row["round_s"] for row in store.rows(run_id)) + looks[-1] - looks[0] < perf_counter() - start


def test_a_paused_run_can_be_stopped(store, tiny):
    run_id = store.create(tiny)
    store.request(run_id, "pause")
    execute(store, run_id, on_step=Steps(4, lambda: store.request(run_id, "stop")))
    assert store.get(run_id).status == "stopped"


def test_a_paused_run_makes_way_for_another_if_it_is_told_to(store, tiny):
    run_id = store.create(tiny)
    store.request(run_id, "pause")
    store.claim()
    execute_claimed(store, run_id, on_step=Steps(4, lambda: store.create(tiny)), make_way=True)
    assert store.get(run_id).status == "paused"
    store.request(run_id, "resume")
    assert store.get(run_id).status == "queued"


def test_one_step_is_one_round(store, tiny):
    run_id = store.create(tiny)
    store.request(run_id, "step")
    rounds_when_paused = []

    def watch():
        if store.get(run_id).status == "paused":
            rounds_when_paused.append(store.get(run_id).rounds_done)
            store.request(run_id, "step" if len(rounds_when_paused) < 3 else "stop")

    execute(store, run_id, on_step=watch)
    assert rounds_when_paused == [1, 2, 3]


def test_a_run_that_fails_says_why_and_can_be_resumed(store, tiny):
    run_id = store.create(tiny)

    def break_down():
        raise RuntimeError("out of memory\nand a second line")

    with pytest.raises(RuntimeError):
        execute(store, run_id, on_step=Steps(9, break_down))
    info = store.get(run_id)
    assert (info.status, info.error) == ("failed", "RuntimeError: out of memory")
    execute(store, run_id)
    assert (store.get(run_id).status, store.get(run_id).error) == ("finished", "")


def test_ctrl_c_and_a_closed_pipe_interrupt(store, tiny):
    for error in (KeyboardInterrupt, BrokenPipeError):
        run_id = store.create(tiny)

        def end(error=error):
            raise error

        with pytest.raises(error):
            execute(store, run_id, on_step=Steps(3, end))
        assert store.get(run_id).status == "interrupted"


def test_a_finished_run_is_refused_and_left_as_it_is(store, tiny):
    run_id = finished(store, tiny)
    with pytest.raises(RunError, match="is finished; fork it"):
        execute(store, run_id)
    assert store.get(run_id).status == "finished"


def test_threads_are_one_during_the_run_and_as_before_after_it(store, tiny):
    seen = set()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        execute(store, store.create(tiny), on_step=lambda: seen.add(torch.get_num_threads()))
        assert (seen, torch.get_num_threads()) == ({1}, 2)
    finally:
        torch.set_num_threads(before)


def test_the_number_of_processes_stays_with_the_run(store, tiny, monkeypatch):
    experiment = tiny.replace({"model.name": "cnn_small", "federation.rounds": 3})
    monkeypatch.setenv("FEDLAB_PROCESSES", "2")
    whole = finished(store, experiment)
    run_id = store.create(experiment)
    with pytest.raises(Interrupted):
        execute(store, run_id, on_step=Steps(30, leave))
    assert store.get(run_id).processes == 2
    monkeypatch.setenv("FEDLAB_PROCESSES", "1")  # as on a smaller machine
    execute(store, run_id)
    child = fork(store, whole, 1, {})
    execute(store, child)
    for again in (run_id, child):
        assert store.get(again).processes == 2
        assert store.state(again)[1].sha256() == store.state(whole)[1].sha256()
    assert store.get(finished(store, experiment)).processes == 1


@pytest.mark.parametrize("claim", [0, 1000, -1, True, "2", None, 1.5])
def test_an_impossible_number_of_processes_is_not_believed(claim):
    assert recorded_processes({"processes": claim}) == 1


def test_a_fork_without_changes_repeats_its_parent(store, tiny):
    parent = finished(store, tiny)
    child = fork(store, parent, 3, {}, name="again", owner="me")
    info = store.get(child)
    assert (info.status, info.parent_id, info.parent_round, info.rounds_done) == ("queued", parent, 3, 3)
    assert (info.name, info.owner) == ("again", "me")
    execute(store, child)
    theirs, mine = without_times(store.rows(parent))[3:], without_times(store.rows(child))
    assert mine[1:] == theirs[1:]
    nothing = {"upload_bytes": 0, "download_bytes": 0, "dense_flops": 0, "effective_flops": 0, "clients": []}
    measured = {"train_loss": None, "accuracy_before_purge": theirs[0]["test_accuracy"]}
    assert mine[0] == {**theirs[0], **nothing, **measured}
    assert store.state(child)[1].sha256() == store.state(parent)[1].sha256()


def test_a_fork_keeps_the_masks_of_its_parent_and_goes_its_own_way(store, tiny):
    parent = finished(store, tiny)
    child = fork(store, parent, 4, {"strategy.final_sparsity": 0.97, "federation.rounds": 8})
    execute(store, child)
    rows = store.rows(child)
    assert [row["round"] for row in rows] == [4, 5, 6, 7, 8]
    assert rows[0]["sparsity"] == store.rows(parent)[4]["sparsity"]
    assert rows[-1]["sparsity"] == pytest.approx(0.97, abs=1e-4)
    assert store.get(parent).rounds_done == 6
    at_fork = store.masks(parent, 4)
    for name, mask in store.masks(child, 8).items():
        assert not (mask & ~at_fork[name]).any()


def test_a_thinned_state_is_computed_again(store, tiny, monkeypatch):
    whole = finished(store, tiny)
    monkeypatch.setattr(tables, "FULL_STATE_BYTES", 20_000)
    thinned = finished(store, tiny)
    assert store.state(thinned, 5)[0] == 0
    child = fork(store, thinned, 5, {})
    assert store.state(child)[1].sha256() == store.state(whole, 5)[1].sha256()


def test_a_fork_is_measured_under_its_own_settings(store, tiny):
    parent = finished(store, tiny)
    child = fork(store, parent, 3, {"strategy.final_sparsity": 0.5, "data.partition": "iid"})
    then, now = store.rows(parent)[3], store.rows(child)[0]
    assert now["test_accuracy"] == then["test_accuracy"]
    assert now["worst_client_accuracy"] != then["worst_client_accuracy"]
    assert 0 < now["target_sparsity"] < then["target_sparsity"]


def test_a_fork_that_counts_biases_says_how_sparse_it_is_itself(store, tiny):
    child = fork(store, finished(store, tiny), 3, {"strategy.prune_biases": "true"})
    row, masks = store.rows(child)[0], store.masks(child, 3)
    assert row["layer_density"].keys() == masks.keys()
    assert "fc1.bias" in masks


def test_forks_that_cannot_be(store, tiny):
    parent = finished(store, tiny)
    for round in (-1, 7, 10**30):
        with pytest.raises(RunError, match=f"no round {round}; its rounds are 0 to 6"):
            fork(store, parent, round, {})
    with pytest.raises(RunError, match="its rounds are none yet"):
        fork(store, store.create(tiny), 0, {})
    with pytest.raises(SettingError, match=r"federation\.rounds is 6; a fork after round 6 needs more than 6"):
        fork(store, parent, 6, {})
    with pytest.raises(SettingError, match=r"model\.name"):
        fork(store, parent, 3, {"model.name": "cnn_small"})
    with pytest.raises(SettingError, match=r"did you mean data\.alpha"):
        fork(store, parent, 3, {"data.alhpa": 1})
    assert len(store.list()) == 2


def test_errors_as_one_line():
    assert sentence(ValueError("data.alpha is -1\n  allowed")) == "data.alpha is -1"
    assert sentence(RuntimeError()) == "RuntimeError: "
    assert sentence(ValueError()) == "ValueError: "


@pytest.mark.parametrize("strategy", NAMES)
def test_reported_numbers_are_counted_ones(store, tiny, strategy, monkeypatch):
    """Bytes against the payloads that were really packed; sparsity against zeros in the stored weights."""
    payloads = []

    def packing(update, memory):
        payloads.append(pack_update(update, memory))
        return payloads[-1]

    monkeypatch.setattr("fedlab_core.clients.pack_update", packing)
    experiment = tiny.replace({"strategy.name": strategy})
    run_id, sizes = store.create(experiment), [0]
    execute(store, run_id, on_record=lambda record: sizes.append(sum(map(len, payloads))))
    for row in store.rows(run_id):
        assert row["upload_bytes"] == sizes[row["round"] + 1] - sizes[row["round"]]
        _, state = store.state(run_id, row["round"])
        pruned = [state.params[name][~mask] for name, mask in state.masks.items()]
        assert all((weights == 0).all() for weights in pruned)
        total = sum(mask.numel() for mask in state.masks.values())
        assert row["sparsity"] == pytest.approx(sum(map(len, pruned)) / total, abs=1e-12)
    assert sizes[-1] > 0


def test_a_download_is_the_stored_state_on_the_wire(store, tiny):
    """Round r + 1 sends every client the state after round r: the bytes can be recomputed from the store alone."""
    run_id = finished(store, tiny)
    rows = store.rows(run_id)
    for row in rows[1:]:
        _, state = store.state(run_id, row["round"] - 1)
        masks = {f"params/{name}": mask for name, mask in state.masks.items()}
        payload = encode({f"params/{name}": weight for name, weight in state.params.items()}, masks)
        assert row["download_bytes"] == len(payload) * len(row["clients"])


def test_an_upload_can_be_recomputed_from_the_store(store, tiny):
    run_id = finished(store, tiny)
    federation = Federation.of(tiny)
    for row in store.rows(run_id)[1:]:
        _, server = store.state(run_id, row["round"] - 1)
        again = run_round(federation, server, federation.context(row["round"]))
        assert without_times([again.to_json()]) == without_times([row])


@pytest.mark.slow
def test_the_schedule_has_the_check_values(store):
    """METHODS 2.2: S_T = 0.95, T = 200, n = 3, t0 = 1. Reached sparsity is int(s_t P) / P."""
    experiment = Experiment().replace(
        {
            "data.num_clients": 1,
            "data.partition": "iid",
            "model.name": "mlp",
            "federation.rounds": 200,
            "federation.local_epochs": 1,
            "federation.batch_size": 2048,
            "strategy.name": "fedsparsify-global",
            "strategy.final_sparsity": 0.95,
        }
    )
    run_id = finished(store, experiment)
    rows = {row["round"]: row for row in store.rows(run_id)}
    assert (rows[1]["target_sparsity"], rows[1]["sparsity"]) == (0, 0)
    weights = sum(mask.numel() for mask in store.masks(run_id, 200).values())
    for round, expected in {2: 0.0142, 50: 0.5431, 100: 0.8295, 150: 0.9349, 199: 0.9500, 200: 0.95}.items():
        assert rows[round]["target_sparsity"] == pytest.approx(expected, abs=5e-5)
        assert rows[round]["sparsity"] == pytest.approx(int(rows[round]["target_sparsity"] * weights) / weights)
