"""A run as a file: it comes back whole, and nothing in a file from elsewhere is believed."""

import json
import math
from dataclasses import replace

import pytest
import safetensors.torch
import torch

from fedlab_core.experiment import Experiment
from fedlab_core.metrics import ACCURACY, MAE, metric_of
from fedlab_core.runs import transfer
from fedlab_core.runs.blobs import metadata, pack_masks
from fedlab_core.runs.execute import execute, fork
from fedlab_core.runs.gallery import GALLERY, load_gallery
from fedlab_core.runs.store import RunError, RunStore
from fedlab_core.runs.tables import digest_of


@pytest.fixture(scope="module")
def small():
    return Experiment().replace(
        {"data.num_clients": 2, "model.name": "mlp", "federation.rounds": 3, "strategy.name": "fedsparsify-global"}
    )


@pytest.fixture(scope="module")
def exported(small, tmp_path_factory):
    """A finished run as a file."""
    with RunStore(tmp_path_factory.mktemp("export") / "runs.sqlite") as store:
        run_id = store.create(small, name="mine", owner="a secret token")
        execute(store, run_id)
        return store.export(run_id)


def remade(payload, said=None, tensors=None):
    """The file with other metadata or tensors."""
    tensors = safetensors.torch.load(payload) if tensors is None else tensors
    return safetensors.torch.save(tensors, {**metadata(payload), **(said or {})})


def edited(payload, key, change):
    """The file with one of its JSON texts changed by a function."""
    value = json.loads(metadata(payload)[key])
    change(value)
    return remade(payload, {key: json.dumps(value)})


def test_a_run_comes_back_whole(store, exported, small):
    run_id = store.import_run(exported)
    info = store.get(run_id)
    assert (info.name, info.status, info.experiment, info.owner) == ("mine", "finished", small, "")
    assert info.machine["threads"] == 1
    again = store.export(run_id)
    assert metadata(again) == metadata(exported)
    assert safetensors.torch.load(again).keys() == safetensors.torch.load(exported).keys()
    assert store.state(run_id)[1].sha256() == store.state(store.import_run(exported))[1].sha256()
    assert b"secret" not in exported


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_an_unfinished_run_goes_on_elsewhere(store, small, exported, rounds):
    run_id = store.create(small, status="stopped")
    whole = store.import_run(exported)
    for row in store.rows(whole)[:rounds]:
        record = transfer_record(store, whole, row)
        store.save_round(run_id, record)
    again = store.import_run(store.export(run_id))
    assert store.get(again).status == "stopped"
    execute(store, again)
    assert store.state(again)[1].sha256() == store.state(whole)[1].sha256()


def transfer_record(store, run_id, row):
    from fedlab_core.types import RoundRecord

    return RoundRecord(**{**row, "clients": tuple(row["clients"])}, state=store.state(run_id, row["round"])[1])


def test_a_thin_file_has_all_masks_and_some_states(store, exported):
    whole = store.import_run(exported)
    payload = store.export(whole, keep_every=3)
    assert len(payload) < len(exported)
    thin = store.import_run(payload)
    assert store.mask_rounds(thin) == store.mask_rounds(whole) == [0, 1, 2, 3]
    assert store.state(thin, 2)[0] == 0
    child = fork(store, thin, 2, {})
    assert store.state(child)[1].sha256() == store.state(whole, 2)[1].sha256()


def test_forks_and_diverged_runs_travel_too(store, exported, make_record):
    child = fork(store, store.import_run(exported), 1, {"strategy.prune_biases": "true"})
    again = store.get(store.import_run(store.export(child)))
    assert (again.parent_id, again.parent_round) == (store.get(child).parent_id, 1)
    (row,) = store.rows(child)
    strange = replace(transfer_record(store, child, row), round=2, test_loss=math.nan, train_loss=math.inf)
    store.save_round(child, strange)
    assert math.isnan(store.rows(store.import_run(store.export(child)))[1]["test_loss"])


def test_files_from_before_there_were_errors_are_read(store, exported):
    def age(rows):
        for row in rows:
            for field in MAE.fields:
                assert row.pop(field) is None

    rows = store.rows(store.import_run(edited(exported, "rows", age)))
    assert MAE.test not in rows[0]
    assert metric_of(rows[0]) is ACCURACY


def test_settings_that_cannot_be_are_named(store, exported):
    def ruin(run):
        run["experiment"]["data"]["alpha"] = -1

    with pytest.raises(RunError, match=r"damaged: data\.alpha is -1"):
        store.import_run(edited(exported, "run", ruin))


def set_to(*path_and_value):
    *path, last, value = path_and_value

    def change(target):
        for step in path:
            target = target[step]
        target[last] = value

    return change


