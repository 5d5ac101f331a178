"""The working copy of one partition: a RocksDB that is never ahead of the journal."""

import contextlib
import errno
import os
import shutil
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import structlog
from rocksdict import (
    BlockBasedOptions,
    Cache,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteBufferManager,
)

DUE = b"\x01"
STALE = b"\x02"
POSITION = b"\x00position"
_MS = struct.Struct(">Q")
# What RocksDB says of files that are sound: they are locked, or the machine lacks something.
_NOT_NOW = tuple(
    os.strerror(code)
    for code in (
        *(errno.EAGAIN, errno.ENOLCK, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
        *(errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS),
    )
)
log = structlog.get_logger("store")


class Position(msgspec.Struct, frozen=True, array_like=True):
    """How much of the journal is in here; `watermark` is None before the first commit.

    `next_offset`: of the journal. `epoch`: highest seen. `commit`: number of the last commit.
    """

    ledger: str
    next_offset: int = 0
    epoch: int = 0
    watermark: int | None = None
    commit: int = 0


class StoreForeign(Exception):
    """The files belong to another ledger, are ahead of the journal or cannot be read."""


class SharedMemory:
    """Block cache and write buffers of all stores of a process."""

    def __init__(self, cache_bytes: int = 64 << 20, buffer_bytes: int = 128 << 20) -> None:
        self.cache = Cache(cache_bytes)
        self.write_buffers = WriteBufferManager(buffer_bytes, allow_stall=False)


def _options(memory: SharedMemory) -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(16 << 20)
    options.set_max_write_buffer_number(3)
    options.set_write_buffer_manager(memory.write_buffers)
    options.set_max_open_files(256)
    blocks = BlockBasedOptions()
    blocks.set_block_cache(memory.cache)
    blocks.set_bloom_filter(10, block_based=False)
    options.set_block_based_table_factory(blocks)
    return options


class Changes:
    """One atomic write: states, due entries and the position they belong to."""

    def __init__(self) -> None:
        self.batch = WriteBatch(raw_mode=True)

    def put(self, key: bytes, value: bytes) -> None:
        self.batch.put(key, value)

    def drop(self, key: bytes) -> None:
        self.batch.delete(key)

    def due(self, key: bytes, *, old: int | None, new: int | None) -> None:
        """An entry is a hint: one too many is harmless, one too few is not."""
        if old == new:
            return
        if old is not None:
            self.batch.delete(DUE + _MS.pack(old) + key)
        if new is not None:
            self.batch.put(DUE + _MS.pack(new) + key, b"")

    def at(self, position: Position) -> None:
        self.batch.put(POSITION, msgspec.msgpack.encode(position))


class Store:
    """Opens or makes the database in `path`.

    Raises StoreForeign for files of another ledger, OSError if they are in use or the machine
    lacks what opening them takes.
    """

    def __init__(self, path: Path, *, ledger: str, memory: SharedMemory) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = Rdict(str(path), _options(memory))
            found = self._db.get(POSITION)
        except Exception as error:  # rocksdict raises bare Exception
            if any(cause in str(error) for cause in _NOT_NOW):
                raise OSError(str(error)) from error
            raise StoreForeign(f"cannot be read: {error}") from error
        try:
            self.position = (
                Position(ledger) if found is None else msgspec.msgpack.decode(found, type=Position)
            )
        except msgspec.DecodeError as error:
            self.close()
            raise StoreForeign("its position cannot be decoded") from error
        if self.position.ledger != ledger:
            self.close()
            raise StoreForeign("it belongs to another ledger")

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = self._db.get(key)
        return value

    def apply(self, changes: Changes, position: Position) -> None:
        """Raises whatever RocksDB raises; then memory is not moved either."""
        changes.at(position)
        self._db.write(changes.batch)
        self.position = position

    def due(self, until_ms: int, limit: int) -> list[tuple[int, bytes]]:
        """At most `limit` (time, entity key) hints up to and including `until_ms`."""
        found: list[tuple[int, bytes]] = []
        for key in self._keys(DUE):
            at = _MS.unpack_from(key, 1)[0]
            if at > until_ms or len(found) >= limit:
                break
            found.append((at, key[1 + _MS.size :]))
        return found

    def first_due(self) -> int | None:
        first = next(self._keys(DUE), None)
        return None if first is None else int(_MS.unpack_from(first, 1)[0])

    def stale_keys(self) -> list[bytes]:
        """Entities that a fenced owner's record touched in the journal."""
        return [key[1:] for key in self._keys(STALE)]

    def entities(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        iterator = self._db.iter(ReadOptions())
        iterator.seek(prefix)
        while iterator.valid():
            key = iterator.key()
            if not key.startswith(prefix):
                return
            yield key, iterator.value()
            iterator.next()

    def _keys(self, prefix: bytes) -> Iterator[bytes]:
        return (key for key, _ in self.entities(prefix))

    def close(self) -> None:
        with contextlib.suppress(Exception):  # closing twice is no error of the caller's
            self._db.close()


def open_store(path: Path, *, ledger: str, end_offset: int, memory: SharedMemory) -> Store:
    """A store that belongs to this journal; a foreign one is set aside, never trusted."""
    try:
        store = Store(path, ledger=ledger, memory=memory)
    except StoreForeign as foreign:
        reason = str(foreign)
    else:
        if store.position.next_offset <= end_offset:
            return store
        store.close()
        reason = "it is ahead of the journal's end"
    set_aside(path, reason)
    return Store(path, ledger=ledger, memory=memory)


def set_aside(path: Path, reason: str) -> None:
    """Renames the (closed) database; only the newest one set aside is kept."""
    if not path.exists():
        return
    for old in path.parent.glob(f"{path.name}.aside-*"):
        shutil.rmtree(old)
    aside = path.with_name(f"{path.name}.aside-{time.time_ns()}")
    log.warning("store set aside, will be rebuilt", reason=reason, aside=aside.name)
    path.rename(aside)
