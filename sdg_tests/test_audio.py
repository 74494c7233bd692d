"""Audio of every kind that users have, and of every kind that is broken."""

import io
import os
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sdg_assets.audio import (
    RATE,
    AudioError,
    audio_sha256,
    decode,
    decode_flac,
    encode_flac,
    measure,
    resample,
    source_sha256,
    to_int16,
)
from sdg_assets.corpora.base import AudioSource

FORMATS = [
    ("WAV", "PCM_16"),
    ("WAV", "PCM_U8"),
    ("WAV", "PCM_24"),
    ("WAV", "FLOAT"),
    ("WAV", "DOUBLE"),
    ("WAV", "ULAW"),
    ("WAVEX", "PCM_24"),
    ("RF64", "PCM_16"),
    ("AIFF", "PCM_16"),
    ("AU", "PCM_16"),
    ("CAF", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("FLAC", "PCM_24"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]


def tone(seconds: float, rate: int = RATE, pitch: float = 440.0) -> NDArray[np.float32]:
    time = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * pitch * time)).astype(np.float32)


def sweep(seconds: float, rate: int) -> NDArray[np.float32]:
    """A rising tone: its pitch tells where in the file a sample comes from."""
    pitch = np.linspace(100, 3000, round(seconds * rate))
    return (0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / rate)).astype(np.float32)


def encode(
    samples: NDArray[np.float32], rate: int = RATE, form: str = "WAV", codec: str = "PCM_16"
) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=form, subtype=codec)
    return buffer.getvalue()


def source(data: bytes, name: str = "clip") -> AudioSource:
    return AudioSource(name, data=data)


def reason_of(audio: AudioSource, max_seconds: float = 60.0) -> str:
    with pytest.raises(AudioError) as caught:
        decode(audio, max_seconds)
    assert audio.path in caught.value.detail
    return caught.value.reason


def pitch_of(samples: NDArray[np.float32]) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * RATE / len(samples)


@pytest.mark.parametrize(("form", "codec"), FORMATS)
def test_every_format_decodes_to_the_same_sound(form: str, codec: str) -> None:
    audio = decode(source(encode(tone(1.0), form=form, codec=codec)), 60)
    assert audio.source_format == f"{form}/{codec}"
    assert (audio.source_rate, audio.source_channels) == (RATE, 1)
    assert audio.samples.dtype == np.float32
    assert len(audio.samples) == pytest.approx(RATE, abs=1200)  # MP3 pads to whole frames
    assert pitch_of(audio.samples) == pytest.approx(440, abs=2)
    assert measure(audio.samples).level_dbfs == pytest.approx(-13.5, abs=0.3)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_every_rate_and_channel_count_becomes_16_khz_mono(rate: int, channels: int) -> None:
    # The channels differ in level; their mean is the tone itself.
    levels = np.linspace(0.5, 1.5, channels) if channels > 1 else np.ones(1)
    samples = np.outer(tone(0.48, rate), levels).astype(np.float32)
    audio = decode(source(encode(samples, rate, codec="FLOAT")), 60)
    assert (audio.source_rate, audio.source_channels) == (rate, channels)
    expected = tone(0.48)
    assert len(audio.samples) == len(expected)
    middle = slice(800, -800)
    assert np.abs(audio.samples[middle] - expected[middle]).max() < 1e-3


@settings(max_examples=60)
@given(rate=st.integers(4000, 96000), count=st.integers(2000, 20000))
def test_resampling_keeps_the_duration(rate: int, count: int) -> None:
    samples = resample(np.zeros(count, np.float32), rate)
    assert abs(len(samples) - count * RATE / rate) <= 1


def test_what_needs_no_resampling_is_bit_exact() -> None:
    samples = to_int16(tone(0.3)) / np.float32(32768)
    assert np.array_equal(decode(source(encode_flac(samples)), 60).samples, samples)


def test_the_source_file_is_hashed_whole() -> None:
    data = encode(tone(1.0))
    whole = decode(source(data), 60).source_sha256
    part = decode(replace(source(data), start=0.2, duration=0.3), 60)
    assert whole == part.source_sha256 == source_sha256(source(data))
    assert decode(source(data), 60, sha256="known").source_sha256 == "known"


@pytest.mark.parametrize(
    ("form", "codec", "rate"),
    [(form, codec, 16000) for form, codec in FORMATS]
    + [(form, codec, 44100) for form, codec in FORMATS if codec != "OPUS"],  # it has no such rate
)
def test_a_segment_is_what_lies_there(form: str, codec: str, rate: int) -> None:
    """MP3 above all: straight after a seek its decoder yields up to 0.3 s of garbage."""
    data = encode(sweep(40.0, rate), rate, form, codec)
    whole = decode(source(data), 60).samples
    for start in (0.0, 0.4, 7.77, 31.5):
        part = decode(replace(source(data), start=start, duration=1.5), 60).samples
        first = round(start * RATE)
        assert len(part) == 1.5 * RATE
        difference = part[200:-200] - whole[first + 200 : first + len(part) - 200]
        assert np.abs(difference).max() < 0.02, f"at {start} s"