HOSTILE = {
    "rows: sparsity": ("rows", set_to(2, "sparsity", 0.5)),
    "rows: density": ("rows", set_to(2, "layer_density", "fc1.weight", 1.0)),
    "rows: order": ("rows", set_to(2, "round", 1)),
    "rows: gap": ("rows", lambda rows: rows.pop(1)),
    "rows: too many": ("rows", lambda rows: rows.append({**rows[-1], "round": 4})),
    "rows: unknown field": ("rows", set_to(0, "html", "<script>")),
    "rows: missing field": ("rows", lambda rows: rows[0].pop("clients")),
    "rows: text for a number": ("rows", set_to(0, "test_accuracy", "0.9")),
    "rows: number for text": ("rows", set_to(0, "clients", [1.5])),
    "rows: accuracy": ("rows", set_to(0, "test_accuracy", 1.5)),
    "rows: accuracy that is no number": ("rows", set_to(0, "worst_client_accuracy", math.nan)),
    "rows: no accuracy": ("rows", set_to(1, "best_client_accuracy", None)),
    "rows: no metric at all": ("rows", set_to(1, "test_accuracy", None)),
    "rows: an error among accuracies": ("rows", set_to(1, "test_mae", 3.0)),
    "rows: an error below zero": ("rows", set_to(1, "test_mae", -3.0)),
    "rows: bytes": ("rows", set_to(1, "upload_bytes", -1)),
    "rows: bytes beyond all numbers": ("rows", set_to(1, "upload_bytes", 10**400)),
    "rows: seconds": ("rows", set_to(1, "round_s", -0.5)),
    "rows: client": ("rows", set_to(1, "clients", [0, 2])),
    "rows: deep": ("rows", set_to(0, "clients", [[[[]]]])),
    "run: unknown field": ("run", set_to("status", "running")),
    "run: long name": ("run", set_to("name", "x" * 10_000)),
    "run: parent": ("run", set_to("parent_id", "<b>abcdefg")),
    "run: half a parent": ("run", set_to("parent_round", 0)),
    "run: parent's round beyond all numbers": (
        "run",
        lambda run: run.update({"parent_id": "abcdefghij", "parent_round": 2**70}),
    ),
    "run: no date": ("run", set_to("created", "yesterday")),
    "run: date beyond all calendars": ("run", set_to("created", "9999-12-31T23:59:59-12:00")),
    "run: machine": ("run", set_to("machine", "platform", ["x"])),
    "run: long machine": ("run", set_to("machine", "platform", "x" * 1000)),
    "run: other rounds": ("run", set_to("experiment", "federation", "rounds", 2)),
    "run: other model": ("run", set_to("experiment", "model", "name", "cnn_small")),
    "run: strategy with other memory": ("run", set_to("experiment", "strategy", {"name": "random"})),
    "run: other data": ("run", set_to("experiment", "data", "dataset", "shapes")),
    "run: unknown strategy": ("run", set_to("experiment", "strategy", "name", "os.system")),
    "index: kind": ("index", set_to(0, 1, "pickle")),
    "index: kind that is no text": ("index", set_to(0, 1, {})),
    "index: round": ("index", set_to(0, 0, 77)),
    "index: digest": ("index", set_to(0, 2, "../../etc/passwd")),
    "index: twice": ("index", lambda index: index.append(index[0])),
    "index: no masks": ("index", lambda index: index.remove(next(e for e in index if e[:2] == [1, "masks"]))),
    "index: no last state": ("index", lambda index: index.remove(next(e for e in index if e[:2] == [3, "model"]))),
    "index: no first state": ("index", lambda index: index.remove(next(e for e in index if e[:2] == [0, "model"]))),
    "index: swapped": ("index", lambda index: index[0].__setitem__(2, index[1][2])),
}


@pytest.mark.parametrize("key", ["run", "rows", "index"])
def test_a_file_that_was_only_written_again_is_taken(store, exported, key):
    """So that the lies below are refused for what they say."""
    assert store.import_run(edited(exported, key, lambda value: None))


@pytest.mark.parametrize("lie", HOSTILE)
def test_lies_are_refused(store, exported, lie):
    key, change = HOSTILE[lie]
    with pytest.raises(RunError, match="the file is no exported run, or damaged"):
        store.import_run(edited(exported, key, change))
    assert store.list() == []


@pytest.mark.parametrize(
    "said", [{"format": "fedlab-run-2"}, {"rows": "{"}, {"rows": "[" * 100_000}, {"run": "null"}, {"index": "7"}]
)
def test_other_metadata_is_refused(store, exported, said):
    with pytest.raises(RunError, match="the file is no exported run, or damaged"):
        store.import_run(remade(exported, said))


def test_every_cut_and_many_flipped_bits_are_refused(store, exported):
    for cut in (*range(0, 2000, 97), *range(2000, len(exported), 9973)):
        with pytest.raises(RunError):
            store.import_run(exported[:cut])
    for place in range(0, len(exported), 4999):
        broken = exported[:place] + bytes([exported[place] ^ 0x10]) + exported[place + 1 :]
        with pytest.raises(RunError):
            store.import_run(broken)
    assert store.list() == []


