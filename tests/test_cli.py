"""The command line: what it prints, how it ends, and that its numbers are those of the store."""

import json
import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from fedlab_core.cli import app
from fedlab_core.export import load_model
from fedlab_core.processes import one_thread
from fedlab_core.runs.recipes import RECIPES, recipe
from fedlab_core.runs.store import RunStore
from fedlab_core.simulation import simulate

TINY = ["--set", "model.name=mlp", "--set", "data.num_clients=3", "--set", "federation.local_epochs=1"]
FIELDS = {
    "round",
    "test_accuracy",
    "test_loss",
    "sparsity",
    "upload_bytes",
    "download_bytes",
    "dense_flops",
    "effective_flops",
    "round_s",
    "clients",
}


@pytest.fixture
def fedlab(tmp_path):
    """`fedlab(...)`: a command on a store of this test, empty at first."""
    RunStore(tmp_path / "runs.sqlite").close()

    def call(*arguments, store=True):
        path = ["--store", str(tmp_path / "runs.sqlite")] if store else []
        return CliRunner().invoke(app, [*arguments, *path])

    return call


@pytest.fixture
def run(fedlab):
    """`run(...)`: a short finished run; its JSON lines."""

    def call(*arguments, name="fedsparsify-digits", rounds=3):
        result = fedlab("run", name, "--rounds", str(rounds), "--json", *TINY, *arguments)
        assert result.exit_code == 0, result.stderr
        return [json.loads(line) for line in result.stdout.splitlines()]

    return call


