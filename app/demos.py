"""Five demonstrations for a lecture: what to open, what to ask, what to say. Each takes three minutes at most."""

from __future__ import annotations

from dataclasses import dataclass, field

from fedlab_core.experiment import Experiment
from fedlab_core.runs.recipes import recipe


@dataclass(frozen=True)
class Step:
    """One thing to do in front of the class.

    Attributes:
        page: the view that is opened, as its file is called.
        do: what to press or to move there.
        say: what to tell the class.
        experiment: the configuration that is opened, if it is another one than before.
        runs: whether Run is pressed here.
        view: what is looked at, as the address has it.
    """

    page: str
    do: str
    say: str
    experiment: Experiment | None = None
    runs: bool = False
    view: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Demo:
    """A story of a few steps.

    Attributes:
        name: for links and benchmarks.
        title: the question that it answers.
        ask: what the class should guess first.
        lesson: what it shows, in a sentence.
    """

    name: str
    title: str
    ask: str
    steps: tuple[Step, ...]
    lesson: str


def _alpha(alpha: float) -> Experiment:
    return recipe("fedavg-digits").replace({"data.alpha": alpha, "federation.rounds": 15})


DEMOS = (
    Demo(
        "skew",
        "What is hard about other people's data?",
        "With the same number of examples in all, does it matter who has which digits?",
        (
            Step(
                "data",
                "Point at the heatmap: every column is a client, every row a digit.",
                "With a large Dirichlet alpha all clients hold a bit of everything: close to one big data set.",
                _alpha(100),
            ),
            Step("run", "Press Run.", "Clients train on their own examples; only weights travel.", runs=True),
            Step(
                "data",
                "The same page at alpha 0.1: the columns are now nearly empty.",
                "Nothing was added or taken away. Each client knows few digits, and pulls the model towards these.",
                _alpha(0.1),
            ),
            Step(
                "run",
                "Press Run, and look at the worst client as well as at the mean.",
                "The global model learns more slowly, and the gap between clients is where the trouble shows.",
                runs=True,
            ),
        ),
        "Skew costs rounds, and it costs the clients at the edge more than the mean says.",
    ),
    Demo(
        "sparse95",
        "What if I pruned 95 %?",
        "One weight in twenty is left. Where will accuracy end? Press Predict before Run.",
        (
            Step(
                "run",
                "Press Predict, move the slider to the class's guess, then Run.",
                "The server removes the smallest weights a little at a time, while the clients go on training.",
                recipe("sparse95-digits"),
                runs=True,
            ),
            Step(
                "masks",
                "Move the round slider from left to right, or switch Play on.",
                "Early on nearly everything is kept. Where a whole row fades, a unit has lost all of its inputs.",
            ),
            Step(
                "run",
                "Press Run: the same sparsity, but weights are chosen by lot.",
                "What makes pruning work is not that weights are missing, but which ones.",
                recipe("random-digits").replace({"strategy.final_sparsity": 0.95}),
                runs=True,
            ),
        ),
        "Slow pruning by magnitude keeps most of the accuracy where chance does not.",
    ),
    Demo(
        "costs",
        "Nine tenths are gone. Is it ten times cheaper?",
        "How many times fewer bytes travel, and how many times faster is the network?",
        (
            Step(
                "run",
                "Press Run; then look at what was sent up and down.",
                "Bytes fall with every purge, but a sparse message also has to say where its weights are.",
                recipe("fedsparsify-digits").replace({"federation.rounds": 20}),
                runs=True,
            ),
            Step(
                "costs",
                "Compare the bytes of the encodings; then measure the milliseconds.",
                "Zeros in a matrix take as long to multiply as other numbers. Time is saved when whole units are gone.",
            ),
            Step(
                "run",
                "Press Run: channel pruning takes whole units.",
                "The same target, another shape: channels and units instead of single weights.",
                recipe("fedsparsify-digits").replace({"strategy.name": "channel-pruning", "federation.rounds": 20}),
                runs=True,
            ),
            Step(
                "costs",
                "Measure again.",
                "Now the network can be cut smaller. Is it faster here, and what did accuracy pay?",
            ),
        ),
        "Bytes, FLOPs and milliseconds are three different costs, and one figure does not stand for the others.",
    ),
    Demo(
        "devices",
        "Can every device have a network of its own?",
        "A phone can afford half of the FLOPs. Must all devices get the same half?",
        (
            Step(
                "run",
                "Press Run.",
                "A small hypernetwork learns which channels each device keeps, under a budget of FLOPs.",
                recipe("dwnp-digits"),
                runs=True,
            ),
            Step("masks", "Scroll to the sub-networks.", "One row a device: what all keep, and what is their own."),
            Step(
                "clients",
                "Sort by score: each device is tested on its own sub-network.",
                "The budget is met by construction; whether own sub-networks are worth it is a question to measure.",
            ),
        ),
        "Devices may prune differently, and the hypernetwork that decides it has to travel, too.",
    ),
    Demo(
        "fork",
        "Can I still change my mind?",
        "A model at 90 % is done. What happens if we prune it further, from round 20 on?",
        (
            Step(
                "run",
                "Press Run (or open the finished example).",
                "This is the path that we know: ninety per cent, a little at a time.",
                recipe("fedsparsify-digits"),
                runs=True,
            ),
            Step(
                "run",
                "Set the sparsity target on the left to 99 %, choose round 20, and press Fork.",
                "The child starts with the parent's weights, and both curves are drawn: one setting differs.",
            ),
            Step("masks", "Compare the last masks of both.", "The cut that comes late has few rounds left to heal."),
        ),
        "A fork asks what-if without starting again, and shows what a single setting did.",
    ),
)
"""In the order of a lecture."""
