"""The page's Fourier transform and features, run by node on the page's own files and held against numpy."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import assay.engines
import assay.workloads.families.whisper_parts
from assay.workloads.audio import FeatureSpec, make_clips, make_extractor, make_mel_bands, relative_error
from assay.workloads.base import families

PAGE = Path(assay.engines.__file__).parent / "web" / "page"
NODE = shutil.which("node")
TOLERANCE = 1e-6
"""Both compute in float64 and give float32; what must hold is 1e-4."""

pytestmark = pytest.mark.skipif(NODE is None, reason="runs the page's modules in node, which is not installed")

assert assay.workloads.families.whisper_parts  # registers families of its own

Run = Callable[[str], str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a module beside the page's, in a folder whose scripts are modules, and return what it prints."""
    folder = tmp_path_factory.mktemp("page")
    for script in PAGE.glob("*.js"):
        shutil.copy(script, folder)
    (folder / "package.json").write_text('{"type": "module"}')

    def run_module(code: str) -> str:
        (folder / "case.js").write_text(code)
        done = subprocess.run(
            [str(NODE), "case.js"], cwd=folder, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_module


@pytest.mark.parametrize("length", [2, 4, 6, 10, 14, 16, 18, 30, 66, 98, 100, 202, 400, 512, 720, 1024])
def test_power_spectra_are_numpys(run: Run, length: int) -> None:
    frame = np.random.default_rng(length).standard_normal(length)
    code = f"""
        import {{ makePowerSpectrum }} from './fft.js';
        const power = new Float64Array({length // 2 + 1});
        makePowerSpectrum({length})(Float64Array.from({json.dumps(frame.tolist())}), power);
        console.log(JSON.stringify(Array.from(power)));
    """
    expected = np.abs(np.fft.rfft(frame)) ** 2
    assert np.array(json.loads(run(code))) == pytest.approx(expected, rel=1e-9, abs=1e-9 * expected.max())


@pytest.mark.parametrize("length", ["3", "0", "2.5"])
def test_a_frame_must_be_even(run: Run, length: str) -> None:
    code = f"""
        import {{ makePowerSpectrum }} from './fft.js';
        try {{ makePowerSpectrum({length}); }} catch (error) {{ console.log(error.name, error.message); }}
    """
    assert run(code).strip() == f"RangeError got a frame of {length} samples, expected an even number"


@pytest.mark.parametrize("family", ["whisper", "clap"])
def test_bands_are_the_same(run: Run, family: str) -> None:
    spec = families.get(family).features
    assert spec is not None
    assert spec.mel is not None
    code = f"""
        import {{ makeBands }} from './audio_features.js';
        const {{ mel, sample_rate_hz: rate }} = {json.dumps(spec.to_dict())};
        console.log(JSON.stringify(makeBands(mel, rate).map((b) => [b.first, Array.from(b.weights)])));
    """
    expected = make_mel_bands(spec.mel, spec.sample_rate_hz)
    got = np.zeros_like(expected)
    for band, (first, weights) in enumerate(json.loads(run(code))):
        got[first : first + len(weights), band] = weights
    assert got == pytest.approx(expected, abs=1e-12)


def _features_in_node(run: Run, folder: Path, spec: FeatureSpec, clips: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Make them twice, so that what a first call leaves behind would be seen in the second."""
    (folder / "clips").write_bytes(clips.tobytes())
    code = f"""
        import {{ readFileSync, writeFileSync }} from 'node:fs';
        import {{ makeExtractor }} from './audio_features.js';
        const bytes = readFileSync({json.dumps(str(folder / "clips"))});
        const clips = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
        const size = {{ batch: {clips.shape[0]}, samples: {clips.shape[1]} }};
        const {{ dims, extract }} = makeExtractor({json.dumps(spec.to_dict())}, size);
        extract(clips.map((value) => -3 * value));
        writeFileSync({json.dumps(str(folder / "features"))}, extract(clips));
        console.log(JSON.stringify(dims));
    """
    dims = json.loads(run(code))
    return np.frombuffer((folder / "features").read_bytes(), np.float32).reshape(dims)


@pytest.mark.parametrize(
    ("family", "seconds", "batch"),
    [("whisper", 30, 1), ("whisper-encoder", 5, 2), ("clap", 10, 2), ("wav2vec2", 3, 2)],
)
def test_features_are_numpys(run: Run, tmp_path: Path, family: str, seconds: int, batch: int) -> None:
    spec = families.get(family).features
    assert spec is not None
    clips = make_clips(spec, batch=batch, seconds=seconds, seed=1)
    expected = make_extractor(spec)(clips)
    got = _features_in_node(run, tmp_path, spec, clips)
    assert got.shape == expected.shape
    assert relative_error(got, expected) < TOLERANCE


@pytest.mark.parametrize("family", ["whisper", "clap", "wav2vec2"])
def test_silence_and_a_click_at_either_end_are_numpys(run: Run, tmp_path: Path, family: str) -> None:
    spec = families.get(family).features
    assert spec is not None
    clips = np.zeros((3, spec.sample_rate_hz), np.float32)
    clips[1, 1] = clips[2, -2] = 1  # within the mirrored half frames
    expected = make_extractor(spec)(clips)
    assert relative_error(_features_in_node(run, tmp_path, spec, clips), expected) < TOLERANCE


def test_clips_of_another_size_are_refused(run: Run) -> None:
    code = """
        import { makeExtractor } from './audio_features.js';
        const { extract } = makeExtractor({ mel: null }, { batch: 2, samples: 8 });
        try { extract(new Float32Array(15)); } catch (error) { console.log(error.message); }
    """
    assert run(code).strip() == "got 15 samples, expected 2 clips of 8"
