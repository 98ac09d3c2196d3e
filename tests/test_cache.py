"""What is kept between runs: compiled code, packed weights, and notes on files; and `cnnlang cache`, which shows it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

import cnnlang
from cnnlang import cache
from cnnlang.backends.numba_cpu import code, store, version
from cnnlang.backends.numba_cpu.code import Code
from cnnlang.backends.numba_cpu.constants import Array
from cnnlang.backends.numba_cpu.machine import host
from cnnlang.backends.numba_cpu.packing import Packed, Packer
from cnnlang.backends.numba_cpu.placing import Image, UnplaceableError
from cnnlang.cli import main
from cnnlang.errors import WeightsError
from cnnlang.system import cache_folder
from cnnlang.weight_files import content

ROOT = Path(__file__).resolve().parent.parent
TEXT = "cnn 1\nnet Large { input x: [N, 512]\n dense(600) -> relu -> dense(300) }"
X = np.linspace(-1, 1, 512, dtype=np.float32)[None]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
AS_ROOT = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file to another user"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    place = tmp_path / "cache"
    monkeypatch.setenv("CNNLANG_CACHE", str(place))
    return place


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of weights that are worth keeping packed."""
    path = tmp_path / "w.safetensors"
    cnnlang.loads(TEXT).compile().save(path)
    return path


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many weights were packed, each time that some were."""
    counts: list[int] = []
    whole = Packer._made_now

    def counted(self: Packer, wanted: Sequence[Packed]) -> list[Array]:
        counts.append(len(wanted))
        return whole(self, wanted)

    monkeypatch.setattr(Packer, "_made_now", counted)
    return counts


def result(weights: Path | None, seed: int = 0) -> Array:
    """What a new model gives."""
    y = cnnlang.loads(TEXT).compile(weights=weights, seed=seed)(X)
    assert isinstance(y, np.ndarray)
    return y


def kept(folder: Path, suffix: str = ".packed") -> Path:
    (path,) = folder.glob(f"*{suffix}")
    return path


# --- packed weights ---------------------------------------------------------------------------------------------------


def test_weights_of_a_file_are_packed_once(folder: Path, weights: Path, packed: list[int]) -> None:
    first = result(weights)
    assert packed == [2]
    np.testing.assert_array_equal(result(weights), first)
    assert packed == [2]
    assert kept(folder).stat().st_mode & 0o777 == 0o600


def test_plans_of_several_shapes_share_what_is_packed(folder: Path, weights: Path, packed: list[int]) -> None:
    model = cnnlang.loads(TEXT).compile(weights=weights)
    for count in (5, 6):
        model(np.repeat(X, count, axis=0))
    first, second = (model._engine.program(((count, 512),))._packed for count in (5, 6))
    assert [array.ctypes.data for array in first] == [array.ctypes.data for array in second]
    assert packed == [2]


def flipped(place: Callable[[int], int]) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        at = place(len(data))
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    return change


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "one piece less": lambda data: data[: -store.PIECE],
    "one byte less": lambda data: data[:-1],
    "longer": lambda data: data + bytes(store.PIECE),
    "the seal": flipped(lambda size: 3),
    "the head": flipped(lambda size: 100),
    "the first number": flipped(lambda size: store.PIECE + 1),
    "a number": flipped(lambda size: size // 2),
    "zeros": lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
    "only zeros": lambda data: bytes(len(data)),
    "another's format": lambda data: b"{}\n" * 10_000,
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_weights_are_packed_again(folder: Path, weights: Path, packed: list[int], name: str) -> None:
    first = result(weights)
    path = kept(folder)
    good = path.read_bytes()
    path.write_bytes(DAMAGE[name](good))
    np.testing.assert_array_equal(result(weights), first)
    assert packed == [2, 2]
    assert kept(folder).read_bytes() == good


def test_weights_of_another_net_are_not_taken(folder: Path, weights: Path, packed: list[int]) -> None:
    first = result(weights)
    path = kept(folder)
    store.save(path, [np.zeros((20, 30), np.float32)])
    np.testing.assert_array_equal(result(weights), first)
    assert packed == [2, 2]


@POSIX
@pytest.mark.parametrize("suffix", [".packed", ".kernel", ".stamp"])
def test_files_that_others_can_write_to_are_not_read(folder: Path, weights: Path, suffix: str) -> None:
    os.utime(weights, (1, 1))
    first = result(weights)
    for path in folder.glob(f"*{suffix}"):
        for mode in (0o620, 0o602, 0o666):
            path.chmod(mode)
            assert cache.read(path) is None
        path.write_bytes(b"not to be read")
        path.chmod(0o666)
    np.testing.assert_array_equal(in_a_process(folder, weights), first)


@AS_ROOT
def test_files_of_another_user_are_not_read(folder: Path, weights: Path, packed: list[int]) -> None:
    first = result(weights)
    os.chown(kept(folder), 12_345, -1)
    assert cache.read(kept(folder)) is None
    np.testing.assert_array_equal(result(weights), first)
    assert packed == [2, 2]
    assert kept(folder).stat().st_uid == os.geteuid()


@POSIX
def test_links_and_pipes_are_not_read(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (tmp_path / "elsewhere").write_bytes(b"1")
    (folder / "a.kernel").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(folder / "b.kernel", 0o600)
    assert cache.read(folder / "a.kernel") is None
    assert cache.read(folder / "b.kernel") is None


def test_random_weights_are_kept_from_the_second_time_on(folder: Path, packed: list[int]) -> None:
    first = result(None, seed=5)
    assert list(folder.glob("*.packed")) == []
    np.testing.assert_array_equal(result(None, seed=5), first)
    kept(folder)
    np.testing.assert_array_equal(result(None, seed=5), first)
    assert packed == [2, 2]
    assert np.any(result(None, seed=6) != first)
    assert packed == [2, 2, 2]


def test_small_weights_are_not_kept(folder: Path, tmp_path: Path) -> None:
    net = cnnlang.loads("cnn 1\nnet Small { input x: [N, 5]\n dense(6) }")
    net.compile().save(tmp_path / "small.safetensors")
    net.compile(weights=tmp_path / "small.safetensors")(X[:, :5])
    assert list(folder.glob("*.packed")) == list(folder.glob("*.stamp*.packed")) == []


@POSIX
def test_a_folder_that_goes_with_the_process_gets_no_weights(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "cnnlang").write_bytes(b"no folder")
    monkeypatch.delenv("CNNLANG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    folder = cache_folder()
    assert folder != tmp_path / ".cache" / "cnnlang"
    result(weights)
    assert list(folder.glob("*.packed")) == []


def test_nothing_is_kept_of_code_that_has_changed_since(
    folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = result(weights)
    shutil.rmtree(folder)
    monkeypatch.setattr(version, "_IMPORTED", 0)
    version.version.cache_clear()
    monkeypatch.setattr("cnnlang.backends.numba_cpu.engine._code", lambda _: Code(host()))
    np.testing.assert_array_equal(result(weights), first)
    assert [*folder.glob("*.packed"), *folder.glob("*.kernel")] == []
    version.version.cache_clear()


def test_the_files_stay_within_a_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    monkeypatch.setattr(cache, "LIMIT", 10_000_000)
    for i in range(4):
        assert cache.write(folder / f"{i}.packed", [bytes(2_400_000)])
        os.utime(folder / f"{i}.packed", (1_000 + i, 1_000 + i))
    (folder / "mine.txt").write_bytes(bytes(5_000_000))
    assert cache.read(folder / "0.packed") is not None  # which is used now, and 1 is what was used longest ago
    assert cache.write(folder / "4.packed", [bytes(2_400_000)])
    assert sorted(path.name for path in folder.iterdir()) == [
        "0.packed",
        "2.packed",
        "3.packed",
        "4.packed",
        "mine.txt",
    ]
    assert not cache.write(folder / "5.packed", [bytes(2_600_000)])  # more than its share
    assert len(list(folder.iterdir())) == 5


# --- the files that weights come from ---------------------------------------------------------------------------------


def another(path: Path) -> Path:
    cnnlang.loads(TEXT).compile(seed=7).save(path)
    return path


@POSIX
def test_a_file_that_was_written_to_is_read_again(folder: Path, weights: Path, tmp_path: Path) -> None:
    os.utime(weights, (1_000, 1_000))
    first = result(weights)
    data = another(tmp_path / "other.safetensors").read_bytes()
    assert len(data) == weights.stat().st_size
    weights.write_bytes(data)
    os.utime(weights, (1_000, 1_000))
    assert np.any(result(weights) != first)
    np.testing.assert_array_equal(result(weights), result(tmp_path / "other.safetensors"))


def test_what_a_file_holds_is_remembered_once_it_is_settled(
    folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, read = content._hashed, []
    monkeypatch.setattr(content, "_hashed", lambda d: read.append(1) or whole(d))  # type: ignore[func-returns-value]
    result(weights)
    result(weights)
    assert len(read) == 2
    monkeypatch.setattr(content, "SETTLED", -(10**18))
    result(weights)
    result(weights)
    assert len(read) == 3


@POSIX
def test_weights_that_are_overwritten_are_an_error_in_words(folder: Path, weights: Path, tmp_path: Path) -> None:
    model = cnnlang.loads(TEXT).compile(weights=weights)
    before, y = model.weights["dense1.weight"].copy(), model(X)
    another(weights)  # another file of the same name: the model has the first one still
    np.testing.assert_array_equal(model.weights["dense1.weight"], before)
    model = cnnlang.loads(TEXT).compile(weights=weights)
    model(X)
    weights.write_bytes(weights.read_bytes()[:-4] + b"abcd")
    os.utime(weights, (1_000, 1_000))
    with pytest.raises(WeightsError, match=r"w\.safetensors was written to since it was opened: read it again$"):
        _ = model.weights["dense1.weight"]
    assert np.any(model(X) != y)


# --- code -------------------------------------------------------------------------------------------------------------


def test_code_that_cannot_be_placed_is_loaded_by_llvm(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = result(None)

    def refuse(*_: object) -> None:
        raise UnplaceableError

    monkeypatch.setattr(code, "Image", refuse)
    fresh = Code(host())
    loaded = fresh.load([code.RUN])
    assert "_engine" in fresh.__dict__
    assert loaded[code.RUN].address
    monkeypatch.setattr("cnnlang.backends.numba_cpu.engine._code", lambda _: fresh)
    np.testing.assert_array_equal(result(None), expected)


@pytest.mark.parametrize("data", [b"", b"MZ", b"\x7fELF\x02\x01", b"\x7fELF\x02\x01" + bytes(100)])
def test_what_is_no_object_code_is_not_placed(data: bytes) -> None:
    with pytest.raises(UnplaceableError):
        Image([data], ["run"])


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="LLVM loads what is compiled elsewhere"
)
def test_the_warm_path_imports_little(folder: Path, weights: Path) -> None:
    text = "heavy = ('numba', 'torch', 'llvmlite.binding', 'safetensors', 'h5py', 'rich', 'PIL', 'scipy')\n"
    said = child(folder, weights, text + "print('got', *[name for name in heavy if name in sys.modules])")
    assert "llvmlite.binding" in said  # the first time, to compile
    assert child(folder, weights, text + "print('got', *[name for name in heavy if name in sys.modules])") == "got"


# --- several processes, no room ---------------------------------------------------------------------------------------

CHILD = """
import sys
import numpy as np
import cnnlang
x = np.linspace(-1, 1, 512, dtype=np.float32)[None]
y = cnnlang.loads({text!r}).compile(weights={weights!r})(x)
"""


def started(folder: Path, weights: Path, then: str, before: str = "") -> subprocess.Popen[str]:
    script = before + CHILD.format(text=TEXT, weights=str(weights)) + then
    environment = {**os.environ, "CNNLANG_CACHE": str(folder), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment)


def child(folder: Path, weights: Path, then: str, before: str = "") -> str:
    with started(folder, weights, then, before) as process:
        said = process.communicate()[0]
    assert process.returncode == 0
    return said.strip()


def in_a_process(folder: Path, weights: Path) -> Array:
    return np.frombuffer(bytes.fromhex(child(folder, weights, "print(y.tobytes().hex())")), np.float32)[None]


def test_two_processes_at_once(folder: Path, weights: Path) -> None:
    expected = result(weights)
    shutil.rmtree(folder)
    processes = [started(folder, weights, "print(y.tobytes().hex())") for _ in range(2)]
    for process in processes:
        with process:
            said = process.communicate()[0]
        assert process.returncode == 0
        np.testing.assert_array_equal(np.frombuffer(bytes.fromhex(said), np.float32)[None], expected)
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
    assert cache.read(kept(folder)) is not None


@POSIX
def test_a_full_disk_is_no_obstacle(folder: Path, weights: Path) -> None:
    expected = result(weights)
    shutil.rmtree(folder)
    full = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
    said = child(folder, weights, "print(y.tobytes().hex())", full)
    np.testing.assert_array_equal(np.frombuffer(bytes.fromhex(said), np.float32)[None], expected)
    assert list(folder.iterdir()) == []


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_cache_is_shown_and_cleared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.mkdir(mode=0o700)
    (folder / "mine.txt").write_text("not cnnlang's", encoding="utf-8")
    (folder / "net_1.py").write_text("x = 1\n", encoding="utf-8")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "net_1.nbi").write_bytes(b"1234")
    (folder / "1.kernel").write_bytes(b"12345")
    (folder / "2.packed").write_bytes(b"123")
    (folder / ".2.packed.0a1b").write_bytes(b"1")
    assert main(["cache", "info", "--format", "json"]) == 0
    kinds = {
        "compiled code": {"files": 3, "bytes": 15},
        "packed weights": {"files": 2, "bytes": 4},
        "notes on files and this machine": {"files": 0, "bytes": 0},
    }
    assert json.loads(capsys.readouterr().out) == {"folder": str(folder), "files": 5, "bytes": 19, "kinds": kinds}
    assert main(["cache", "info"]) == 0
    assert capsys.readouterr().out == (
        f"{folder}: 5 files, 0.0 MB\n  compiled code: 3 files, 0.0 MB\n  packed weights: 2 files, 0.0 MB\n"
    )
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == f"deleted 5 files, 0.0 MB, from {folder}\n"
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_a_net_runs_while_and_after_the_cache_is_cleared(
    folder: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = result(weights)
    model = cnnlang.loads(TEXT).compile(weights=weights)
    np.testing.assert_array_equal(model(X), first)
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out.startswith("deleted ")
    assert list(folder.iterdir()) == []
    np.testing.assert_array_equal(model(X), first)
    np.testing.assert_array_equal(result(weights), first)
