"""Audio of any format, rate and channel count in; 16 kHz mono float32 and 16-bit FLAC out."""

import hashlib
import io
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Literal, cast

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from sdg_assets.corpora.base import AudioSource
from sdg_assets.corpora.files import open_binary
from sdg_assets.errors import UserError
from sdg_training.uninterrupted import uninterrupted

RATE = 16_000  # Hz, of everything the factory stores
MIN_SECONDS = 0.1
SILENCE_DBFS = -50.0
SILENCE_FRAME = RATE // 50  # 20 ms
FLOOR_DBFS = -120.0  # the level of digital silence

Samples = NDArray[np.float32]  # (samples,) mono
AudioReason = Literal[
    "empty_file",
    "not_audio",
    "truncated_audio",
    "no_samples",
    "non_finite_samples",
    "too_long",
    "too_short",
    "unreadable",
]

_BLOCK = 1 << 16  # frames decoded at once
_UNKNOWN_FRAMES = 1 << 62  # libsndfile's frame count of a FLAC file that was written to a pipe
_UNKNOWN_BYTES = 0x7FFF0000  # sizes from here on mean "not known yet" in WAV written to a pipe
_SEGMENT_SLACK = 0.1  # seconds that a manifest's rounded times may reach past the end
_MP3_SLACK = 2304  # frames: encoder delay and padding, counted by some headers and not by others
_HEADER_BYTES = 4096  # a recognised file that cannot be opened and is smaller lost its header
_MAX_CHUNKS = 1000
_SAMPLE_CHUNK = {b"RIFF": (b"data", "<"), b"RIFX": (b"data", ">"), b"FORM": (b"SSND", ">")}
_MAX_OGG_PAGE = 65_307
_MP3_TAIL = 8192  # bytes of tags that may follow the audio
_MP3_COUNT = re.compile(rb"Xing|Info|VBRI")  # tags that hold the number of frames
_CONTAINERS = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS", b"ID3", b".snd", b"caff")


class AudioError(UserError):
    """One recording cannot be used: a stable ``reason`` and a sentence for a person."""

    def __init__(self, reason: AudioReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class DecodedAudio:
    samples: Samples  # 16 kHz, -1..1
    source_rate: int  # Hz
    source_channels: int
    source_format: str  # container and codec: "WAV/PCM_16"
    source_sha256: str  # of the whole source file


@dataclass(frozen=True, slots=True)
class AudioMeasures:
    duration: float  # seconds
    level_dbfs: float  # RMS level, never under -120
    peak: float  # 0..1
    silence_share: float  # share of 20 ms frames under -50 dBFS


class _SequentialFile(soundfile.SoundFile):
    """soundfile seeks after every read, which fails at the end of a FLAC without a length."""

    def seekable(self) -> bool:
        return False


def decode(
    source: AudioSource,
    max_seconds: float,
    min_seconds: float = MIN_SECONDS,
    sha256: str | None = None,
) -> DecodedAudio:
    """The source, or the part of it that ``start`` and ``duration`` name, as 16 kHz mono.

    Channels are averaged. The header is looked at first: what is too long is never decoded.
    Samples above full scale (float files, resampling overshoot) scale the whole recording down.

    Args:
        sha256: the source file's hash where the caller has it, so that a long file with many
            segments is hashed once.

    Raises:
        AudioError: it cannot be used; ``reason`` says why.
    """
    with _open_source(source) as file:
        if source.duration is None:
            _refuse_truncated(file, source.path)
        mono, rate, channels, source_format = _read_sound(file, source, max_seconds)
        digest = sha256 or _sha256(file)
    if not np.isfinite(mono).all():
        raise AudioError("non_finite_samples", f"{source.path} has NaN or infinite samples")
    samples = _within_full_scale(resample(mono, rate))
    if len(samples) < min_seconds * RATE:
        raise AudioError(
            "too_short", f"{source.path}: {len(samples) / RATE:.3f} s is under {min_seconds} s"
        )
    return DecodedAudio(samples, rate, channels, source_format, digest)


def source_sha256(source: AudioSource) -> str:
    """Hash of the encoded source file, all of it.

    Raises:
        AudioError: it cannot be read, or is empty.
    """
    with _open_source(source) as file:
        return _sha256(file)


def resample(samples: Samples, rate: int) -> Samples:
    """Mono samples at ``rate`` Hz as 16 kHz; may overshoot full scale a little."""
    if rate == RATE:
        return samples
    return cast(Samples, soxr.resample(samples, rate, RATE, quality="HQ"))


@uninterrupted
def encode_flac(samples: Samples) -> bytes:
    """16-bit 16 kHz FLAC; what exceeds full scale is clipped."""
    buffer = io.BytesIO()
    soundfile.write(buffer, to_int16(samples), RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


@uninterrupted
def decode_flac(data: bytes) -> Samples:
    """The samples of :func:`encode_flac`, on the 16-bit grid."""
    samples, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    return cast(Samples, samples)


def audio_sha256(samples: Samples) -> str:
    """Hash of the 16-bit samples: the same before and after FLAC."""
    return hashlib.sha256(to_int16(samples).astype("<i2").tobytes()).hexdigest()


def to_int16(samples: Samples) -> NDArray[np.int16]:
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)


def measure(samples: Samples) -> AudioMeasures:
    if len(samples) == 0:
        return AudioMeasures(0.0, FLOOR_DBFS, 0.0, 1.0)
    power = np.square(samples, dtype=np.float64)
    starts = np.arange(0, len(samples), SILENCE_FRAME)
    lengths = np.diff(np.append(starts, len(samples)))
    frames = _decibels(np.add.reduceat(power, starts) / lengths)
    return AudioMeasures(
        duration=len(samples) / RATE,
        level_dbfs=float(_decibels(power.mean())),
        peak=float(np.abs(samples).max()),
        silence_share=float((frames < SILENCE_DBFS).mean()),
    )


def _decibels(power: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    return 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DBFS / 10)))