def test_a_segment_to_the_end() -> None:
    data = encode(tone(2.0))
    assert len(decode(replace(source(data), start=1.5), 60).samples) == RATE // 2


def test_rounded_segment_times_may_reach_just_past_the_end() -> None:
    data = encode(tone(2.0))
    assert len(decode(replace(source(data), start=1.0, duration=1.05), 60).samples) == RATE
    assert reason_of(replace(source(data), start=1.0, duration=1.5)) == "truncated_audio"
    assert reason_of(replace(source(data), start=2.0)) == "no_samples"
    assert reason_of(replace(source(data), start=5.0, duration=1.0)) == "no_samples"


def test_a_short_segment_of_a_long_file_is_not_too_long() -> None:
    data = encode(tone(10.0))
    assert len(decode(replace(source(data), start=8.0, duration=1.0), 5).samples) == RATE
    assert reason_of(replace(source(data), start=1.0, duration=6.0), max_seconds=5) == "too_long"


class _CountingFile(io.BytesIO):
    """Counts what is read from it."""

    read_bytes = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.read_bytes += len(data)
        return data

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        count = super().readinto(buffer)
        self.read_bytes += count
        return count


@pytest.mark.parametrize(("form", "codec"), [("WAV", "PCM_16"), ("FLAC", "PCM_16")])
def test_three_hours_are_refused_by_their_header(
    form: str, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode(np.zeros(3 * 3600 * 2000, np.float32), 2000, form, codec)
    opened: list[_CountingFile] = []

    def open_counting(path: str) -> _CountingFile:
        opened.append(_CountingFile(data))
        return opened[-1]

    monkeypatch.setattr("sdg_assets.audio.open_binary", open_counting)
    assert reason_of(AudioSource("long"), max_seconds=120) == "too_long"
    assert opened[0].read_bytes < min(len(data), 200_000)


def test_mp3_without_a_length_is_never_cut_short_silently() -> None:
    """Without its Xing tag, the length of an MP3 is a guess from the size of its first frame."""
    samples = np.concatenate([tone(1.0, 8000), np.zeros(8000 * 60, np.float32)])
    data = encode(samples, 8000, "MP3", "MPEG_LAYER_III")
    at = max(data.find(b"Xing"), data.find(b"Info"))
    assert 0 < at < 5000
    data = data[:at] + b"????" + data[at + 4 :]
    assert reason_of(source(data), max_seconds=120) == "unreadable"


def test_audio_as_long_as_the_limit_is_taken() -> None:
    assert len(decode(source(encode(tone(5.0))), 5.0).samples) == 5 * RATE


def test_empty_and_absent_files(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    assert reason_of(AudioSource(str(tmp_path / "empty.wav"))) == "empty_file"
    assert reason_of(AudioSource(str(tmp_path / "absent.wav"))) == "unreadable"
    assert reason_of(AudioSource(str(tmp_path))) == "unreadable"


@pytest.mark.timeout(20)
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    assert reason_of(AudioSource(str(tmp_path / "a.wav"))) == "unreadable"
    assert reason_of(source(b"")) == "empty_file"


@pytest.mark.parametrize(
    "data",
    [
        b"hello, this is text\n" * 500,
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        b"<!DOCTYPE html><html><body>404</body></html>",
        b"\0" * 5000,
        b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00" + b"\x55" * 4000,
        b"RIFF\x24\x10\x00\x00WEBPVP8 " + b"\x11" * 5000,
        b"ID3 tags are what this text is about\n" * 200,
        np.random.default_rng(0).bytes(50_000),
        b"x",
    ],
    ids=["text", "git-lfs", "html", "zeros", "m4a", "webp", "id3 text", "noise", "one byte"],
)
def test_what_is_not_audio(data: bytes) -> None:
    assert reason_of(source(data, "claims.wav")) == "not_audio"


def test_a_wrong_suffix_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "really_mp3.wav"
    path.write_bytes(encode(tone(1.0), form="MP3", codec="MPEG_LAYER_III"))
    audio = decode(AudioSource(str(path)), 60)
    assert audio.source_format == "MP3/MPEG_LAYER_III"
    assert pitch_of(audio.samples) == pytest.approx(440, abs=2)


@pytest.mark.parametrize(
    ("form", "codec"),
    [f for f in FORMATS if f[0] not in ("AU", "CAF", "RF64")],
)
@pytest.mark.parametrize("kept", [0.95, 0.5, 0.1])
def test_a_file_that_was_cut_off(form: str, codec: str, kept: float) -> None:
    rng = np.random.default_rng(1)
    data = encode(rng.normal(0, 0.1, 5 * RATE).astype(np.float32), form=form, codec=codec)
    assert reason_of(source(data[: int(len(data) * kept)])) == "truncated_audio"


@pytest.mark.parametrize(("form", "codec"), [("WAV", "PCM_16"), ("FLAC", "PCM_16")])
def test_a_file_that_was_cut_off_within_its_header(form: str, codec: str) -> None:
    assert reason_of(source(encode(tone(1.0), form=form, codec=codec)[:20])) == "truncated_audio"


def test_wav_lacking_one_sample_is_cut_off() -> None:
    assert reason_of(source(encode(tone(1.0))[:-2])) == "truncated_audio"


def test_a_segment_before_the_cut_is_still_good() -> None:
    data = encode(tone(10.0))
    cut = replace(source(data[: len(data) // 2]), start=1.0, duration=2.0)
    assert len(decode(cut, 60).samples) == 2 * RATE


def test_wav_from_a_pipe_does_not_know_its_length() -> None:
    data = bytearray(encode(tone(1.0)))
    at = data.index(b"data")
    data[4:8] = data[at + 4 : at + 8] = b"\xff" * 4
    assert len(decode(source(bytes(data)), 60).samples) == RATE


def test_flac_from_a_pipe_does_not_know_its_length() -> None:
    data = bytearray(encode(tone(3.0), form="FLAC"))
    data[21] &= 0xF0  # the 36 bits of the total count in STREAMINFO
    data[22:26] = bytes(4)
    assert len(decode(source(bytes(data)), 60).samples) == 3 * RATE
    assert reason_of(source(bytes(data)), max_seconds=2) == "too_long"
    part = decode(replace(source(bytes(data)), start=1.0, duration=1.0), 2)
    assert len(part.samples) == RATE


@settings(max_examples=150)
@given(
    form=st.sampled_from(FORMATS),
    damage=st.lists(st.tuples(st.integers(0, 50_000), st.integers(0, 255)), max_size=6),
    kept=st.floats(0.01, 1.0),
    start=st.sampled_from([None, 0.3]),
)
def test_damage_of_any_kind_is_a_good_result_or_an_audio_error(
    form: tuple[str, str], damage: list[tuple[int, int]], kept: float, start: float | None
) -> None:
    data = bytearray(encode(tone(0.5), 16_000, *form))
    for place, value in damage:
        data[place % len(data)] = value
    try:
        audio = decode(AudioSource("x", bytes(data[: int(len(data) * kept) + 1]), start), 10)
    except AudioError:
        return
    assert np.isfinite(audio.samples).all()
    assert 0 < len(audio.samples) <= 10 * RATE
    assert np.abs(audio.samples).max() <= 1


def test_wav_with_chunks_around_its_samples() -> None:
    data = encode(tone(1.0))
    at = data.index(b"data")
    odd = b"note" + (3).to_bytes(4, "little") + b"abc\0"
    changed = bytearray(data[:at] + odd + data[at:] + odd)
    changed[4:8] = (len(changed) - 8).to_bytes(4, "little")
    assert len(decode(source(bytes(changed)), 60).samples) == RATE
    assert reason_of(source(bytes(changed[: -len(odd) - 8]))) == "truncated_audio"


def test_damage_within_a_flac_file() -> None:
    rng = np.random.default_rng(1)
    data = bytearray(encode(rng.normal(0, 0.1, 60 * RATE).astype(np.float32), form="FLAC"))
    data[100_000:140_000] = bytes(40_000)
    assert reason_of(source(bytes(data)), max_seconds=90) == "unreadable"


def test_no_samples_and_too_few() -> None:
    assert reason_of(source(encode(np.zeros(0, np.float32)))) == "no_samples"
    assert reason_of(source(encode(tone(0.05)))) == "too_short"
    assert len(decode(source(encode(tone(0.05))), 60, min_seconds=0.05).samples) == 800


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(value: float) -> None:
    samples = tone(1.0)
    samples[5000] = value
    assert reason_of(source(encode(samples, codec="FLOAT"))) == "non_finite_samples"


@pytest.mark.parametrize("gain", [4.0, 32768.0])
def test_samples_over_full_scale_are_scaled_not_clipped(gain: float) -> None:
    audio = decode(source(encode(tone(1.0) * gain, codec="FLOAT")), 60)
    assert np.abs(audio.samples).max() == 1.0
    assert np.allclose(audio.samples, tone(1.0) / 0.3, atol=2e-3)


def test_overshoot_of_the_resampler_stays_within_full_scale() -> None:
    square = np.sign(tone(1.0, 44100)).astype(np.float32)
    assert np.abs(decode(source(encode(square, 44100)), 60).samples).max() <= 1.0


@pytest.mark.parametrize(
    "name", ["-rf.wav", "a b.wav", "new\nline.wav", "q\"u'o.wav", "録音.wav", "a::b.wav", "~x.wav"]
)
def test_strange_file_names(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(encode(tone(0.5)))
    assert len(decode(AudioSource(str(tmp_path / name)), 60).samples) == RATE // 2


def test_urls() -> None:
    with fsspec.open("memory://speech/clip.flac", "wb") as file:
        file.write(encode_flac(tone(0.5)))
    audio = decode(AudioSource("memory://speech/clip.flac", start=0.1, duration=0.2), 60)
    assert len(audio.samples) == 3200
    assert reason_of(AudioSource("memory://speech/absent.flac")) == "unreadable"
    assert reason_of(AudioSource("nonsense://speech/clip.flac")) == "unreadable"


class _FailingDisk(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise OSError(5, "Input/output error")


def test_a_disk_that_fails_while_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdg_assets.audio.open_binary", lambda path: _FailingDisk(b"RIFF"))
    assert reason_of(AudioSource("x.wav")) == "unreadable"


@given(
    st.lists(st.floats(-1.5, 1.5, width=32), min_size=1, max_size=200).map(
        lambda values: np.array(values, np.float32)
    )
)
def test_flac_holds_the_16_bit_samples(samples: NDArray[np.float32]) -> None:
    back = decode_flac(encode_flac(samples))
    assert np.array_equal(to_int16(back), to_int16(samples))
    assert np.abs(back - np.clip(samples, -1, 1)).max() <= 1 / 32768
    assert audio_sha256(back) == audio_sha256(samples)


def test_encoding_is_deterministic() -> None:
    assert encode_flac(tone(1.0)) == encode_flac(tone(1.0))
    assert audio_sha256(tone(1.0)) != audio_sha256(tone(1.0, pitch=441))


def test_measures() -> None:
    half_silent = np.concatenate([tone(1.0), np.zeros(RATE, np.float32)])
    measures = measure(half_silent)
    assert measures.duration == 2.0
    assert measures.peak == pytest.approx(0.3, abs=1e-3)
    assert measures.silence_share == 0.5
    assert measures.level_dbfs == pytest.approx(20 * np.log10(0.3 / 2), abs=0.01)


def test_measures_of_silence_are_finite() -> None:
    silence = measure(np.zeros(1000, np.float32))
    assert (silence.level_dbfs, silence.peak, silence.silence_share) == (-120.0, 0.0, 1.0)
    assert measure(np.zeros(0, np.float32)).duration == 0.0


def test_the_last_partial_frame_counts_as_a_frame() -> None:
    samples = np.concatenate([np.zeros(320, np.float32), tone(0.01)])
    assert measure(samples).silence_share == 0.5


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("folder", "files", "hours"),
    [
        ("fleurs_mini", 30, 0.0997),
        ("kerstin_de", 80, None),
        ("ljspeech_mini", 8, None),
        ("librispeech_test_other", 50, 381.53 / 3600),
        ("librispeech_unlabeled", 30, None),
        ("mfa_mixed", 9, 111.66 / 3600),
    ],
)
def test_real_recordings(shared_data: Path, folder: str, files: int, hours: float | None) -> None:
    suffixes = (".ogg", ".opus", ".mp3", ".flac", ".wav")
    paths = [p for p in sorted((shared_data / folder).rglob("*")) if p.suffix in suffixes]
    assert len(paths) == files
    total = 0.0
    for path in paths:
        audio = decode(AudioSource(str(path)), 120)
        measures = measure(audio.samples)
        assert -70 < measures.level_dbfs < -5  # some of FLEURS is that quiet
        assert 0.001 < measures.peak <= 1.0
        total += measures.duration
    if hours is not None:
        assert total / 3600 == pytest.approx(hours, abs=1e-3)


@pytest.mark.real_data
def test_real_telephone_digits(shared_data: Path) -> None:
    paths = sorted((shared_data / "fsdd" / "recordings").glob("*_0.wav"))
    assert len(paths) == 60
    for path in paths:
        audio = decode(AudioSource(str(path)), 120)
        assert audio.source_rate == 8000
        frames = soundfile.info(str(path)).frames
        assert len(audio.samples) == pytest.approx(frames * 2, abs=1)


@pytest.mark.real_data
def test_a_real_mp3_without_a_count_is_taken_as_far_as_it_goes(shared_data: Path) -> None:
    """Common Voice has no Xing tags: how long a file should be cannot be known."""
    path = shared_data / "mfa_mixed" / "common_voice_ja_24511055.mp3"
    data = path.read_bytes()
    whole = decode(source(data), 60)
    half = decode(source(data[: len(data) // 2]), 60)
    assert 0.4 < len(half.samples) / len(whole.samples) < 0.6
