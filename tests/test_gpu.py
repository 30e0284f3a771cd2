"""The GPU sampler, through the real pynvml against a driver library compiled here.

The library has two GPUs and reads its orders from a file on every call, so a test can lose a card
while it is being sampled. It must be found by the loader, so each scenario is its own process.
"""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from atft_core.gpu import GpuSampler, read_once
from atft_core.gpu.sampler import percentile

PRELUDE = """
import json, sys, time
from pathlib import Path
from atft_core.gpu import GpuSampler, Nvml, read_once
orders, path = Path(sys.argv[1]), Path(sys.argv[2])

def until(condition):
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up, "it never came"
        time.sleep(0.01)
"""


@pytest.fixture
def play(driver, tmp_path):
    """Run a script against the stub; returns what it printed as JSON and the lines of gpu.jsonl."""

    def run(script, orders="", **environ):
        order_file, path = tmp_path / "orders", tmp_path / "gpu.jsonl"
        order_file.write_text(orders)
        env = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
        env |= {"LD_LIBRARY_PATH": str(driver), "STUB_ORDERS": str(order_file), **environ}
        code = PRELUDE + textwrap.dedent(script)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code, str(order_file), str(path)],
            env=env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        lines = path.read_text().splitlines() if path.exists() else []
        return json.loads(done.stdout), [json.loads(line) for line in lines]

    return run


SAMPLE = """
sampler = GpuSampler(path, period=0.005)
sampler.note(3, "train")
sampler.note(4, "validate", "1")
sampler.note(5, "train", "1")
sampler.note(6, "checkpoint", "0")
sampler.note(6, "")
start = time.time()
sampler.start()
until(lambda: path.exists() and path.read_text().count("\\n") >= 2)
sampler.stop()
end = time.time()
print(json.dumps({"all": sampler.window(start, end), "one": sampler.window(start, end, gpu="1"),
                  "before": sampler.window(start - 9, start - 5), "reason": sampler.reason,
                  "running": sampler.running}))
"""


def test_two_gpus_are_sampled_and_written_once_a_second(play):
    found, lines = play(SAMPLE)
    assert (found["reason"], found["running"]) == ("", False)
    assert [line["gpu"] for line in lines] == [0, 1]
    first, second = lines
    assert list(first) == [
        "t", "gpu", "name", "sm", "mem_util", "mem_used", "mem_total", "power", "temperature",
        "sm_clock", "power_limit", "mem_clock", "pcie_rx", "pcie_tx", "throttle", "ecc", "xid",
        "processes", "mean", "p10", "p50", "p90", "n", "stage",
    ]  # fmt: skip
    assert (first["power_limit"], first["mem_clock"]) == (700.0, 2619)
    assert (first["pcie_rx"], first["pcie_tx"]) == (3000 * 1024, 500 * 1024)
    assert (first["throttle"], first["ecc"], second["ecc"], first["xid"]) == ([], 0, 3, None)
    assert first["processes"] == []
    assert (first["name"], second["name"]) == ("Stub A", "Stub B")
    assert (first["mem_used"], first["mem_total"], first["mem_util"]) == (600, 1000, 7)
    assert (first["power"], first["temperature"], first["sm_clock"]) == (250.5, 55, 1980)
    assert 80 <= first["p10"] < first["p50"] < first["p90"] <= 99
    assert second["p90"] == 0
    assert first["n"] >= 10
    assert (first["stage"], second["stage"]) == ("train", "train+validate")


READ = """
nvml = Nvml()
first = [nvml.read(gpu) for gpu in nvml.gpus]
again = [nvml.read(gpu) for gpu in nvml.gpus]
nvml.close()
print(json.dumps([[r.throttle, r.xid, r.processes and vars(r.processes[0])] for r in again]))
"""


def test_what_slows_a_card_and_who_is_on_it_is_read(play):
    ((throttle, xid, process), other), _ = play(READ, orders="throttled\npid 4121")
    assert throttle == ["power cap", "heat (hardware)"]
    assert (xid, process) == (None, {"pid": 4121, "mem": 300})
    assert other[2] == []


def test_a_fault_that_the_driver_reports_stays_with_its_card(play):
    ((_, first, _), (_, second, _)), _ = play(READ, orders="xid")
    assert (first, second) == (None, 45)


BROKEN = """
sampler = GpuSampler(path, period=0.005)
sampler.start()
until(lambda: path.exists() and "45" in path.read_text())
found = sampler.broken()
sampler.stop()
print(json.dumps(found))
"""


def test_what_only_a_reset_helps_against_is_not_forgotten_for_what_follows_it(play):
    found, _ = play(BROKEN, orders="xid", CUDA_VISIBLE_DEVICES="1")
    assert found == "GPU 1 (Stub B): it has fallen off the bus (Xid 79)"
    assert play(BROKEN, orders="xid", CUDA_VISIBLE_DEVICES="0")[0] == ""


def test_an_old_driver_is_asked_by_the_old_name(play):
    ((throttle, _, _), _), _ = play(READ, orders="old_driver")
    assert throttle == ["power brake"]


def test_a_window_describes_the_gpu_that_cuda_uses_first_not_an_average(play):
    found, _ = play(SAMPLE)
    assert found["all"]["n"] >= 10
    assert found["all"]["p50"] == pytest.approx(89.5, abs=2)
    assert (found["all"]["memory"], found["all"]["power"]) == (7, 250.5)
    assert found["one"]["p50"] == 0
    assert found["before"] is None


