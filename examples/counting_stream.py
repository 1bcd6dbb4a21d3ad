"""Count a stream that never ends, and notice every number that is lost or comes twice.

    python counting_stream.py --streaming --output=/tmp/counts/part --rate=20 --runner=...

A source says 0, 1, 2, … at `--rate` a second. Number n belongs to key n % 8, and each key remembers in
Beam's state which number must come next: so the state of a job that was restored from a savepoint, or
rescaled, must fit what its source says next. Lines `key number how-many verdict` are appended to
`<output>-<key>.txt` on the machine of the worker; `verdict` is `ok`, `lost` or `twice`.

`--source=ticks` takes the pulse of Flink's own source instead and numbers it in a state of its own:
that one ends when the job is drained. A splittable DoFn, as in `--source=numbers`, goes on for ever
then: stop such a job, do not drain it.
"""

from __future__ import annotations

import logging
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.coders import VarIntCoder
from apache_beam.io.flink.flink_streaming_impulse_source import FlinkStreamingImpulseSource
from apache_beam.io.restriction_trackers import OffsetRange, OffsetRestrictionTracker
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Duration, Timestamp

NAMESPACE = "counting"
KEYS = 8
ENDLESS = 2**62


class CountingOptions(PipelineOptions):
    """The options of this pipeline."""

    @classmethod
    def _add_argparse_args(cls, parser: ArgumentParser) -> None:
        parser.add_argument("--output", default="counts/part", help="prefix of the files to write")
        parser.add_argument("--rate", type=int, default=20, help="numbers a second")
        parser.add_argument("--source", choices=("numbers", "ticks"), default="numbers")


class Range(RestrictionProvider):
    """All numbers below the element."""

    def initial_restriction(self, element: int) -> OffsetRange:
        return OffsetRange(0, element)

    def create_tracker(self, restriction: OffsetRange) -> OffsetRestrictionTracker:
        return OffsetRestrictionTracker(restriction)

    def restriction_size(self, element: int, restriction: OffsetRange) -> int:
        return int(restriction.size())


class Numbers(beam.DoFn):
    """One number, and the rest a moment later."""

    RANGE = beam.DoFn.RestrictionParam(Range())
    CLOCK = beam.DoFn.WatermarkEstimatorParam(ManualWatermarkEstimator.default_provider())

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.pause = 1 / rate

    @beam.DoFn.unbounded_per_element()
    def process(
        self, element: int, tracker: Any = RANGE, watermark: Any = CLOCK
    ) -> Iterator[TimestampedValue]:
        number = tracker.current_restriction().start
        if not tracker.try_claim(number):
            return
        now = Timestamp.now()
        yield TimestampedValue(number, now)
        watermark.set_watermark(now)
        tracker.defer_remainder(Duration(self.pause))


class Number(beam.DoFn):
    """Gives each tick its number."""

    NEXT = beam.DoFn.StateParam(ReadModifyWriteStateSpec("next", VarIntCoder()))

    def process(self, element: tuple[int, Any], following: Any = NEXT) -> Iterator[int]:
        number = following.read() or 0
        following.write(number + 1)
        yield number


class Check(beam.DoFn):
    """Compares each number of a key with the one that must come."""

    SEEN = beam.DoFn.StateParam(ReadModifyWriteStateSpec("seen", VarIntCoder()))

    def __init__(self) -> None:
        super().__init__()
        self.counters = {
            verdict: Metrics.counter(NAMESPACE, verdict) for verdict in ("ok", "lost", "twice")
        }

    def process(self, element: tuple[int, int], seen: Any = SEEN) -> Iterator[tuple[int, str]]:
        key, number = element
        count = (seen.read() or 0) + 1
        at = number // KEYS + 1
        verdict = "ok" if at == count else "lost" if at > count else "twice"
        self.counters[verdict].inc()
        seen.write(count)
        yield key, f"{key} {number} {count} {verdict}"


class Append(beam.DoFn):
    """Writes each line at once: what is here was seen, whatever becomes of the job."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.prefix = prefix

    def process(self, element: tuple[int, str]) -> None:
        key, line = element
        with Path(f"{self.prefix}-{key}.txt").open("a") as file:
            file.write(f"{line}\n")


def source(pipeline: beam.Pipeline, options: CountingOptions) -> beam.PCollection[int]:
    if options.source == "numbers":
        endless = pipeline | "Endless" >> beam.Create([ENDLESS])
        return endless | "Numbers" >> beam.ParDo(Numbers(options.rate))
    pulse = FlinkStreamingImpulseSource().set_interval_ms(1000 // options.rate)
    one = beam.Map(lambda tick: (0, tick)).with_output_types(tuple[int, bytes])
    return pipeline | "Ticks" >> pulse | "One" >> one | "Number" >> beam.ParDo(Number())


def build(pipeline: beam.Pipeline, options: CountingOptions) -> None:
    by_key = beam.Map(lambda number: (number % KEYS, number)).with_output_types(tuple[int, int])
    checked = source(pipeline, options) | "Key" >> by_key | "Check" >> beam.ParDo(Check())
    _ = checked | "Append" >> beam.ParDo(Append(options.output))


def main(argv: Sequence[str] | None = None) -> None:
    """Takes the command line when `argv` is None."""
    logging.basicConfig(level=logging.INFO)
    options = PipelineOptions(argv)
    ours = options.view_as(CountingOptions)
    Path(ours.output).absolute().parent.mkdir(parents=True, exist_ok=True)
    with beam.Pipeline(options=options) as pipeline:
        build(pipeline, ours)


if __name__ == "__main__":
    main()
