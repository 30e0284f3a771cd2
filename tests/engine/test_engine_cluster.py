"""A cluster as an engine sees it: names of nodes, room for trials, samples from elsewhere."""

import json
from types import SimpleNamespace

import pytest

from atft_core.config.load import with_values
from atft_core.config.schema import Config
from atft_core.engine import pool
from atft_core.engine.cluster import fitness as fitness_module
from atft_core.engine.cluster import nodes as nodes_module
from atft_core.engine.cluster import slots as slots_module
from atft_core.engine.cluster.connect import connect
from atft_core.engine.cluster.fitness import AGAIN_SECONDS, Fitness
from atft_core.engine.cluster.node import LOOK_SECONDS
from atft_core.engine.cluster.nodes import Nodes
from atft_core.engine.cluster.slots import PATIENCE_SECONDS, ClusterSlots, Need, need_of
from atft_core.engine.slots import Node
from atft_core.errors import ConfigError, EngineError
from atft_core.gpu.lines import span_of_lines
from atft_core.run import events as ev
from clock import Clock

ONE_CORE = Need(0, 1)


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    for module in (nodes_module, slots_module):
        monkeypatch.setattr(module, "time", made)
    return made


def row(number, host="gpu1", *, alive=True, cpus=4, gpus=0, name=None):
    address = "10.0.0.1"
    return {"NodeID": number, "Alive": alive, "NodeName": name or address,
            "NodeManagerAddress": address, "NodeManagerHostname": host,
            "Resources": {"CPU": cpus, "GPU": gpus} if alive else {}}  # fmt: skip


def all_well(rows):
    return {each["NodeID"]: "" for each in rows if each["Alive"]}


class Ray:
    """What Ray says of its nodes, as a test wants it."""

    def __init__(self, *rows):
        self.rows = list(rows)

    def __call__(self):
        return self.rows


def test_nodes_have_the_names_of_their_hosts_and_keep_them(clock):
    ray = Ray(row("a"), row("b"), row("c", "gpu2"), row("d", name="left"))
    nodes = Nodes(ray, all_well)
    assert [node.name for node in nodes.seen] == ["gpu1", "gpu1-2", "gpu2", "left"]
    ray.rows[0] = row("a", alive=False)
    assert [node.alive for node in nodes.seen] == [True] * 4, "looked at once a second"
    clock.now += 1
    assert {node.name: node.alive for node in nodes.seen} == {
        "gpu1": False, "gpu1-2": True, "gpu2": True, "left": True,
    }  # fmt: skip
    ray.rows.append(row("e"))  # it was started again
    clock.now += 1
    assert {node.name: node.alive for node in nodes.seen} == {
        "gpu1": True, "gpu1-2": True, "gpu2": True, "left": True,
    }  # fmt: skip
    assert [nodes.name(number) for number in "abe"] == ["gpu1", "gpu1-2", "gpu1"]
    assert nodes.name("0123456789") == "01234567", "Ray has forgotten it"


@pytest.mark.parametrize(
    ("need", "node", "fits"),
    [
        (Need(0, 1), Node("n", cpus=4), 4),
        (Need(1, 1), Node("n", cpus=4), 0),
        (Need(1, 1), Node("n", gpus=8, cpus=4), 4),
        (Need(1, 2), Node("n", gpus=8, cpus=64), 8),
        (Need(0.1, 0.5), Node("n", gpus=1, cpus=64), 10),
        (Need(0.3, 1), Node("n", gpus=4, cpus=64), 12),
        (Need(0.6, 1), Node("n", gpus=4, cpus=64), 4),
        (Need(2, 2), Node("n", gpus=5, cpus=64), 2),
        (Need(0, 3), Node("n", cpus=8), 2),
        (Need(0, 1), Node("n", cpus=4, alive=False), 0),
    ],
)
def test_a_node_has_room_for_what_its_cards_and_cores_allow(need, node, fits):
    assert need.fits(node) == fits


@pytest.mark.parametrize(
    ("values", "gpus", "need"),
    [
        ({}, True, Need(1, 1)),
        ({}, False, Need(0, 1)),
        ({"train.device": "cpu"}, True, Need(0, 1)),
        ({"ray.gpus": 0.5, "ray.cpus": 4}, True, Need(0.5, 4)),
        ({"train.devices_per_trial": 2}, True, Need(2, 2)),
        ({"train.devices_per_trial": 2, "ray.cpus": 3}, False, Need(0, 3)),
        ({"train.devices_per_trial": 2, "ray.gpus": 0.0}, True, Need(0, 2)),
    ],
)
def test_a_trial_takes_a_gpu_and_a_core_for_each_of_its_devices(values, gpus, need):
    assert need_of(with_values(Config(), values), gpus=gpus) == need


