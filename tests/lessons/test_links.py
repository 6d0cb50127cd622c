"""A link to the dashboard says everything that is special about an experiment, and nothing else."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from fedlab_core.experiment import Experiment
from fedlab_core.lessons import dashboard_link
from fedlab_core.strategies import strategy_names


def read(link: str) -> Experiment:
    return Experiment().replace(dict(parse_qsl(urlsplit(link).query, keep_blank_values=True)))


def test_defaults_need_only_the_strategy() -> None:
    assert dashboard_link(Experiment()) == "http://localhost:8501/run?strategy.name=fedavg"


def test_only_what_differs_is_named() -> None:
    experiment = Experiment().replace({"data.alpha": 0.1, "strategy.name": "fedsparsify-global"})
    assert dashboard_link(experiment) == "http://localhost:8501/run?strategy.name=fedsparsify-global&data.alpha=0.1"
    assert dashboard_link(experiment, page="data").startswith("http://localhost:8501/data?")


@pytest.mark.parametrize("name", strategy_names())
def test_the_link_gives_the_same_experiment_back(name: str) -> None:
    settings = {
        "strategy.name": name,
        "data.partition": "shards",
        "data.path": "a b&c=d/é",
        "federation.momentum": 0.25,
    }
    experiment = Experiment().replace(settings)
    assert read(dashboard_link(experiment)) == experiment


def test_switches_and_choices_survive_the_link() -> None:
    experiment = Experiment().replace({"strategy.name": "fedsparsify-local"})
    experiment = experiment.replace({"strategy.prune_biases": True, "strategy.vote": "floor", "strategy.exponent": 1})
    assert read(dashboard_link(experiment)) == experiment


def test_a_notebook_shows_a_link_that_can_be_clicked() -> None:
    link = dashboard_link(Experiment())
    assert f"]({link})" in link._repr_markdown_()
