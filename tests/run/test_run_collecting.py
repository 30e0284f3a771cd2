"""The collector rests while somebody reads, whoever else reads at the same time."""

import gc
import threading

from atft_core.run.collecting import collecting_later


def test_the_last_one_out_turns_the_collector_on_again():
    entered, leave = threading.Event(), threading.Event()

    def read():
        with collecting_later():
            entered.set()
            leave.wait(30)

    other = threading.Thread(target=read)
    with collecting_later():
        assert not gc.isenabled()
        other.start()
        assert entered.wait(30)
    assert not gc.isenabled(), "the other one still reads"
    leave.set()
    other.join()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with collecting_later():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
