"""`fedlab budget`: what it prints, and how it refuses."""

import json

import pytest
from typer.testing import CliRunner

from fedlab_core.budgets import Budget, solve
from fedlab_core.cli import app
from fedlab_core.runs.recipes import recipe

TINY = {"model.name": "mlp", "data.num_clients": "3", "federation.local_epochs": "1"}


def fedlab(*arguments: str, name: str = "snip-digits"):
    pairs = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    return CliRunner().invoke(app, ["budget", name, "--rounds", "3", *pairs, *arguments])


def refused(result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    sentence = result.stderr.splitlines()[-1]
    assert all(word in sentence for word in words), sentence


def test_the_setting_is_said_and_how_to_run_it() -> None:
    plan = solve(recipe("snip-digits").replace({**TINY, "federation.rounds": "3"}), Budget("flops", 0.4))
    result = fedlab("--flops", "0.4")
    assert result.exit_code == 0, result.stderr
    title, _, row = result.stdout.splitlines()
    assert title == "a budget of 40.0% of the dense FLOPs (mean of the rounds)"
    assert row.split() == [
        "snip",
        plan.setting,
        f"{plan.cost:.1%}",
        f"{plan.spending.bytes / 1e6:.3g}",
        f"{plan.used:.1%}",
    ]
    advice = result.stderr.splitlines()[-1]
    assert advice.endswith(f"--set strategy.{plan.setting} --rounds 3")
    assert "run it with: fedlab run snip-digits --set model.name=mlp" in advice


def test_json_says_the_same() -> None:
    (offer,) = json.loads(fedlab("--megabytes", "0.2", "--final", "--json").stdout)
    assert offer["strategy"] == "snip"
    assert 0.98 * 2e5 <= offer["bytes"] <= 2e5
    assert offer["met"] is offer["sure"] is True
    assert list(offer["settings"]) == ["strategy.final_sparsity"]


def test_what_cannot_be_is_refused_in_one_sentence() -> None:
    refused(
        fedlab("--flops", "0.1", name="one-shot-digits"), "one-shot cannot keep to 10.0%", "nearest is final_sparsity"
    )
    refused(
        fedlab("--flops", "0.5", name="fedavg-digits"), "fedavg cannot keep to 50.0%", "no setting of it changes that"
    )
    refused(fedlab("--flops", "half"), "--flops is 'half'; allowed is a number above 0")
    refused(fedlab("--flops", "40"), "the budget of flops is 40; allowed is a share, such as 0.4 for 40 %")
    refused(fedlab("--megabytes", "-1"), "the budget of bytes is -1000000.0")
    refused(fedlab("--flops", "0.4", "--megabytes", "2"), "one of --flops SHARE and --megabytes MB")
    refused(fedlab(), "one of --flops SHARE and --megabytes MB")


def test_who_keeps_to_it_anyway_says_so() -> None:
    result = fedlab("--megabytes", "100", "--all")
    assert result.exit_code == 0, result.stderr
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert "as it is" in lines["fedavg"]
    assert "no closer" not in lines["fedavg"]


@pytest.mark.slow
def test_practice_runs_make_it_sure() -> None:
    (offer,) = json.loads(fedlab("--flops", "0.8", "--json", name="fedsparsify-digits").stdout)
    assert offer["practised"]
    assert offer["met"]


@pytest.mark.slow
def test_all_strategies_in_one_table() -> None:
    result = fedlab("--flops", "0.6", "--all")
    assert result.exit_code == 0, result.stderr
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert lines["snip"].endswith("%")
    assert "about" in lines["fedsparsify-global"]
    assert "out of reach, this is the nearest" in lines["dpf"]
    assert lines["fedavg"] == (
        "fedavg cannot keep to 60.0% of the dense FLOPs (mean of the rounds): it takes about 100.0% of the dense FLOPs,"
        " and no setting of it changes that"
    )
    assert "needs a model.name with 2-D convolutions" in result.stdout
    refused(fedlab("--flops", "0.000001", "--all"), "no strategy can keep to", "nearest is")
