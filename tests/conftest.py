"""What tests of several folders need."""

import shutil
import subprocess
from pathlib import Path

import pytest

STUB = Path(__file__).with_name("nvml_stub.c")


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    """Folder with a libnvidia-ml.so.1 that was compiled for these tests."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc): the stub of the NVIDIA driver cannot be built")
    folder = tmp_path_factory.mktemp("driver")
    library = folder / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(STUB)], check=True)
    return folder
