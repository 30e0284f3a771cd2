"""Control groups: what containers, services and batch jobs let a process use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
"""Where the control groups are mounted."""
_NO_LIMIT = 1 << 60
"""About what version 1 writes where there is none."""


def groups(own: Path, mount: Path, controller: str) -> Iterator[Path]:
    """Directories of the groups that `own` (/proc/PID/cgroup) names, and of all they lie in.

    A line is "number:controllers:path"; version 2 has one without controllers. Inside a container
    the path may be that of the host: the mount itself, its last parent, is always looked at.
    """
    with suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            root = mount / controller if controllers else mount
            group = root / path.lstrip("/")
            yield from (each for each in (group, *group.parents) if each.is_relative_to(root))


def memory_limit(pid: int, mount: Path = MOUNT) -> int | None:
    """Bytes that a process and its neighbours may use; None: as many as there are."""
    limits = []
    for group in groups(Path(f"/proc/{pid}/cgroup"), mount, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):  # of the other version, or without limit ("max")
                limits.append(int((group / name).read_text()))
    return min((limit for limit in limits if limit < _NO_LIMIT), default=None)


def oom_kills(mount: Path = MOUNT, own: str = "/proc/self") -> int:
    """How often the kernel killed a process of this group, or of those it lies in, for memory.

    Without such groups: on the whole machine.
    """
    for group in groups(Path(own) / "cgroup", mount, "memory"):
        for name in ("memory.events", "memory.oom_control"):
            with suppress(OSError, ValueError, KeyError):
                return int(_fields(group / name)["oom_kill"])
    with suppress(OSError, ValueError, KeyError):
        return int(_fields(Path("/proc/vmstat"))["oom_kill"])
    return 0


def _fields(path: Path) -> dict[str, str]:
    """Lines of a name and a value."""
    return dict(line.split(None, 1) for line in path.read_text().splitlines())


def cpu_limit(pid: int, mount: Path = MOUNT) -> float | None:
    """Cores' worth of time that a process and its neighbours may use; None: all there are."""
    limits = []
    for group in groups(Path(f"/proc/{pid}/cgroup"), mount, "cpu"):
        with suppress(OSError, ValueError):
            quota, period = (group / "cpu.max").read_text().split()
            limits.append(int(quota) / int(period))
        with suppress(OSError, ValueError):
            quota = (group / "cpu.cfs_quota_us").read_text()
            limits.append(int(quota) / int((group / "cpu.cfs_period_us").read_text()))
    return min((limit for limit in limits if limit > 0), default=None)
