"""The end of a process that was asked to stop, with work under way."""

import signal

from tests.system.place import Place, wait_until


def test_approved_work_under_way_is_finished_before_the_process_ends() -> None:
    with Place() as place:
        gateway = place.start()
        task = place.client().ask("a", seconds=2)
        assert place.command("approve", task).returncode == 0
        wait_until(lambda: place.done() == {"a": 1}, "it is under way")
        gateway.send_signal(signal.SIGTERM)
        assert gateway.wait(30) == 0
        assert place.json("show", task)[0]["status"] == "completed"
        assert place.done() == {"a": 1}
