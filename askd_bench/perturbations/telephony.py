"""A telephone call: send side, codec, lost packets, receive side."""

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from askd_bench.perturbations.band_limits import Band, limit_band
from askd_bench.perturbations.base import Perturbation, Perturbed, Scene
from askd_bench.perturbations.codecs import CODECS, Codec, CodecName
from askd_bench.perturbations.levels import NOMINAL_LEVEL_DBFS, amplitude, speech_level
from askd_bench.perturbations.packet_loss import PACKET_S, Concealment, Received, conceal, gilbert, loss_statistics, to_int16
from askd_bench.types import Samples


class Telephony(Perturbation):
    """Send speech through a call, in this order:

    1. the band of the sending telephone (`band`), with a linear-phase filter whose delay is taken out;
    2. level to -26 dBov: active speech level after P.56 (0 dBov is an rms of full scale); silence is left as it is;
    3. resampling to the codec's rate (soxr, very high quality, linear phase) and 16 bits;
    4. the codec, in packets of 20 ms. With `tandem`, it is decoded and coded again by a second codec, as at the border of two networks;
    5. bursts of lost packets (Gilbert) on the last leg. The decoder sees only the packets that arrived and continues from the state the
       last of them left. What it cannot play is filled in after it ("zero", "repeat-fade"), or by the decoder itself ("codec": AMR
       after 3GPP TS 26.091, Opus as libopus does; in-band FEC is not used, for FFmpeg's decoder cannot ask for it);
    6. the codec's lag is cut off, and the speech is resampled to the rate it came with. Same length; the level stays at -26 dBov.

    Realised: `codec`, `bitrate_bps` (of the packets sent on the last leg: AMR's with the byte of frame type before each, 400 bit/s, and the
    bits that fill its last byte; headers of networks are not counted), `send_gain_db`, `packets`, `loss_percent`,
    `mean_burst` (None without loss), `concealment`, and `tandem` where there is one.

    Attributes:
        codec: see `codecs`.
        tandem: a second codec behind the first.
        band: handset (300-3400 Hz behind a modified IRS send characteristic), narrow (300-3400 Hz, flat) or wide (50-7000 Hz); None is
            handset where a codec of the call runs at 8 kHz and wide otherwise.
        loss_percent: packets lost in the long run.
        mean_burst: packets lost in a row on average.
        concealment: zero, repeat-fade or codec; None is codec where the decoder offers it and repeat-fade otherwise.
    """

    codec: CodecName
    tandem: CodecName | None = None
    band: Band | None = None
    loss_percent: float = Field(0.0, ge=0, le=50)
    mean_burst: float = Field(2.0, ge=1, le=50)
    concealment: Concealment | Literal["codec"] | None = None

    @model_validator(mode="after")
    def _decoder_conceals(self) -> Self:
        if self.concealment == "codec" and self._last_codec.lost_packet is None:
            able = ", ".join(name for name, codec in CODECS.items() if codec.lost_packet)
            raise ValueError(f"concealment 'codec' is offered by the decoders of {able} only")
        return self

    @property
    def _last_codec(self) -> Codec:
        return CODECS[self.tandem or self.codec]

    @property
    def _band(self) -> Band:
        rates = [CODECS[name].sampling_rate for name in (self.codec, self.tandem) if name]
        return self.band or ("handset" if min(rates) == 8000 else "wide")

    def apply(self, samples: Samples, *, sampling_rate: int, rng: np.random.Generator, scene: Scene) -> Perturbed:
        """Return the call as it arrives at the other end."""
        sent = limit_band(samples, band=self._band, sampling_rate=sampling_rate)
        level = speech_level(sent, sampling_rate=sampling_rate).active_dbfs
        gain_db = 0.0 if level is None else NOMINAL_LEVEL_DBFS - level
        sent = sent * amplitude(gain_db)
        if self.tandem:
            sent, _ = _leg(CODECS[self.codec], sent, sampling_rate, None, "zero")
        codec = self._last_codec
        concealment = self.concealment or ("codec" if codec.lost_packet else "repeat-fade")
        num_packets = _num_packets(codec, sent.size, sampling_rate)
        received = gilbert(num_packets, loss_percent=self.loss_percent, mean_burst=self.mean_burst, rng=rng)
        played, bitrate_bps = _leg(codec, sent, sampling_rate, received, concealment)
        statistics = loss_statistics(received)
        realised: dict[str, float | int | str | None] = {
            "codec": self.codec,
            "bitrate_bps": bitrate_bps,
            "send_gain_db": gain_db,
            "packets": statistics.packets,
            "loss_percent": statistics.loss_percent,
            "mean_burst": statistics.mean_burst,
            "concealment": concealment,
        }
        return Perturbed(played.astype(np.float32), realised | ({"tandem": self.tandem} if self.tandem else {}))


def _num_packets(codec: Codec, num_samples: int, sampling_rate: int) -> int:
    """Return how many packets carry the speech and the codec's lag."""
    return int(np.ceil((num_samples / sampling_rate + codec.lag / codec.decoded_rate) / PACKET_S - 1e-9))


def _leg(
    codec: Codec, samples: NDArray[np.float64], sampling_rate: int, received: Received | None, concealment: str
) -> tuple[NDArray[np.float64], float]:
    """Return the samples through one codec, aligned, at the rate they came with, and the bits a second; `received` None is no loss."""
    num_packets = _num_packets(codec, samples.size, sampling_rate)
    pcm = np.zeros(num_packets * codec.frame_length, dtype=np.int16)
    narrow = to_int16(_resample(samples, sampling_rate, codec.sampling_rate))[: pcm.size]
    pcm[: narrow.size] = narrow
    packets = codec.encode(pcm)
    bitrate_bps = 8 * sum(map(len, packets)) / (num_packets * PACKET_S)
    decoded = decode_with_losses(codec, packets, np.ones(num_packets, dtype=np.bool_) if received is None else received, concealment)
    played = _resample(decoded[codec.lag :] / 32768.0, codec.decoded_rate, sampling_rate)[: samples.size]
    return np.pad(played, (0, samples.size - played.size)), bitrate_bps


def decode_with_losses(codec: Codec, packets: list[bytes], received: Received, concealment: str) -> NDArray[np.int16]:
    """Decode what arrived and conceal the rest.

    Args:
        codec: which codec.
        packets: all packets that were sent.
        received: bool, shape (len(packets),): which of them arrive.
        concealment: zero, repeat-fade, or codec where the codec has a `lost_packet`.

    Returns:
        int16 at the codec's `decoded_rate`, 20 ms a packet; silence where nothing arrives at all.
    """
    frame_length = round(PACKET_S * codec.decoded_rate)
    if not received.any():
        return np.zeros(received.size * frame_length, dtype=np.int16)
    if concealment == "codec" and codec.lost_packet is not None:
        last = packets[int(np.argmax(received))]  # a loss before the first good packet is announced in that packet's mode
        fed = []
        for packet, good in zip(packets, received, strict=True):
            last = packet if good else last
            fed.append(packet if good else codec.lost_packet(last))
        return codec.decode(fed)
    arrived = codec.decode([packet for packet, good in zip(packets, received, strict=True) if good])
    name: Concealment = "zero" if concealment == "zero" else "repeat-fade"
    return conceal(arrived.reshape(-1, frame_length), received, concealment=name, sampling_rate=codec.decoded_rate)


def _resample(samples: NDArray[np.float64], from_rate: int, to_rate: int) -> NDArray[np.float64]:
    import soxr

    return samples if from_rate == to_rate else np.asarray(soxr.resample(samples, from_rate, to_rate, quality="VHQ"))
