"""The configuration: one object, its hash, its flat form, and errors that help."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedlab_core.experiment import Experiment, SettingError, allowed, setting_fields
from fedlab_core.strategies import strategy_names


def test_defaults_work_and_round_trip() -> None:
    experiment = Experiment()
    assert Experiment.parse(json.loads(experiment.to_json())) == experiment
    assert experiment.replace({}) == experiment
    assert len(experiment.hash) == 12


@given(
    alpha=st.floats(0.01, 100),
    clients=st.integers(1, 500),
    strategy=st.sampled_from(strategy_names()),
    seed=st.integers(0, 2**31 - 1),
)
def test_flat_form_round_trips(alpha: float, clients: int, strategy: str, seed: int) -> None:
    changes = {"data.alpha": alpha, "data.num_clients": clients, "federation.seed": seed, "strategy.name": strategy}
    experiment = Experiment().replace(changes)
    assert Experiment().replace(experiment.settings()) == experiment
    text = {key: str(value) for key, value in experiment.changes_from(Experiment()).items()}
    assert Experiment().replace(text) == experiment
    assert experiment.hash == Experiment().replace(text).hash


def test_experiments_keep_the_hash_that_they_had_before_a_setting_came() -> None:
    assert Experiment().hash == "d32ed330eaa5"
    hostile = Experiment().replace({"federation.hostile": 1})
    assert hostile.hash != Experiment().hash
    assert Experiment.parse(json.loads(hostile.to_json())) == hostile


def test_every_setting_changes_the_hash() -> None:
    base = Experiment()
    others = [base.replace({key: value}) for key, value in (("data.seed", 1), ("strategy.name", "fedprox"))]
    assert len({base.hash, *(other.hash for other in others)}) == 3


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"data.alpha": "-1"}, "data.alpha is '-1'; allowed is a number with 0.001 <= value <= 1000"),
        (
            {"data.num_clients": "many"},
            "data.num_clients is 'many'; allowed is a whole number with 1 <= value <= 1e+06",
        ),
        ({"federation.participation": 0}, "federation.participation is 0; allowed is a number with 0 < value <= 1"),
        ({"data.partition": "even"}, "allowed are iid, dirichlet, shards, quantity, ranges, feature"),
        ({"data.dataset": "digit"}, "data.dataset is 'digit'"),
        ({"model.name": "lenet"}, "model.name is 'lenet'; allowed are brain_cnn, brain_small, cnn6, cnn_small, mlp"),
        ({"strategy.name": "fedavgg"}, "did you mean 'fedavg'?"),
        (
            {"strategy.final_sparsity": 0.5},
            "strategy.final_sparsity is no setting of an experiment with strategy fedavg",
        ),
        ({"data.alhpa": 1}, "did you mean data.alpha?"),
        ({"alpha": 1}, "did you mean data.alpha?"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingError) as caught:
        Experiment().replace(settings)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_setting_of_a_strategy_is_named() -> None:
    experiment = Experiment().replace({"strategy.name": "fedsparsify-global"})
    with pytest.raises(
        SettingError, match=r"strategy.final_sparsity is '1.0'; allowed is a number with 0 <= value < 1"
    ):
        experiment.replace({"strategy.final_sparsity": "1.0"})
    with pytest.raises(
        SettingError, match=r"strategy.final_sparsty is no setting.*did you mean strategy.final_sparsity"
    ):
        experiment.replace({"strategy.final_sparsty": 0.5})
    with pytest.raises(SettingError, match=r"strategy.prune_biases is 'maybe'; allowed are true and false"):
        experiment.replace({"strategy.prune_biases": "maybe"})


def test_limits_are_those_of_the_strategy_at_hand() -> None:
    for name in strategy_names():
        experiment = Experiment().replace({"strategy.name": name})
        for key, info in setting_fields(experiment):
            if key.startswith("strategy.") and info.annotation in (int, float):
                with pytest.raises(SettingError) as refusal:
                    experiment.replace({key: "many"})
                assert str(refusal.value) == f"{key} is 'many'; {allowed(info)}"


def test_changing_the_strategy_keeps_shared_settings() -> None:
    experiment = Experiment().replace({"strategy.name": "fedsparsify-global", "strategy.final_sparsity": 0.7})
    local = experiment.replace({"strategy.name": "fedsparsify-local"})
    assert local.settings()["strategy.final_sparsity"] == 0.7
    assert experiment.replace({"strategy.name": "fedavg"}).settings()["strategy.name"] == "fedavg"


def test_frozen() -> None:
    with pytest.raises(Exception, match="frozen"):
        Experiment().data.alpha = 3  # type: ignore[misc]


def test_unknown_section_is_refused() -> None:
    with pytest.raises(SettingError, match="strateggy"):
        Experiment.parse({"strateggy": {"name": "fedavg"}})


def test_every_field_is_described() -> None:
    for name in strategy_names():
        for key, info in setting_fields(Experiment().replace({"strategy.name": name})):
            assert info.description, key
            if key.startswith("strategy."):
                assert isinstance(info.json_schema_extra, dict), key


@pytest.mark.parametrize("nested", [[], None, {"data": 3}, {"strategy": {"name": ["fedavg"]}}])
def test_what_is_no_experiment_is_refused(nested: object) -> None:
    with pytest.raises(SettingError):
        Experiment.parse(nested)  # type: ignore[arg-type]
    with pytest.raises(SettingError):
        Experiment().replace({"strategy.name": ["fedavg"]})


def test_a_relative_path_is_taken_from_the_folder_of_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    experiment = Experiment().replace({"data.dataset": "images", "data.path": "pictures"})
    assert experiment.data.path == str(tmp_path / "pictures")
    monkeypatch.chdir("/")
    assert Experiment.parse(experiment.model_dump()) == experiment == experiment.replace({})
    assert Experiment().replace({"data.path": ""}).data.path == ""
    assert Experiment().replace({"data.path": "~/pictures"}).data.path == str(Path.home() / "pictures")