def swapped_masks(payload, masks, **row):
    """The file with other masks after round 1, under their right digest."""
    tensors, index = safetensors.torch.load(payload), json.loads(metadata(payload)["index"])
    rows = json.loads(metadata(payload)["rows"])
    blob = pack_masks(masks)
    tensors[digest_of(blob)] = torch.frombuffer(bytearray(blob), dtype=torch.uint8)
    for entry in index:
        if entry[:2] == [1, "masks"]:
            entry[2] = digest_of(blob)
    rows[1].update(row)
    return remade(payload, {"index": json.dumps(index), "rows": json.dumps(rows)}, tensors)


def test_masks_that_do_not_belong_to_the_model_are_refused(store, exported):
    mask = torch.ones(3, 3, dtype=torch.bool)
    for name in ("fc1.weight", "nobody.weight"):
        with pytest.raises(RunError):
            store.import_run(swapped_masks(exported, {name: mask}, sparsity=0.0, layer_density={name: 1.0}))


def test_a_model_of_whole_numbers_is_refused(store, make_record, make_state, small):
    """Consistent in itself, for a data set that is not at hand."""
    state = make_state()
    elsewhere = Experiment().replace({"data.dataset": "images", "data.path": "/nowhere"})
    good = store.create(elsewhere)
    store.save_round(good, make_record(0, state))
    assert store.import_run(store.export(good))
    bad = store.create(elsewhere)
    params = {name: weight.to(torch.int64) for name, weight in state.params.items()}
    store.save_round(bad, make_record(0, replace(state, params=params)))
    with pytest.raises(RunError, match="not one of model cnn_small"):
        store.import_run(store.export(bad))


@pytest.mark.parametrize("lie", [{"buffers": {"x": torch.zeros(2)}}, {"state": {"x": torch.zeros(2)}}])
def test_a_state_with_more_than_the_experiment_has_is_refused(store, small, exported, lie):
    run_id = store.import_run(exported)
    bad = store.create(small)
    for row in store.rows(run_id):
        record = transfer_record(store, run_id, row)
        store.save_round(bad, replace(record, state=replace(record.state, **lie)))
    with pytest.raises(RunError, match="not one of model mlp and strategy fedsparsify-global"):
        store.import_run(store.export(bad))


def test_a_run_too_large_to_be_imported_is_exported_with_fewer_states(store, exported, monkeypatch):
    whole = store.import_run(exported)
    monkeypatch.setattr(transfer, "MAX_BYTES", len(exported) * 3 // 4)
    payload = store.export(whole)
    assert len(payload) <= transfer.MAX_BYTES
    again = store.import_run(payload)
    assert store.state(again)[1].sha256() == store.state(whole)[1].sha256()
    assert store.state(again, 1)[0] == 0
    monkeypatch.setattr(transfer, "MAX_BYTES", 1000)
    with pytest.raises(RunError, match=rf"run {whole} makes a file of \d+ bytes; allowed are 1000"):
        store.export(whole)


def test_large_files_are_not_even_read(store, monkeypatch):
    monkeypatch.setattr(transfer, "MAX_BYTES", 10)
    with pytest.raises(RunError, match="has 11 bytes; allowed are 10"):
        store.import_run(b"x" * 11)


def test_a_path_in_a_file_is_not_looked_at(store, make_record, tmp_path, monkeypatch):
    experiment = Experiment().replace({"data.dataset": "images", "data.path": str(tmp_path)})
    run_id = store.create(experiment)
    store.save_round(run_id, make_record(0))
    payload = store.export(run_id)
    monkeypatch.setattr("fedlab_core.data.datasets.read_image_folder", lambda path: pytest.fail(f"read {path}"))
    store.import_run(payload)


def test_the_gallery_is_loaded_once_into_an_empty_store(store, exported, tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.safetensors").write_bytes(exported)
    first, second = load_gallery(store, tmp_path)
    assert [info.run_id for info in store.list()] == [second, first]
    assert load_gallery(store, tmp_path) == []
    for run_id in (first, second):
        store.delete(run_id)
    assert load_gallery(store, tmp_path) == []


def test_the_gallery_does_not_come_to_a_store_with_runs(store, exported, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(exported)
    store.create(Experiment())
    assert load_gallery(store, tmp_path) == []


def test_the_gallery_that_is_shipped(store):
    """Small, finished, and of this version's settings."""
    assert sum(file.stat().st_size for file in GALLERY.iterdir()) < 5_000_000
    runs = [store.get(run_id) for run_id in load_gallery(store)]
    assert len(runs) >= 2
    for info in runs:
        assert info.status == "finished"
        assert store.mask_rounds(info.run_id) == list(range(info.rounds_done + 1))
        assert "fc1.weight" in store.masks(info.run_id, 5)