@pytest.mark.parametrize("gpus", [1.5, 1.0])
def test_gpus_that_no_trial_could_use_are_refused(gpus):
    values = {"engine.executor": "ray", "train.devices_per_trial": 2, "ray.gpus": gpus}
    with pytest.raises(ConfigError, match=r"ray\.gpus"):
        with_values(Config(), values)


def cluster_of(clock, *rows, most=None, need=ONE_CORE):
    ray = Ray(*rows)
    return ray, ClusterSlots(Nodes(ray, all_well), need, most, threads=1)


def test_as_many_trials_as_the_nodes_have_room_for(clock):
    _ray, slots = cluster_of(clock, row("a", cpus=2), row("b", cpus=1))
    assert [slots.take(trial).number for trial in range(3)] == [0, 1, 2]
    assert slots.take(3) is None and not slots.free
    slots.release(1)
    assert slots.take(3).number == 1
    _ray, slots = cluster_of(clock, row("a", cpus=8), most=2)
    assert len(slots.places) == 2, "no more than was asked for"


def test_trials_of_a_node_that_is_gone_wait_for_room(clock):
    ray, slots = cluster_of(clock, row("a", cpus=2), row("b", cpus=2))
    for trial in range(4):
        slots.take(trial)
    ray.rows[1] = row("b", alive=False)
    clock.now += 1
    assert slots.take(1) is None and slots.take(3) is None, "two others fill what is left"
    slots.release(0)
    assert slots.take(3) is not None and slots.take(1) is None
    ray.rows.append(row("c", cpus=2))
    clock.now += 1
    assert slots.take(1) is not None


def test_a_node_is_there_once_it_was_looked_at_and_used_if_nothing_stands_against_it(clock):
    ray, whys = Ray(row("a", cpus=2), row("b", "gpu2", cpus=2)), {"a": ""}
    nodes = Nodes(ray, lambda rows: whys)
    slots = ClusterSlots(nodes, ONE_CORE, None, threads=1)
    assert [node.name for node in nodes.seen] == ["gpu1"]
    assert len(slots.places) == 2 and nodes.silent() == ["gpu2"]
    whys["b"] = "it does not see /runs"
    clock.now += 1
    assert [(node.name, node.why) for node in nodes.seen] == [("gpu1", ""), ("gpu2", whys["b"])]
    assert len(slots.places) == 2 and nodes.not_to_use == ("b",) and not nodes.silent()
    whys["b"] = ""
    clock.now += 1
    assert len(slots.places) == 4 and nodes.not_to_use == ()
    whys.update(a="LOST_GPU: a", b="LOST_GPU: b")
    clock.now += PATIENCE_SECONDS + 1
    assert not slots.places
    assert "the largest" not in slots.broken, "size is not what they lack"
    assert slots.broken.endswith("(1 CPU); not used: gpu1: LOST_GPU: a; gpu2: LOST_GPU: b")


class Asked:
    """A Ray whose nodes answer when the test says so."""

    class exceptions:
        class RayError(Exception):
            pass

        NodeDiedError = type("NodeDiedError", (RayError,), {})
        TaskUnschedulableError = type("TaskUnschedulableError", (RayError,), {})
        WorkerCrashedError = type("WorkerCrashedError", (RayError,), {})

    def __init__(self):
        self.asked, self.answers = [], {}

    def ask(self, number):
        self.asked.append(number)
        return number

    def wait(self, tasks, timeout):
        return [task for task in tasks if task in self.answers], []

    def get(self, task):
        answer = self.answers.pop(task)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def asked(clock, monkeypatch):
    made = Asked()
    monkeypatch.setattr(fitness_module, "time", clock)
    monkeypatch.setattr(Fitness, "_ask", lambda self, number: made.ask(number))
    return made


def test_a_node_of_no_use_is_asked_again_until_it_is_of_use(clock, asked):
    fitness, rows = Fitness(asked), [row("a"), row("b")]
    assert fitness.of(rows) == {} and asked.asked == ["a", "b"]
    asked.answers = {"a": "", "b": "it does not see the run"}
    assert fitness.of(rows) == {"a": "", "b": "it does not see the run"}
    clock.now += AGAIN_SECONDS - 1
    fitness.of(rows)
    assert asked.asked == ["a", "b"]
    clock.now += 2
    assert fitness.of(rows)["b"] == "it does not see the run", "what it said stands meanwhile"
    assert asked.asked == ["a", "b", "b"]
    asked.answers = {"b": ""}
    assert fitness.of(rows) == {"a": "", "b": ""}
    fitness.refuse("b", "LOST_GPU: x")
    clock.now += 2 * AGAIN_SECONDS
    assert fitness.of(rows) == {"a": "", "b": "LOST_GPU: x"}, "until it has another number"
    assert fitness.of([row("b", alive=False), row("c")]) == {}