def test_a_window_follows_cuda_visible_devices(play):
    script = """
    import os
    sampler = GpuSampler(path, period=0.005)
    sampler.start()
    until(lambda: (sampler.window(0, 1e12) or {"n": 0})["n"] >= 20)
    sampler.stop()
    found = {}
    for visible in ("0", "1", "1,0", " 1", "GPU-11", "GPU-00-stub", "", "-1", "7", "MIG-00"):
        os.environ["CUDA_VISIBLE_DEVICES"] = visible
        span = sampler.window(0, 1e12)
        found[visible] = span and ("idle" if span["p50"] == 0 else "busy")
    print(json.dumps(found))
    """
    found, _ = play(script)
    assert found == {
        "0": "busy", "1": "idle", "1,0": "idle", " 1": "idle", "GPU-11": "idle",
        "GPU-00-stub": "busy", "": None, "-1": None, "7": None, "MIG-00": None,
    }  # fmt: skip


def test_a_gpu_lost_mid_run_is_named_and_the_other_goes_on(play):
    script = """
    sampler = GpuSampler(path, period=0.005)
    sampler.start()
    until(lambda: sampler.window(0, 1e12) is not None)
    orders.write_text("lost1\\n")
    until(lambda: all(gpu.index == 0 or gpu.lost for gpu in sampler._nvml.gpus))
    lost_at = time.time()
    until(lambda: sampler.window(lost_at, 1e12) is not None)
    running = sampler.running
    sampler.stop()
    print(json.dumps({"reason": sampler.reason, "running": running,
                      "before": sampler.window(0, 1e12, gpu="1") is not None,
                      "after": sampler.window(lost_at, 1e12, gpu="1")}))
    """
    found, _ = play(script)
    assert found["running"]
    assert found["reason"] == "GPU 1 (Stub B) cannot be read: GPU is lost"
    assert found["before"]
    assert found["after"] is None


def test_losing_every_gpu_ends_the_sampler_with_a_reason_and_no_crash(play):
    script = """
    sampler = GpuSampler(path, period=0.005)
    sampler.start()
    until(lambda: sampler.window(0, 1e12) is not None)
    orders.write_text("lost0\\nlost1\\n")
    until(lambda: not sampler.running)
    sampler.stop()
    print(json.dumps({"reason": sampler.reason, "kept": sampler.window(0, 1e12) is not None}))
    """
    found, _ = play(script)
    assert "GPU 0 (Stub A) cannot be read: GPU is lost" in found["reason"]
    assert "GPU 1" in found["reason"]
    assert found["kept"]


def test_a_gpu_that_stumbles_once_is_not_lost(play):
    script = """
    nvml = Nvml(ring=10)
    (gpu, _) = nvml.gpus
    orders.write_text("lost0")
    failed = nvml.sample(gpu), gpu.fault
    orders.write_text("")
    well = nvml.sample(gpu), gpu.fault, gpu.failures
    nvml.close()
    print(json.dumps([failed, well]))
    """
    (failed, well), _ = play(script)
    assert failed == [False, "GPU 0 (Stub A) cannot be read: GPU is lost"]
    assert well == [True, "", 0]


def test_a_card_that_does_not_tell_its_power_is_sampled_without(play):
    found, lines = play(SAMPLE, orders="no_power")
    assert "power" not in found["all"]
    assert lines[0]["power"] is None
    assert found["reason"] == ""


def test_a_card_that_does_not_tell_its_utilisation_gives_no_evidence(play):
    found, lines = play(SAMPLE, orders="mig")
    assert found["all"] is None
    assert "does not tell its utilisation" in found["reason"]
    assert (lines[0]["sm"], lines[0]["n"], lines[0]["mem_used"]) == (None, 0, 600)


@pytest.mark.parametrize(
    ("orders", "gpus", "reason"),
    [
        ("", ["Stub A", "Stub B"], ""), ("none", [], "NVML finds no GPU"),
        ("no_driver", [], "NVML does not work: Driver Not Loaded"),
        ("unlisted1", ["Stub A"], "GPU 1 cannot be found: GPU is lost"),
        ("lost0", ["Stub B"], "GPU 0 (Stub A) cannot be read: GPU is lost"),
    ],
)  # fmt: skip
def test_a_single_look_names_what_is_missing(play, orders, gpus, reason):
    script = """
    readings, reason = read_once()
    again, _ = read_once()
    print(json.dumps([[r.name for r in readings], [r.name for r in again], reason]))
    """
    (found, again, why), _ = play(script, orders=orders)
    assert found == again == gpus
    assert why == reason


def test_a_full_disk_stops_the_file_and_not_the_samples(play):
    script = """
    import os
    path = Path("/dev/full")
    sampler = GpuSampler(path, period=0.005)
    sampler.start()
    until(lambda: "cannot be written" in sampler.reason)
    since = time.time()
    until(lambda: sampler.window(since, 1e12) is not None)
    sampler.stop()
    print(json.dumps(sampler.reason))
    """
    found, _ = play(script)
    assert found == "full cannot be written: No space left on device"


def test_a_box_without_nvml_gets_a_reason(tmp_path):
    readings, reason = read_once()
    if readings:
        pytest.skip("this box has an NVIDIA GPU")
    assert "NVML" in reason
    sampler = GpuSampler(tmp_path / "gpu.jsonl")
    assert sampler.window(0, 1e12) is None
    sampler.start()
    assert "NVML" in sampler.reason
    assert sampler.window(0, 1e12) is None
    assert not sampler.running
    sampler.stop()
    assert not (tmp_path / "gpu.jsonl").exists()


@pytest.mark.parametrize(("q", "expected"), [(0, 1.0), (50, 2.5), (90, 3.7), (100, 4.0)])
def test_percentiles_lie_between_neighbours(q, expected):
    assert percentile([1.0, 2.0, 3.0, 4.0], q) == pytest.approx(expected)
    assert percentile([5.0], q) == 5.0
