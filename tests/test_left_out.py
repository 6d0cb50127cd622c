"""Dropped clients and skipped rounds, in words."""

from fedlab_core.left_out import LONGEST, counts, dropped, is_skipped, merged, note, total

OLD = {"round": 1, "clients": [0, 1]}
ONE = {"round": 2, "clients": [0, 1, 2], "dropped": [[1, "no answer"]], "skipped": False}
NOBODY = {"round": 3, "clients": [4, 7], "dropped": [[4, "no answer"], [7, "no answer"]], "skipped": True}


def test_a_row_of_an_older_run_has_nobody_to_name() -> None:
    assert (dropped(OLD), merged(OLD), is_skipped(OLD), note(OLD), total([OLD])) == ({}, [0, 1], False, "", "")


def test_a_round_names_who_was_dropped_and_why() -> None:
    assert merged(ONE) == [0, 2]
    assert note(ONE) == "dropped: client 1 (no answer)"
    assert note(NOBODY) == "skipped, the model stayed as it was; dropped: clients 4, 7 (no answer)"
    many = {"round": 1, "clients": list(range(9)), "dropped": [[k, "late" if k else "bad"] for k in range(9)]}
    assert note(many) == "dropped: client 0 (bad), clients 1, 2, 3, 4, 5 and 3 more (late)"


def test_a_run_counts_updates_and_rounds() -> None:
    rows = [OLD, ONE, NOBODY]
    assert counts(rows) == (3, 2, 1)
    assert total(rows) == "3 updates were dropped in 2 rounds, 1 round was skipped"
    assert total([ONE]) == "1 update was dropped in 1 round"


def test_what_a_node_says_is_one_short_printable_line() -> None:
    row = {"round": 1, "clients": [0], "dropped": [[0, "\x1b[31m<b>\nred\u202e" + "x" * 999], [5, "was not asked"]]}
    (reason,) = dropped(row).values()
    assert reason.startswith("[31m<b> red x")
    assert len(reason) == LONGEST