@contextmanager
def _open_source(source: AudioSource) -> Iterator[BinaryIO]:
    try:
        file = io.BytesIO(source.data) if source.data is not None else open_binary(source.path)
    except Exception as error:  # remote file systems have errors of their own kinds
        raise _unreadable(source, error) from error
    with file:
        try:
            if file.seek(0, io.SEEK_END) == 0:
                raise AudioError("empty_file", f"{source.path} has 0 bytes")
            file.seek(0)
            yield file
        except OSError as error:
            raise _unreadable(source, error) from error


def _unreadable(source: AudioSource, error: Exception) -> AudioError:
    return AudioError(
        "unreadable", f"{source.path} cannot be read: {type(error).__name__}: {error}"
    )


@uninterrupted
def _read_sound(
    file: BinaryIO, source: AudioSource, max_seconds: float
) -> tuple[Samples, int, int, str]:
    """Mono samples, and of the file its rate in Hz, channels, and container with codec."""
    with _open_sound(file, source.path) as sound:
        mono = _read_mono(sound, file, source, max_seconds)
        return mono, sound.samplerate, sound.channels, f"{sound.format}/{sound.subtype}"


def _open_sound(file: BinaryIO, path: str) -> _SequentialFile:
    try:
        file.seek(0)
        return _SequentialFile(file)
    except soundfile.LibsndfileError as error:
        raise _explain_unopenable(file, path, error.error_string) from error


def _explain_unopenable(file: BinaryIO, path: str, message: str) -> AudioError:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(12)
    other = head[8:12] in (b"WEBP", b"AVI ") or (head[:3] == b"ID3" and head[3:4] > b"\x04")
    if not head.startswith(_CONTAINERS) or other:
        return AudioError(
            "not_audio",
            f"{path} is in no format that libsndfile reads (it begins with {head!r})",
        )
    if size < _HEADER_BYTES:
        return AudioError("truncated_audio", f"{path} ends within its header ({size} bytes)")
    return AudioError("unreadable", f"{path} cannot be opened: {message}")


def _plan(
    sound: soundfile.SoundFile, source: AudioSource, max_seconds: float
) -> tuple[int, int | None]:
    """First frame and number of frames (None: to the end), as far as the header can tell."""
    rate = sound.samplerate
    first = round((source.start or 0.0) * rate)
    available = sound.frames - first
    if available <= 0:
        raise AudioError(
            "no_samples",
            f"{source.path} has {sound.frames / rate:.3f} s of audio, "
            f"and reading begins at {first / rate:.3f} s",
        )
    wanted = None if source.duration is None else round(source.duration * rate)
    if wanted is not None and wanted > available + _SEGMENT_SLACK * rate:
        raise AudioError(
            "truncated_audio",
            f"the segment ends at {(first + wanted) / rate:.3f} s, but {source.path} has only "
            f"{sound.frames / rate:.3f} s",
        )
    expected = available if wanted is None else wanted
    if max_seconds * rate < expected and sound.frames < _UNKNOWN_FRAMES:
        raise _too_long(source.path, expected / rate, max_seconds)
    return first, wanted


