"""The CUDA backend's kernels compile for GPUs, on machines without one.

A module of the backend that asks for kernels lists all that it may ask for:

    VARIANTS = [("conv.cu", "forward", {"TILE": 64}), …]      file, kernel, macros
"""

from pathlib import Path

import pytest

from tests import fibres
from tinygan.backend.cuda import compiled

VARIANTS = fibres.variants()
FILES = sorted(path.name for path in compiled.FOLDER.glob("*.cu"))


def label(variant):
    file, macros = variant
    return " ".join([file, *(f"{key}={value}" for key, value in macros)])


def test_every_kernel_is_listed():
    listed = {(file, name) for (file, _), names in VARIANTS.items() for name in names}
    assert listed == {(f, n) for f in FILES for n in fibres.kernel_names(compiled.source(f))}


def architectures(file, macros):
    """Turing and Hopper; not Turing, or Hopper alone, for what only later ones or it alone have."""
    if "hopper" in file:
        return ["sm_90a"]
    return ["sm_80", "sm_90"] if "BFLOAT16" in dict(macros) else ["sm_75", "sm_90"]


@pytest.mark.parametrize("variant", sorted(VARIANTS), ids=label)
def test_it_compiles_for_gpus(variant):
    for architecture in architectures(*variant):
        code = binary(*variant, architecture)
        for name in VARIANTS[variant]:
            assert name.encode() in code


def test_what_does_not_compile_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "bad.cu").write_text('extern "C" __global__ void bad(float* x) { x[0] = y; }')
    monkeypatch.setattr(compiled, "FOLDER", tmp_path)
    with pytest.raises(Exception, match='identifier "y" is undefined'):
        binary("bad.cu", (), "sm_90")


def test_programs_for_hopper_are_kept(tmp_path, monkeypatch):
    nvrtc = found_nvrtc()
    (tmp_path / "small_hopper.cu").write_text('extern "C" __global__ void small(float* x) {}')
    monkeypatch.setattr(compiled, "FOLDER", tmp_path)
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path / "kept"))
    compiled.source.cache_clear()
    made = compiled._compiled_for_hopper("small_hopper.cu", ("-DA=1",))
    assert Path(made).parent == tmp_path / "kept" and b"small" in Path(made).read_bytes()
    with monkeypatch.context() as once:
        once.setattr(nvrtc, "compileProgram", None)
        assert compiled._compiled_for_hopper("small_hopper.cu", ("-DA=1",)) == made
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path / "a file"))
    assert compiled._compiled_for_hopper("small_hopper.cu", ("-DA=1",)) != made
    with pytest.raises(RuntimeError, match="small_hopper"):
        compiled._compiled_for_hopper("small_hopper.cu", ("-DA=1", "-Dsmall=&"))


def found_nvrtc():
    nvrtc = pytest.importorskip("cupy_backends.cuda.libs.nvrtc", exc_type=ImportError)
    try:
        nvrtc.getVersion()
    except RuntimeError as error:
        pytest.skip(f"NVRTC is missing: {error}")
    return nvrtc


def binary(file, macros, architecture):
    """What NVRTC makes of a file: a program for that kind of GPU."""
    nvrtc = found_nvrtc()
    program = nvrtc.createProgram(compiled.source(file), file, (), ())
    options = (f"-arch={architecture}", *compiled.OPTIONS, *(f"-D{k}={v}" for k, v in macros))
    try:
        nvrtc.compileProgram(program, options)
    except nvrtc.NVRTCError as error:
        raise RuntimeError(nvrtc.getProgramLog(program)) from error
    return nvrtc.getCUBIN(program)
