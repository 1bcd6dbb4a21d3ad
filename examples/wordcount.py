"""Count the words of a text with Apache Beam, on whichever runner the options name.

    python wordcount.py --input='texts/*.txt' --output=counts/words --runner=FnApiRunner

Writes lines `word: count` to `<output>-00000-of-0000N.txt`. Paths may be local or in any file
system Beam knows. Options that are not ours (runner, parallelism, ...) go to Beam untouched.
"""

from __future__ import annotations

import logging
import re
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path

import apache_beam as beam
from apache_beam.io import ReadFromText, WriteToText
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions

LOG = logging.getLogger("wordcount")
WORD = re.compile(r"[A-Za-z']+")
NAMESPACE = "wordcount"
SAMPLE = Path(__file__).resolve().parent / "data" / "as_you_like_it.txt"


class WordCountOptions(PipelineOptions):
    """The options of this pipeline, from a command line, a dictionary or keywords alike."""

    @classmethod
    def _add_argparse_args(cls, parser: ArgumentParser) -> None:
        parser.add_argument("--input", default=str(SAMPLE), help="file or pattern to read")
        parser.add_argument("--output", default="counts/words", help="prefix of the files to write")


class ExtractWords(beam.DoFn):
    """Splits a line into lower-case words and measures what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = Metrics.counter(NAMESPACE, "lines")
        self.empty_lines = Metrics.counter(NAMESPACE, "empty_lines")
        self.words = Metrics.counter(NAMESPACE, "words")
        self.word_length = Metrics.distribution(NAMESPACE, "word_length")

    def process(self, element: str) -> Iterator[str]:
        self.lines.inc()
        if not element.strip():
            self.empty_lines.inc()
        for word in WORD.findall(element):
            self.words.inc()
            self.word_length.update(len(word))
            yield word.lower()


def format_count(word: str, count: int) -> str:
    return f"{word}: {count}"


def check_input(pattern: str) -> None:
    """Refuses a pattern that matches nothing, before anything runs."""
    [match] = FileSystems.match([pattern], limits=[1])
    if not match.metadata_list:
        raise FileNotFoundError(f"--input={pattern}: no such file; name a file or a pattern")


def prepare_output(prefix: str) -> None:
    """Creates the folder that `prefix` writes into."""
    folder, name = FileSystems.split(prefix)
    if not name:
        raise ValueError(f"--output={prefix}: names a folder; add a file name prefix")
    if folder and not FileSystems.exists(folder):
        FileSystems.mkdirs(folder)


def build(pipeline: beam.Pipeline, source: str, output: str) -> None:
    _ = (
        pipeline
        | "Read" >> ReadFromText(source)
        | "Extract" >> beam.ParDo(ExtractWords())
        | "Count" >> beam.combiners.Count.PerElement()
        | "Format" >> beam.MapTuple(format_count)
        | "Write" >> WriteToText(output, file_name_suffix=".txt")
    )


def run(options: PipelineOptions) -> str:
    """Runs the pipeline to its end and returns the state it ended in."""
    ours = options.view_as(WordCountOptions)
    LOG.info("parameters: input=%s output=%s", ours.input, ours.output)
    # First: file systems that need options (S3) know those of the newest pipeline.
    pipeline = beam.Pipeline(options=options)
    check_input(ours.input)
    prepare_output(ours.output)
    build(pipeline, ours.input, ours.output)
    LOG.info("pipeline built, running")
    state = str(pipeline.run().wait_until_finish())
    LOG.info("ended in state %s", state)
    return state


def main(argv: Sequence[str] | None = None) -> int:
    """Takes the command line when `argv` is None. Exit code 0 only for a finished pipeline."""
    logging.basicConfig()
    LOG.setLevel(logging.INFO)
    return 0 if run(PipelineOptions(argv)) == "DONE" else 1


if __name__ == "__main__":
    raise SystemExit(main())