def refused(result, *words):
    """Exit code 2 and one sentence on stderr with these words."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr
    return True


def test_one_json_object_a_round_and_a_summary(run, tmp_path):
    *rounds, summary = run()
    assert [row["round"] for row in rounds] == [1, 2, 3]
    for row in rounds:
        assert row.keys() >= FIELDS
        assert row["clients"] == [0, 1, 2]
        assert row["upload_bytes"] > 0
    assert rounds[-1]["sparsity"] == pytest.approx(0.9, abs=1e-4)
    assert "round" not in summary
    with RunStore(tmp_path / "runs.sqlite") as store:
        info = store.get(summary["run_id"])
        assert summary["state_sha256"] == store.state(info.run_id)[1].sha256()
        assert [row["round"] for row in store.rows(info.run_id)] == [0, 1, 2, 3]
    assert (summary["status"], summary["rounds_done"], summary["experiment_hash"]) == (
        "finished",
        3,
        info.experiment.hash,
    )
    assert summary["total_upload_bytes"] == sum(row["upload_bytes"] for row in rounds)
    assert (info.name, info.experiment.federation.rounds) == ("fedsparsify-digits", 3)


def test_equal_experiments_have_equal_hashes(run):
    first, second, other = run()[-1], run()[-1], run("--set", "federation.seed=1")[-1]
    assert first["state_sha256"] == second["state_sha256"] != other["state_sha256"]
    assert first["run_id"] != second["run_id"]


def test_diverging_training_is_one_sentence_and_a_failed_run(fedlab):
    wild = [f"--set=federation.{one}" for one in ("learning_rate=10", "momentum=0.99", "batch_size=4")]
    result = fedlab("run", "fedsparsify-digits", "--rounds", "3", "--json", *TINY, *wild)
    assert result.exit_code != 0
    assert "training diverged in round" in result.stderr
    assert "Traceback" not in result.stderr
    for line in result.stdout.splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    (info,) = json.loads(fedlab("runs", "--json").stdout)
    assert info["status"] == "failed"


def test_runs_and_show(fedlab, run):
    assert "No runs yet" in fedlab("runs").stdout
    assert json.loads(fedlab("runs", "--json").stdout) == []
    one, two = run("--name", "one")[-1], run(name="fedavg-digits", rounds=1)[-1]
    listed = json.loads(fedlab("runs", "--json").stdout)
    assert [info["run_id"] for info in listed] == [two["run_id"], one["run_id"]]
    assert "fedsparsify-global" in fedlab("runs").stdout

    shown = json.loads(fedlab("show", one["run_id"][:6], "--json").stdout)
    assert shown["state_sha256"] == one["state_sha256"]
    assert shown["settings"]["model.name"] == "mlp"
    assert [row["round"] for row in shown["rows"]] == [0, 1, 2, 3]
    page = fedlab("show", one["run_id"]).stdout
    for words in ("finished", "strategy.final_sparsity = 0.9", "90.0 %", "threads: 1"):
        assert words in page


def test_fork_continues(fedlab, run):
    parent = run()[-1]
    result = fedlab("fork", parent["run_id"], "--round", "1", "--set", "strategy.final_sparsity=0.95", "--json")
    *rounds, child = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["round"] for row in rounds] == [2, 3]
    assert rounds[-1]["sparsity"] == pytest.approx(0.95, abs=1e-4)
    assert (child["parent_id"], child["parent_round"]) == (parent["run_id"], 1)
    assert f"forked from {parent['run_id']} after round 1" in fedlab("show", child["run_id"]).stdout
    assert refused(fedlab("fork", parent["run_id"], "--round", "3"), "federation.rounds is 3", "more than 3")
    assert refused(fedlab("fork", parent["run_id"], "--round", "9"), "no round 9", "0 to 3")
    assert refused(fedlab("fork", parent["run_id"], "--round", "x"), "--round is 'x'; allowed is a whole number")


def test_a_fork_counts_its_own_rounds_only(fedlab, run):
    parent = run()
    result = fedlab("fork", parent[-1]["run_id"], "--round", "1", "--json")
    *rounds, child = [json.loads(line) for line in result.stdout.splitlines()]
    for total in ("upload_bytes", "download_bytes"):
        assert child[f"total_{total}"] == sum(row[total] for row in rounds) > 0
        assert child[f"total_{total}"] == sum(row[total] for row in parent[1:-1])
    assert child["state_sha256"] == parent[-1]["state_sha256"]


def test_a_schedule_that_misses_its_goal_is_said(fedlab):
    result = fedlab("run", "fedsparsify-digits", "--rounds", "3", "--set", "strategy.frequency=2", *TINY)
    assert result.exit_code == 0
    assert "Over 3 rounds this schedule ends at a sparsity of 0.787, not of 0.9" in result.stderr
    assert "schedule ends" not in fedlab("run", "fedsparsify-digits", "--rounds", "2", *TINY).stderr


def test_export_import_delete(fedlab, run, tmp_path):
    one, file = run()[-1], tmp_path / "run.safetensors"
    assert fedlab("export", one["run_id"], str(file)).exit_code == 0
    again = fedlab("import", str(file)).stdout.strip()
    assert json.loads(fedlab("show", again, "--json").stdout)["state_sha256"] == one["state_sha256"]
    assert fedlab("delete", again).exit_code == 0
    assert refused(fedlab("show", again), again)
    file.write_bytes(file.read_bytes()[:-1])
    assert refused(fedlab("import", str(file)), "damaged")
    assert refused(fedlab("import", str(tmp_path / "nothing")), "nothing: No such file")
    assert refused(fedlab("export", one["run_id"], str(tmp_path)), "Is a directory")


def saved_model(fedlab, run, file):
    """A run that has lost whole units, and what is said of its model."""
    one = run("--set", "strategy.name=channel-pruning", "--set", "strategy.final_sparsity=0.8", rounds=2)[-1]
    result = fedlab("save-model", one["run_id"], str(file), "--json")
    assert result.exit_code == 0, result.stderr
    return one["run_id"], json.loads(result.stdout)


def test_a_trained_model_is_saved_and_said_to_be_smaller(fedlab, run, tmp_path):
    """mlp on 8 x 8: 64 -> u -> u -> 10, 128 units at first; FLOPs are two for each weight."""
    run_id, said = saved_model(fedlab, run, file := tmp_path / "small.safetensors")
    model = load_model(file)
    assert said["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    units = model.fc1.out_features
    assert units < 64
    assert said["flops"] == 2 * (64 * units + units * units + units * 10)
    assert said["whole_flops"] == 2 * (64 * 128 + 128 * 128 + 128 * 10)
    assert said["whole_parameters"] == said["whole_flops"] // 2 + 128 + 128 + 10
    assert said["file_bytes"] == file.stat().st_size
    text = fedlab("save-model", run_id, str(file)).stdout
    assert f"{said['parameters']:,} of 26,122 ({said['parameters'] / 26122:.1%})" in text
    assert refused(fedlab("save-model", run_id, str(tmp_path / "model.pt")), "'model.pt'", ".safetensors or .onnx")
    assert refused(fedlab("save-model", run_id, str(tmp_path / "no" / "m.safetensors")), "No such file")
    assert refused(fedlab("import", str(file)), "no exported run")


@pytest.mark.slow
def test_a_trained_model_is_saved_as_onnx(fedlab, run, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    _, said = saved_model(fedlab, run, file := tmp_path / "small.onnx")
    assert said["file_bytes"] == file.stat().st_size < 4 * said["parameters"] + 10_000
    session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == ["batch", 1, 8, 8]


def test_recipes_are_listed_and_can_be_built(fedlab):
    listed = fedlab("recipes", store=False).stdout
    assert {"fedavg-digits", "fedsparsify-digits", "fedsparsify-local-digits"} <= RECIPES.keys()
    for name, build in RECIPES.items():
        assert name in listed
        assert build() == recipe(name)
        assert len(build.__doc__.splitlines()) == 1


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("data.alpha=-1", ["data.alpha", "-1", "0.001 <= value <= 1000"]),
        ("data.num_clients=0", ["data.num_clients", "'0'", "1 <= value"]),
        ("federation.participation=much", ["federation.participation", "much", "number"]),
        ("federation.momentum=1", ["federation.momentum", "value < 1"]),
        ("strategy.final_sparsity=1.5", ["strategy.final_sparsity", "1.5", "value < 1"]),
        ("data.alhpa=1", ["data.alhpa", "did you mean data.alpha?"]),
        ("strategy.final_sparsty=0.5", ["did you mean strategy.final_sparsity?"]),
        ("strategy.name=fedsparsify-globl", ["strategy.name", "fedsparsify-global"]),
        ("model.name=resnet", ["model.name", "resnet", "cnn_small"]),
        ("data.partition=none", ["data.partition", "none", "dirichlet"]),
        ("data.dataset=digit", ["digit", "digits"]),
        ("data.alpha", ["data.alpha", "KEY=VALUE"]),
        ("data.min_size=1000", ["data.min_size", "1000"]),
        ("data.num_clients=100000", ["data."]),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(fedlab, setting, words):
    assert refused(fedlab("run", "fedsparsify-digits", "--set", setting), *words)
    assert json.loads(fedlab("runs", "--json").stdout) == []


def test_other_bad_wishes_are_refused_in_one_sentence(fedlab, run, tmp_path):
    assert refused(fedlab("run", "fedsparsify-digit"), "'fedsparsify-digit'", "did you mean fedsparsify-digits?")
    for rounds in ("0", "-3", "many", "100001"):
        assert refused(
            fedlab("run", "fedavg-digits", "--rounds", rounds), "federation.rounds", rounds, "1 <= value <= 100000"
        )
    for command in ("show", "resume", "delete"):
        assert refused(fedlab(command, "nobody"), "'nobody'")
    assert refused(fedlab("run", "fedavg-digits", "--set", "=3"), "--set is '=3'; allowed is KEY=VALUE")
    assert refused(fedlab("run", "fedavg-digits", "--set", "data.dataset=images"), "data.path is ''", "zip")
    assert refused(fedlab("export", "nobody", str(tmp_path / "file")), "'nobody'")
    assert refused(fedlab("resume", run(rounds=1)[-1]["run_id"]), "is finished; fork it")
    noise = tmp_path / "noise"
    noise.write_text("no database" * 100)
    assert refused(fedlab("runs", "--store", str(noise), store=False), "noise", "not a database")
    mistyped = tmp_path / "rums.sqlite"
    for command in (("runs",), ("show", "a"), ("resume", "a"), ("delete", "a"), ("attack", "a")):
        assert refused(fedlab(*command, "--store", str(mistyped), store=False), "rums.sqlite", "no such file")
    assert not mistyped.exists()
    assert fedlab("run").exit_code == 2


def test_data_that_is_not_there_is_named(fedlab, tmp_path, monkeypatch):
    monkeypatch.setenv("FEDLAB_DATA", str(tmp_path / "empty"))
    assert refused(fedlab("run", "fedsparsify-fashionmnist"), "FashionMNIST", "empty")
    asked = []
    monkeypatch.setattr("fedlab_core.data.datasets.load_dataset", lambda name, **how: asked.append((name, how)))
    result = fedlab("run", "fedsparsify-digits", "--rounds", "1", "--download", *TINY)
    assert result.exit_code == 0
    assert asked == [("digits", {"path": "", "download": True})]


ROUNDS = 30
COMMAND = [sys.executable, "-m", "fedlab_core.cli"]
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and pipes of POSIX")


def begun(store, rounds=ROUNDS):
    """`fedlab run` in a process of its own, after its first two rounds."""
    command = [*COMMAND, "run", "fedsparsify-digits", "--json", "--store", str(store), "--rounds", str(rounds), *TINY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    rounds = [json.loads(process.stdout.readline())["round"] for _ in range(2)]
    assert rounds == [1, 2]
    return process


@pytest.fixture(scope="module")
def whole():
    """The hash of the run that `begun` begins, never interrupted."""
    experiment = recipe("fedsparsify-digits").replace(dict(pair.split("=") for pair in TINY if pair != "--set"))
    with one_thread():
        records = list(simulate(experiment.replace({"federation.rounds": ROUNDS})))
    return records[-1].state.sha256()


@pytest.mark.slow
@posix
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_saves_says_how_to_go_on_and_exits_130(fedlab, whole, tmp_path, number, code):
    with begun(tmp_path / "runs.sqlite") as process:
        process.send_signal(number)
        out, err = process.communicate()
    assert process.returncode == code
    summary = json.loads(out.splitlines()[-1])
    assert summary["status"] == "interrupted"
    assert 2 <= summary["rounds_done"] < ROUNDS
    assert f"fedlab resume {summary['run_id']}" in err.splitlines()[-1]
    assert "Traceback" not in err

    result = fedlab("resume", summary["run_id"], "--json")
    *rounds, resumed = [json.loads(line) for line in result.stdout.splitlines()]
    assert rounds[0]["round"] == summary["rounds_done"] + 1
    assert resumed["state_sha256"] == whole


@pytest.mark.slow
@posix
def test_a_killed_run_is_listed_as_interrupted_and_resumes_to_the_same_bytes(fedlab, whole, tmp_path):
    with begun(tmp_path / "runs.sqlite") as process:
        process.kill()
    (info,) = json.loads(fedlab("runs", "--json").stdout)
    assert info["status"] == "interrupted"
    result = fedlab("resume", info["run_id"], "--json")
    resumed = json.loads(result.stdout.splitlines()[-1])
    assert (resumed["status"], resumed["rounds_done"]) == ("finished", ROUNDS)
    assert resumed["state_sha256"] == whole


@pytest.mark.slow
@posix
def test_a_reader_that_leaves_ends_the_run_quietly(fedlab, tmp_path):
    with begun(tmp_path / "runs.sqlite", 10_000) as process:
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 1
    assert "Traceback" not in err
    assert json.loads(fedlab("runs", "--json").stdout)[0]["status"] == "interrupted"


GRID = ["--grid", "strategy.final_sparsity=0.5,0.9", "--grid", "federation.seed=0,1"]


@pytest.fixture
def sweep(fedlab):
    """`sweep(...)`: a short finished sweep; its JSON lines."""

    def call(*arguments):
        result = fedlab("sweep", "fedsparsify-digits", "--rounds", "2", "--json", *GRID, *TINY, *arguments)
        assert result.exit_code == 0, result.stderr
        return [json.loads(line) for line in result.stdout.splitlines()]

    return call


@pytest.mark.slow
def test_a_sweep_says_what_it_plans_then_each_run_then_the_means(fedlab, sweep, run):
    plan, *ended, means = sweep("--processes", "2")
    assert (plan["runs"], plan["processes"]) == (4, 2)
    assert plan["estimated_s"] > 0
    assert {tuple(one["coordinates"].values()) for one in ended} == {(0.5, 0), (0.5, 1), (0.9, 0), (0.9, 1)}
    assert {(one["status"], one["rounds_done"], one["sweep_id"]) for one in ended} == {
        ("finished", 2, plan["sweep_id"])
    }
    assert (means["runs"], means["finished"]) == (4, 4)
    for group, sparsity in zip(means["groups"], (0.5, 0.9), strict=True):
        assert group["coordinates"] == {"strategy.final_sparsity": sparsity}
        same = [one for one in ended if one["coordinates"]["strategy.final_sparsity"] == sparsity]
        first, second = (one["final_test_accuracy"] for one in same)
        assert group["mean_final_test_accuracy"] == pytest.approx((first + second) / 2)
        assert group["spread_final_test_accuracy"] == pytest.approx(abs(first - second) / 2**0.5)
        assert group["mean_total_upload_bytes"] == sum(one["total_upload_bytes"] for one in same) / 2
    alone = run("--set", "strategy.final_sparsity=0.5", "--set", "federation.seed=1", rounds=2)[-1]
    (same,) = [one for one in ended if one["experiment_hash"] == alone["experiment_hash"]]
    assert same["state_sha256"] == alone["state_sha256"]


@pytest.mark.slow
def test_a_sweep_for_people(fedlab):
    result = fedlab("sweep", "fedsparsify-digits", "--rounds", "2", "--name", "rates", *GRID, *TINY, "--processes", "1")
    assert result.exit_code == 0
    assert "4 runs of 2 rounds in 1 process: less than 10 s" in result.stderr
    assert "8/8 rounds" in result.stderr
    *lines, head, half, tenth = result.stdout.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("run ")
    assert "rates final_sparsity=0.5 seed=0: finished after 2/2 rounds: test accuracy" in lines[0]
    assert head.split() == ["final_sparsity", "runs", "accuracy", "sparsity", "up", "down"]
    assert half.split()[:2] == ["0.5", "2/2"]
    assert tenth.split()[:2] == ["0.9", "2/2"]
    assert "90.0 ± 0.0 %" in tenth

    head, *listed = fedlab("runs").stdout.splitlines()
    (line,) = listed  # one for the whole sweep
    sweep_id = line.split()[0]
    assert "rates, 4/4 runs over strategy.final_sparsity, federation.seed" in line
    assert len(fedlab("runs", "--sweep", sweep_id).stdout.splitlines()) == 5
    assert {info["sweep_id"] for info in json.loads(fedlab("runs", "--json").stdout)} == {sweep_id}
    page = fedlab("show", sweep_id[:6]).stdout
    assert "4 of 4 runs finished" in page
    assert "federation.seed = 0, 1" in page
    assert page.endswith(f"{tenth}\n")
    assert json.loads(fedlab("show", sweep_id, "--json").stdout)["finished"] == 4
    again = fedlab("sweep", "--resume", sweep_id)  # nothing is left
    assert again.exit_code == 0
    assert again.stdout.splitlines()[-1] == tenth
    assert fedlab("delete", sweep_id).exit_code == 0
    assert json.loads(fedlab("runs", "--json").stdout) == []
    assert refused(fedlab("show", sweep_id), f"there is no run '{sweep_id}'")


@pytest.mark.slow
def test_a_run_of_a_sweep_that_fails_is_named_and_the_exit_code_says_so(fedlab):
    wild = ("--grid", "federation.learning_rate=10,0.05", "--set", "federation.momentum=0.99")
    wild += ("--set", "federation.batch_size=4")
    result = fedlab("sweep", "fedsparsify-digits", "--rounds", "2", *wild, *TINY, "--processes", "1")
    assert result.exit_code == 1
    (line,) = [line for line in result.stdout.splitlines() if ": failed" in line]
    assert "learning_rate=10.0: failed after 1/2 rounds: training diverged in round 1" in line
    assert "1 of 2 runs are not finished" in result.stderr
    assert "fedlab sweep --resume" in result.stderr.splitlines()[-1]
    assert result.stdout.splitlines()[-2].split()[:3] == ["10.0", "0/1", "-"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--grid", "strategy.final_sparsity=0.5,1.5"], ["strategy.final_sparsity is '1.5'", "0 <= value < 1"]),
        (["--grid", "strategy.final_sparsty=0.5"], ["did you mean strategy.final_sparsity"]),
        (["--grid", "federation.seed=1,1"], ["federation.seed=1 twice"]),
        (["--grid", "federation.seed"], ["--grid is 'federation.seed'", "KEY=VALUE,VALUE"]),
        (["--grid", "data.num_clients=4,100000"], ["data.num_clients is 100000", "at most 1438 clients"]),
        ([], ["the grid has no settings"]),
        ([*GRID, "--processes", "0"], ["--processes is '0'; allowed is a whole number from 1 to 64"]),
        ([*GRID, "--resume", "abc"], ["--resume goes on with a sweep as it is"]),
    ],
)
def test_bad_sweeps_are_refused_in_one_sentence(fedlab, arguments, words):
    assert refused(fedlab("sweep", "fedsparsify-digits", *arguments), *words)
    assert "No runs yet" in fedlab("runs").stdout


def test_a_sweep_that_is_not_there(fedlab):
    assert refused(fedlab("sweep", "--resume", "nothing"), "there is no sweep 'nothing'")
    assert refused(fedlab("sweep"), "there is no recipe ''")


@pytest.mark.slow
@posix
def test_ctrl_c_leaves_a_sweep_that_goes_on(fedlab, sweep, tmp_path):
    store = str(tmp_path / "runs.sqlite")
    grid = [f"--grid=federation.rounds=2,{ROUNDS}", "--grid", "federation.seed=0"]
    command = [*COMMAND, "sweep", "fedsparsify-digits", "--json", "--processes", "1", "--store", store, *grid, *TINY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        plan, first = (json.loads(process.stdout.readline()) for _ in range(2))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert json.loads(out.splitlines()[-1])["finished"] == 1
    assert f"fedlab sweep --resume {plan['sweep_id']}" in err.splitlines()[-1]
    assert first["coordinates"]["federation.rounds"] == 2

    result = fedlab("sweep", "--resume", plan["sweep_id"], "--json")
    left, second, means = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert left["runs"] == 1
    assert (second["coordinates"]["federation.rounds"], second["status"]) == (ROUNDS, "finished")
    assert means["finished"] == 2


def test_help_does_not_wait_for_torch():
    """No clock: what would be slow is not imported."""
    code = "import sys, fedlab_core.cli; sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'sklearn')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    shown = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True)
    assert shown.returncode == 0
    assert "Federated learning with pruning" in shown.stdout


def test_a_bar_on_stderr(fedlab):
    result = fedlab("run", "fedsparsify-digits", "--rounds", "2", *TINY)
    assert result.stdout == ""
    assert "2/2" in result.stderr
    assert "finished after round 2: test accuracy" in result.stderr


def test_a_stored_run_is_attacked(run, fedlab):
    *_, last, summary = run()
    found = json.loads(fedlab("attack", summary["run_id"], "--json").stdout)
    assert (found["run_id"], found["round"]) == (summary["run_id"], 3)
    for access in ("black-box", "white-box"):
        report = found[access]
        assert report["clients"] == 3
        assert report["test_score"] == pytest.approx(last["test_accuracy"])  # the clients have all test examples
        assert report["generalisation_gap"] == report["train_score"] - report["test_score"]
        assert 0.4 < report["auc"] < 0.6  # three rounds on all digits teach nobody by heart
    said = fedlab("attack", summary["run_id"]).stdout
    assert f"run {summary['run_id']} after round 3" in said
    assert f"AUC {found['white-box']['auc']:.3f}" in said
    assert refused(fedlab("attack", "nothing"), "nothing")


@pytest.mark.slow
def test_only_who_took_part_is_asked_about_also_before_a_fork(run, fedlab):
    few = ("--set", "federation.participation=0.3", "--set", "data.num_clients=6", "--set", "data.partition=iid")
    *rows, summary = run(*few, rounds=2)
    changes = ("--round", "1", "--set", "federation.seed=5", "--json")
    *more, child = [json.loads(line) for line in fedlab("fork", summary["run_id"], *changes).stdout.splitlines()]
    took = {k for row in rows for k in row["clients"]}
    assert len(took) < 6
    assert json.loads(fedlab("attack", summary["run_id"], "--json").stdout)["black-box"]["clients"] == len(took)
    both = {k for row in (rows[0], *more) for k in row["clients"]}
    assert json.loads(fedlab("attack", child["run_id"], "--json").stdout)["black-box"]["clients"] == len(both)
    assert fedlab("delete", summary["run_id"]).exit_code == 0
    own = {k for row in more for k in row["clients"]}
    said = fedlab("attack", child["run_id"])
    assert f"{len(own)} clients that took part" in said.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "allowed is a RECIPE with its settings, or --resume RUN"),
        (["fedavg-digits", "--resume", "abc"], "allowed is a RECIPE with its settings, or --resume RUN"),
        (["--resume", "abc", "--rounds", "3"], "allowed is a RECIPE with its settings, or --resume RUN"),
        (["fedavg-digits", "--nodes", "0"], "--nodes is '0'; allowed is a whole number from 1 to 64"),
        (["fedavg-digits", "--deadline", "soon"], "--deadline is 'soon'; allowed is a number above 0"),
        (["fedavg-digits", "--deadline", "inf"], "--deadline is 'inf'; allowed is a number above 0"),
        (["fedavg-digits", "--address", "lab"], "--address is 'lab'; allowed is HOST:PORT"),
        (["fedavg-digits", "--fault", "1=evil"], "--fault is '1=evil'; allowed is NODE=FAULT"),
        (["fedavg-digits", "--fault", "9=nan"], "--fault is '9'; allowed is a whole number from 0 to 3"),
        (["fedavg-digits", "--set", "data.alpha=-1"], "data.alpha"),
    ],
)
def test_what_cannot_be_deployed_is_refused(fedlab, arguments, sentence):
    result = fedlab("deploy", *arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert not json.loads(fedlab("runs", "--json").stdout)
