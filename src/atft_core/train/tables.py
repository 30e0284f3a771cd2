"""Arrow files that say by themselves whether they are what was written."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from atft_core.run.files import write_atomically

OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")
_SUM = b"crc32"
"""Key of the schema's metadata: the sum of the values, since Arrow has none."""


def write_table(path: Path, table: Any) -> None:
    """An Arrow IPC file in one step."""
    table = table.combine_chunks()
    table = table.replace_schema_metadata({_SUM: _sum(table)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=OPTIONS) as writer:
        writer.write_table(table)
    write_atomically(path, sink.getvalue().to_pybytes())


def read_table(path: Path) -> Any:
    """The whole of an Arrow IPC file; ArrowInvalid where it is not what was written."""
    with pa.OSFile(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
    table.validate(full=True)  # places outside of the file, before anything goes there
    said = (table.schema.metadata or {}).get(_SUM)
    if said != _sum(table):
        raise pa.ArrowInvalid(f"{path} is damaged: its values are not those that were written")
    return table.replace_schema_metadata(None)


def _sum(table: Any) -> bytes:
    """Of names, types and values; what lies in an undefined place does not count."""
    found = zlib.crc32(str(table.schema.remove_metadata()).encode())
    for column in table.columns:
        values = column.combine_chunks()
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        missing = values.is_null().to_numpy(zero_copy_only=False)
        for part in (np.packbits(missing).tobytes(), *_bytes(values.drop_null())):
            found = zlib.crc32(part, found)
    return f"{found:08x}".encode()


def _bytes(values: Any) -> Iterator[Any]:
    """The values without anything between or behind them; of texts also how long each is."""
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        yield np.ascontiguousarray(values.to_numpy(zero_copy_only=False)).tobytes()
        return
    _, offsets, data = (texts := values.cast(pa.large_string())).buffers()
    ends = np.frombuffer(offsets, np.int64)[texts.offset :][: len(texts) + 1]
    yield np.diff(ends).tobytes()
    if data is not None:
        yield memoryview(data)[ends[0] : ends[-1]]