def test_a_node_that_is_silent_is_of_no_use_and_listened_to(clock, asked):
    fitness, rows = Fitness(asked), [row("a")]
    fitness.of(rows)
    clock.now += LOOK_SECONDS + 1
    assert fitness.of(rows) == {"a": "it has not answered for 60 s"}
    asked.answers = {"a": ""}
    assert fitness.of(rows) == {"a": ""} and asked.asked == ["a"]
    fitness.ask_again()
    assert fitness.of([row("a", alive=False)]) == {}
    fitness.ask_again()
    assert asked.asked == ["a", "a"], "one that is gone is not asked"
    asked.answers = {"a": Asked.exceptions.WorkerCrashedError()}
    assert fitness.of(rows) == {"a": "what looked around there was killed"}


def test_a_node_that_is_gone_is_not_known_before_ray_says_so(clock, asked):
    fitness, rows = Fitness(asked), [row("a")]
    fitness.of(rows)
    asked.answers = {"a": Asked.exceptions.NodeDiedError()}
    assert fitness.of(rows) == {}
    fitness.of(rows)
    assert asked.asked == ["a", "a"]


def test_a_stop_is_heeded_while_no_node_has_room(clock, session):
    _ray, slots = cluster_of(clock)
    assert not slots.places and not slots.broken
    session.executor = SimpleNamespace(slots=slots)
    session.record(ev.RunStarted(run="run", n_trials=3))
    assert pool._Pool(session)._begin_some() is None, "machines may come"
    session.record(ev.StopRequested())
    end = pool._Pool(session)._begin_some()
    assert (end.state, end.reason) == ("STOPPED", "stopped on request after the running trial")


def test_a_worker_found_at_work_has_a_slot_even_where_there_is_no_room_any_more(clock):
    ray, slots = cluster_of(clock, row("a", cpus=2))
    ray.rows[0] = row("a", alive=False)
    clock.now += 1
    slots.keep(4, 1)
    assert slots.of(4).number == 1


def test_a_cluster_without_room_is_waited_for_and_then_given_up(clock):
    ray, slots = cluster_of(clock, row("a", gpus=1), need=Need(1, 1))
    assert slots.places and slots.broken == ""
    ray.rows[0] = row("a", alive=False)
    clock.now += PATIENCE_SECONDS - 1
    assert not slots.places and slots.broken == ""
    clock.now += 2
    assert slots.broken == "no node of the cluster has room for a trial (1 GPU and 1 CPU)"


def test_a_cluster_that_does_not_answer_is_refused_at_once():
    pytest.importorskip("ray", reason="pip install 'atft[ray]'")
    config = with_values(Config(), {"ray.address": "127.0.0.1:1"})
    with pytest.raises(EngineError, match="cannot be entered: Connection refused") as caught:
        connect(config.ray)
    assert "atft cluster up" in caught.value.hint


def test_what_a_trial_lacks_is_told_beside_what_the_largest_machine_has(clock):
    rows = [row("a", cpus=64), row("b", gpus=2, cpus=8), row("c", gpus=9, alive=False)]
    _ray, slots = cluster_of(clock, *rows, need=Need(4, 4))
    said = "no node of the cluster has room for a trial (4 GPU and 4 CPU; the largest node has "
    assert slots.why_none == f"{said}2 GPU and 8 CPU)"


ADDRESSES = ["ray://10.0.0.1:10001", "10.0.0.1", "", "a b:1", "-x:1", "a:0", "a:65536"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_a_host_and_a_port(address):
    with pytest.raises(ConfigError, match=r"ray\.address"):
        with_values(Config(), {"ray.address": address})


def test_a_recording_of_another_machine_says_how_busy_a_card_was(tmp_path):
    path = tmp_path / "gpu.jsonl"
    assert span_of_lines(path, 0, 100) is None, "nothing was recorded yet"
    rows = [{"t": t, "gpu": 0, "mean": mean, "n": 10} for t, mean in ((1, 0), (5, 80), (6, 90))]
    rows += [{"t": 7, "gpu": 0, "mean": None, "n": 0}, {"t": 8, "mean": "x", "n": 3}, [1], 3]
    path.write_text("{torn\n" + "".join(json.dumps(each) + "\n" for each in rows))
    assert span_of_lines(path, 4.6, 100) is not None
    assert span_of_lines(path, 4.6, 100)["n"] == 10, "most of that second was before"
    assert span_of_lines(path, 4, 100) == {
        "n": 20, "mean": 85.0, "p10": 81.0, "p50": 85.0, "p90": 89.0,
    }  # fmt: skip
    assert span_of_lines(path, 20, 100) is None