def _read_mono(
    sound: soundfile.SoundFile, file: BinaryIO, source: AudioSource, max_seconds: float
) -> Samples:
    """The wanted part at the source's own rate, channels averaged.

    The header's length is a promise only: MP3 headers guess, and a FLAC may have none.
    """
    rate = sound.samplerate
    first, wanted = _plan(sound, source, max_seconds)
    limit = int(max_seconds * rate)
    try:
        _seek(sound, first)
        mono = _read_blocks(sound, limit + 1 if wanted is None else wanted)
    except soundfile.LibsndfileError as error:
        raise _explain_broken(file, source.path, error.error_string) from error
    if len(mono) > limit:
        raise _too_long(source.path, len(mono) / rate, max_seconds)
    if wanted is None and sound.format == "MP3":
        _refuse_unread_mp3(file, source.path)
    if wanted is None and first + len(mono) < _promised_frames(sound, file):
        raise AudioError(
            "truncated_audio",
            f"the header of {source.path} promises {sound.frames / rate:.3f} s, "
            f"but it ends after {(first + len(mono)) / rate:.3f} s",
        )
    return mono


def _seek(sound: soundfile.SoundFile, frame: int) -> None:
    """Go to ``frame`` by way of a second before it.

    An MP3 frame needs bits of the frames before it: the first 0.3 s after a seek are garbage.
    """
    run_up = min(frame, sound.samplerate)
    if frame > run_up:
        sound.seek(frame - run_up)
    sound.read(run_up, dtype="float32")


def _read_blocks(sound: soundfile.SoundFile, frames: int) -> Samples:
    blocks: list[Samples] = []
    left = frames
    while left > 0:
        block = sound.read(min(_BLOCK, left), dtype="float32", always_2d=True)
        if len(block) == 0:
            break
        blocks.append(block.mean(axis=1))
        left -= len(block)
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _refuse_unread_mp3(file: BinaryIO, path: str) -> None:
    """libsndfile stops where it guessed the end of an MP3 of variable bit rate without a count."""
    read = file.tell()
    unread = file.seek(0, io.SEEK_END) - read
    if unread > _MP3_TAIL + 0.1 * read:
        raise AudioError(
            "unreadable",
            f"{path} is an MP3 whose header does not tell its length, and {unread} bytes of it "
            "would be lost",
        )


def _promised_frames(sound: soundfile.SoundFile, file: BinaryIO) -> int:
    """How many frames the file must have to be whole; 0 where its header does not say."""
    if sound.format == "MP3":
        file.seek(0)
        counted = _MP3_COUNT.search(file.read(_BLOCK))
        return sound.frames - _MP3_SLACK if counted else 0
    return sound.frames if sound.frames < _UNKNOWN_FRAMES else 0


def _explain_broken(file: BinaryIO, path: str, message: str) -> AudioError:
    """A decoder that fails at the end of the file lacks the rest; elsewhere it met damage."""
    if file.tell() == file.seek(0, io.SEEK_END):
        return AudioError("truncated_audio", f"{path} ends in the middle of its audio: {message}")
    return AudioError("unreadable", f"{path} is damaged: {message}")


def _too_long(path: str, seconds: float, max_seconds: float) -> AudioError:
    return AudioError(
        "too_long",
        f"{path}: {seconds:.1f} s or more is over the limit of {max_seconds:g}",
    )


def _refuse_truncated(file: BinaryIO, path: str) -> None:
    """libsndfile silently reads what is there of a WAV, AIFF or Ogg file that was cut off."""
    head = file.read(4)
    if head == b"OggS":
        missing = _missing_ogg_bytes(file)
    elif head in _SAMPLE_CHUNK:
        missing = _missing_chunk_bytes(file, *_SAMPLE_CHUNK[head])
    else:
        return
    if missing > 0:
        raise AudioError("truncated_audio", f"{path} lacks its last {missing} bytes or more")


def _missing_chunk_bytes(file: BinaryIO, sample_chunk: bytes, endian: str) -> int:
    """By how much the sample chunk of a RIFF or AIFF file reaches past its end."""
    size = file.seek(0, io.SEEK_END)
    at = 12
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        header = file.read(8)
        if len(header) < 8:
            return 0
        name, length = struct.unpack(f"{endian}4sI", header)
        at += 8 + length
        if name == sample_chunk:
            return max(0, at - size) if length < _UNKNOWN_BYTES else 0
        at += length % 2
    return 0


def _missing_ogg_bytes(file: BinaryIO) -> int:
    """By how much the last page of an Ogg file reaches past its end."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _MAX_OGG_PAGE))
    tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27:
        return 27 - len(page)
    segments = page[27 : 27 + page[26]]
    return 27 + page[26] + sum(segments) - len(page)


def _within_full_scale(samples: Samples) -> Samples:
    peak = np.abs(samples).max(initial=0.0)
    return samples / peak if peak > 1.0 else samples


def _sha256(file: BinaryIO) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
