"""Python workers in containers that the cluster itself starts: DOCKER, on a real engine (docker.sh).

Beam gives its containers no folder of the machine, so that the files are in S3 (emulated): the target's Python and the
image know where it is by the same variables.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pipelines
import pytest
from conftest import Api, Server
from pipelines import EXAMPLES, TEXT, WORDS, finished, submit
from real_server import free_port, until

TARGET = "flink" if os.environ.get("FLINK_URL") else "spark"
BEAMS_OWN = "apache/beam_python3.11_sdk:2.77.0"
STORE = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
SLOW = """\
import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
def work(bucket):
    import time
    import boto3
    boto3.resource("s3").Bucket(bucket).put_object(Key="begun")
    time.sleep(300)
with beam.Pipeline(options=PipelineOptions()) as pipeline:
    _ = pipeline | beam.Create([{bucket!r}]) | beam.Map(work)
"""


class Engine:
    """What the engine is asked for since a test began."""

    def __init__(self) -> None:
        self.since = time.time()

    def containers(self) -> list[str]:
        """Those that are there, running or not, as `image state`."""
        return docker("ps", "--all", "--format", "{{.Image}} {{.State}}")

    def events(self, action: str) -> list[str]:
        """The images of containers to which that happened."""
        span = ["--since", f"{self.since:.9f}", "--until", f"{time.time():.9f}"]
        wanted = ["--filter", f"event={action}", "--format", "{{.Actor.Attributes.image}}"]
        return docker("events", *span, *wanted)

    def check_clean(self, image: str) -> None:
        """Containers of this image have run, each one is gone, and nothing else has."""
        end = time.monotonic() + 60
        while (left := self.containers()) and time.monotonic() < end:
            time.sleep(0.3)
        assert left == []
        started = self.events("start")
        assert set(started) == {image}
        assert Counter(self.events("destroy")) == Counter(started)


def docker(*words: str) -> list[str]:
    """The lines of an answer of the engine."""
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.fixture
def engine() -> Iterator[Engine]:
    """The engine, without the containers that a test leaves."""
    yield Engine()
    for container in docker("ps", "--all", "--quiet"):
        docker("rm", "--force", container)


@pytest.fixture
def bucket() -> Any:
    """An empty bucket that holds the text to count."""
    bucket = boto3.resource("s3").Bucket(f"words-{time.time_ns()}")
    bucket.create(CreateBucketConfiguration={"LocationConstraint": STORE["AWS_DEFAULT_REGION"]})
    bucket.upload_file(str(TEXT), "text.txt")
    return bucket


def start(server: Server, image: str | None = None) -> Api:
    """The server, with a target whose workers are containers of this image, or of Beam's own."""
    config = json.loads(server.config.read_text())
    config["targets"][TARGET]["env"] = STORE
    server.config.write_text(json.dumps(config))
    chosen = {"environment_config": image} if image else {}
    return pipelines.start_with_workers(server, TARGET, {"environment_type": "DOCKER", **chosen})


def wordcount(api: Api, bucket: Any) -> str:
    """Submits examples/wordcount.py over files in the bucket."""
    files = {"input": f"s3://{bucket.name}/text.txt", "output": f"s3://{bucket.name}/out/words"}
    code = str(EXAMPLES / "wordcount.py")
    return submit(api, TARGET, code_path=code, job_name="wordcount", pipeline_options={**files, "parallelism": 1})


def counts(bucket: Any, folder: Path) -> Counter[str]:
    """What the pipeline wrote."""
    for file in bucket.objects.filter(Prefix="out/words-"):
        bucket.download_file(file.key, str(folder / Path(file.key).name))
    return pipelines.counts(folder)


def failed(api: Api, job: str) -> str:
    """The reason of a job, which fails."""
    view = api.wait(job, "FAILED", "FINISHED", "PARKED", seconds=300)
    assert view["state"] == "FAILED", view
    return str(view["diagnostics"])


def test_wordcount_counts_the_same_words(server: Server, engine: Engine, bucket: Any, tmp_path: Path) -> None:
    api = start(server, os.environ["WORKER_IMAGE"])
    job = wordcount(api, bucket)
    finished(api, job)
    assert counts(bucket, tmp_path) == Counter(WORDS)
    pipelines.check_user_metrics(api, job, seconds=60)
    engine.check_clean(os.environ["WORKER_IMAGE"])


def test_a_program_at_the_door_gets_beams_own_image(
    server: Server, engine: Engine, bucket: Any, tmp_path: Path
) -> None:
    port = free_port()
    config = json.loads(server.config.read_text())
    server.config.write_text(json.dumps(config | {"job_api": {"port": port, "target": TARGET}}))
    start(server)
    files = [f"--input=s3://{bucket.name}/text.txt", f"--output=s3://{bucket.name}/out/words"]
    done = pipelines.program(EXAMPLES / "wordcount.py", f"127.0.0.1:{port}", *files)
    assert "ended in state DONE" in done.stderr, done.stderr[-2000:]
    assert counts(bucket, tmp_path) == Counter(WORDS)
    engine.check_clean(BEAMS_OWN)


def test_a_failure_of_the_pipelines_own_leaves_no_container(server: Server, engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text(pipelines.FAILING)
    api = start(server, os.environ["WORKER_IMAGE"])
    reason = failed(api, submit(api, TARGET, code_path=str(tmp_path / "fails.py"), job_name="fails"))
    assert "no such order: 7" in reason, reason
    engine.check_clean(os.environ["WORKER_IMAGE"])


def test_a_cancel_ends_the_workers_on_flink_alone(server: Server, engine: Engine, bucket: Any, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW.format(bucket=bucket.name))
    api = start(server, os.environ["WORKER_IMAGE"])
    job = submit(api, TARGET, code_path=str(tmp_path / "slow.py"), job_name="slow")
    until(lambda: list(bucket.objects.filter(Prefix="begun")), "an element is at work")
    assert api.call("POST", f"/api/v1/jobs/{job}/cancel", {"mode": "cancel"}).status_code in (200, 202)
    api.wait(job, "CANCELED", seconds=120)
    if TARGET == "flink":
        engine.check_clean(os.environ["WORKER_IMAGE"])
    else:
        # Spark kills its executors, and nobody is left to end what they have started.
        time.sleep(15)
        assert engine.containers() == [f"{os.environ['WORKER_IMAGE']} running"]


def test_an_image_that_is_not_there_is_the_reason_of_the_job(server: Server, engine: Engine, bucket: Any) -> None:
    api = start(server, "beam-mcp/none:1")
    reason = failed(api, wordcount(api, bucket))
    assert "Unable to find image 'beam-mcp/none:1' locally" in reason, reason
    assert engine.containers() == []


def test_a_container_that_ends_is_the_reason_of_the_job(server: Server, engine: Engine, bucket: Any) -> None:
    api = start(server, os.environ["ENDING_IMAGE"])
    reason = failed(api, wordcount(api, bucket))
    assert "No container running for id" in reason, reason
    # Beam kills it before it removes it, gives up where there is nothing to kill, and one is left of each attempt.
    assert set(engine.containers()) == {f"{os.environ['ENDING_IMAGE']} exited"}
