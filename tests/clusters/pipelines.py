"""WordCount and its like on a cluster: what the suites of Python pipelines on Flink and on Spark share."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sdk_program
from conftest import Api, Server
from real_server import free_port
from wheels import wheel

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TEXT = EXAMPLES / "data" / "as_you_like_it.txt"
WORDS = [word.lower() for word in re.findall(r"[A-Za-z']+", TEXT.read_text())]
FAILING = """\
import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
def fail(n):
    raise ValueError(f'no such order: {n}')
with beam.Pipeline(options=PipelineOptions()) as pipeline:
    _ = pipeline | beam.Create([7]) | beam.Map(fail)
"""
YAML = """\
pipeline:
  type: chain
  transforms:
    - type: Create
      config: {{elements: [{{n: 1}}, {{n: 2}}, {{n: 3}}]}}
    - type: MapToFields
      config:
        language: python
        fields: {{square: "n * n"}}
    - type: WriteToJson
      config: {{path: "{path}"}}
"""


def start_with_python(server: Server, target: str, pool: str) -> Api:
    """The server, with a target that runs Python pipelines in a pool's workers, and roots that hold some."""
    return start_with_workers(server, target, {"environment_type": "EXTERNAL", "environment_config": pool})


def start_with_workers(server: Server, target: str, workers: dict[str, Any]) -> Api:
    """The same with other workers."""
    config = json.loads(server.config.read_text())
    entry = config["targets"][target]
    entry |= {"python": sys.executable, "job_server_jar": os.environ["JOB_SERVER_JAR"]}
    entry["options"] = {**entry.get("options", {}), **workers}
    config["roots"] = [str(EXAMPLES), str(server.folder)]
    server.config.write_text(json.dumps(config))
    return server.start()


def start_with_door(server: Server, target: str, pool: str) -> tuple[Api, str]:
    """The same with Beam's Job API as a door to that target, and its endpoint."""
    port = free_port()
    config = json.loads(server.config.read_text())
    server.config.write_text(json.dumps(config | {"job_api": {"port": port, "target": target}}))
    return start_with_python(server, target, pool), f"127.0.0.1:{port}"


def check_door(api: Api, endpoint: str, folder: Path) -> Any:
    """An unmodified program that knows the door alone counts words there; the job as the server shows it."""
    options = [f"--input={TEXT}", f"--output={folder / 'words'}", "--job_name=through-the-door"]
    done = program(EXAMPLES / "wordcount.py", endpoint, *options)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "ended in state DONE" in done.stderr, done.stderr[-2000:]
    assert counts(folder) == Counter(WORDS)
    [job] = ours(api)
    assert (job["state"], job["name"]) == ("FINISHED", "through-the-door")
    check_user_metrics(api, job["job_id"], seconds=60)
    return job


def check_door_failure(endpoint: str, folder: Path) -> None:
    """What went wrong on the cluster comes back to the program in its own words."""
    script = folder / "fails.py"
    script.write_text(FAILING)
    done = program(script, endpoint)
    assert done.returncode != 0
    assert "no such order: 7" in done.stderr, done.stderr[-3000:]


def check_door_refusals(endpoint: str, folder: Path) -> None:
    """Files and workers of the program's own are refused before anything is sent."""
    script = folder / "words.py"
    script.write_text(FAILING)
    (folder / "requirements.txt").write_text("attrs==23.1.0\n")
    for option, said in [
        (f"--files_to_stage={folder / 'requirements.txt'}", "the door takes none"),
        ("--environment_type=EXTERNAL --environment_config=127.0.0.1:9", "by another command, image or address"),
    ]:
        done = program(script, endpoint, *option.split())
        assert done.returncode != 0
        assert said in done.stderr, done.stderr[-3000:]


def program(path: Path, endpoint: str, *options: str) -> subprocess.CompletedProcess[str]:
    """An SDK program, run to its end."""
    return sdk_program.ended(path, endpoint, *options, within=250)


@contextlib.contextmanager
def running(path: Path, endpoint: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Such a program while it runs."""
    process = subprocess.Popen(sdk_program.command(path, endpoint, *options), stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def check_capabilities(api: Api, name: str) -> None:
    """The target says that Python and YAML run there, once its interpreter has answered."""
    end = time.monotonic() + 90
    while True:
        [target] = [row for row in api.get("/api/v1/runners")["data"]["runners"] if row["name"] == name]
        if {"python_submit", "yaml_submit"} <= set(target["capabilities"]):
            return
        assert time.monotonic() < end, target
        time.sleep(1)


def submit(api: Api, target: str, **spec: Any) -> str:
    """The id of a job that was taken."""
    answer = api.call("POST", "/api/v1/jobs", {"runner_type": target, "job_type": "BATCH", **spec})
    assert answer.status_code in (200, 201, 202), answer.text
    return str(answer.json()["job_id"])


def wordcount(api: Api, target: str, output: Path, **spec: Any) -> str:
    """Submits examples/wordcount.py."""
    options = {"input": str(TEXT), "output": str(output / "words"), "parallelism": 1}
    code = str(EXAMPLES / "wordcount.py")
    return submit(api, target, code_path=code, job_name="wordcount", pipeline_options=options, **spec)


def finished(api: Api, job: str) -> Any:
    """The job, which ends well."""
    view = api.wait(job, "FINISHED", "FAILED", "PARKED", seconds=400)
    assert view["state"] == "FINISHED", view["diagnostics"]
    return view


def counts(folder: Path) -> Counter[str]:
    """What the pipeline wrote."""
    lines = [line for file in folder.glob("words-*") for line in file.read_text().splitlines()]
    return Counter({word: int(count) for word, count in (line.rsplit(": ", 1) for line in lines)})


def check_user_metrics(api: Api, job: str, seconds: float = 0) -> None:
    """Beam's own counter and distribution, read through the runner."""
    user = user_metrics(api, job, "words", seconds)
    assert user["words"]["attempted"] == len(WORDS)
    assert user["word_length"]["attempted"]["count"] == len(WORDS)


def user_metrics(api: Api, job: str, name: str, seconds: float) -> dict[str, Any]:
    """The pipeline's own metrics by name, once one is there: Spark's history server shows them late."""
    end = time.monotonic() + seconds
    while True:
        data = api.get(f"/api/v1/jobs/{job}/metrics")["data"]
        user = {metric["name"]: metric for metric in data["user"]}
        if name in user:
            return user
        assert time.monotonic() < end, data
        time.sleep(1)


def check_broken(api: Api, target: str, folder: Path) -> None:
    """A program that fails before it has a pipeline fails with its own words."""
    script = folder / "broken.py"
    script.write_text("print('about to fail')\nraise ValueError('no such table: orders')\n")
    body = {"runner_type": target, "code_path": str(script), "job_name": "broken"}
    answer = api.call("POST", "/api/v1/jobs", body)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["details"]["reason"] == "no_pipeline"
    assert "no such table: orders" in error["message"]
    [job] = ours(api)
    assert job["state"] == "FAILED"
    end = time.monotonic() + 10
    while not (lines := api.get(f"/api/v1/jobs/{job['job_id']}/logs")["data"]["logs"]):
        assert time.monotonic() < end
    assert any("about to fail" in line["message"] for line in lines)


def check_yaml(api: Api, target: str, folder: Path) -> None:
    """A Beam YAML pipeline writes what it computes."""
    text = YAML.format(path=folder / "squares")
    options = {"parallelism": 1}
    finished(api, submit(api, target, yaml=text, job_name="squares", pipeline_options=options))
    lines = [line for file in folder.glob("squares*") for line in file.read_text().splitlines()]
    assert sorted(json.loads(line)["square"] for line in lines) == [1, 4, 9], lines


def check_yaml_example(api: Api, target: str, folder: Path) -> None:
    """examples/wordcount.yaml, with its variables, counts the same words."""
    given = json.dumps({"input": str(TEXT), "output": str(folder / "counts")})
    options = {"jinja_variables": given, "parallelism": 1}
    code = str(EXAMPLES / "wordcount.yaml")
    finished(api, submit(api, target, code_path=code, job_name="yaml-words", pipeline_options=options))
    rows = [json.loads(line) for file in folder.glob("counts*") for line in file.read_text().splitlines()]
    assert len(rows) == 3317
    assert {"word": "rosalind", "count": 274} in rows


def check_module(api: Api, target: str, folder: Path) -> None:
    """A module of the target's Python instead of a file: Beam's own example."""
    options = {"input": str(TEXT), "output": str(folder / "words"), "parallelism": 1}
    module = "apache_beam.examples.wordcount"
    finished(api, submit(api, target, module=module, job_name="module", pipeline_options=options))
    assert counts(folder)["ROSALIND"] > 0


BRINGS = """\
import sys
import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions

SIGN = "!"

class Shout(beam.DoFn):
    def process(self, word):
        import brought_words  # a package of its own
        import beside_words   # a plain file
        import humanize       # of the requirements
        Metrics.gauge("brings", "length").set(len(word))
        Metrics.string_set("brings", "seen").add(word)
        said = brought_words.shout(beside_words.twice(word)) + SIGN  # and the main session
        yield said + humanize.intcomma(1000)

def run():
    options = PipelineOptions(sys.argv[1:])
    with beam.Pipeline(options=options) as p:
        p | beam.Create(["a", "b"]) | beam.ParDo(Shout()) | beam.io.WriteToText({output!r})

if __name__ == "__main__":
    run()
"""


def check_brought_files(api: Api, target: str, folder: Path) -> None:
    """A package that needs another one, requirements, a plain file and the main session reach the workers, whose gauge
    and set of strings come back."""
    upper = wheel(folder, "upper_words", "def upper(text): return text.upper()")
    brought = "import upper_words\ndef shout(text): return upper_words.upper(text)"
    shout = wheel(folder, "brought_words", brought, ["upper_words"])
    (folder / "beside_words.py").write_text("def twice(text): return text * 2\n")
    (folder / "brings.py").write_text(BRINGS.format(output=str(folder / "shouted")))
    (folder / "requirements.txt").write_text("humanize==4.12.3\n")
    options = {
        "extra_packages": [shout, upper],
        "requirements_file": str(folder / "requirements.txt"),
        "files_to_stage": [str(folder / "beside_words.py")],
        "save_main_session": True,
        "parallelism": 1,
    }
    job = submit(api, target, code_path=str(folder / "brings.py"), job_name="brings", pipeline_options=options)
    finished(api, job)
    lines = [line for file in folder.glob("shouted*") for line in file.read_text().splitlines()]
    assert sorted(lines) == ["AA!1,000", "BB!1,000"]
    user = user_metrics(api, job, "length", seconds=60)
    assert (user["length"]["kind"], user["length"]["attempted"]) == ("gauge", 1)
    assert user["seen"]["attempted"] == ["a", "b"]


def check_broken_package(api: Api, target: str, folder: Path) -> None:
    """The job fails, and its reason is that of the workers."""
    (folder / "broken-1.0-py3-none-any.whl").write_bytes(b"no wheel")
    options = {"extra_packages": "broken-1.0-py3-none-any.whl", "parallelism": 1}
    code, output = str(EXAMPLES / "wordcount.py"), str(folder / "words")
    options |= {"input": str(TEXT), "output": output}
    view = api.wait(submit(api, target, code_path=code, pipeline_options=options), "FAILED", "FINISHED", seconds=400)
    assert view["state"] == "FAILED", view
    assert "cannot be installed" in view["diagnostics"], view["diagnostics"]


def check_bad_files(api: Api, target: str, folder: Path) -> None:
    """What cannot be brought is refused before any code runs."""
    (folder / "big.whl").write_bytes(b"")
    os.truncate(folder / "big.whl", 300 << 20)
    (folder / "plain.txt").write_text("x")
    for options, reason in (
        ({"requirements_file": "none.txt"}, "not_found"),
        ({"files_to_stage": "/etc/hostname"}, "outside_roots"),
        ({"extra_packages": ["big.whl"]}, "too_large"),
        ({"extra_packages": ["plain.txt"]}, "not_a_package"),
        ({"extra_packages": 7}, "bad_option_value"),
        ({"setup_file": "setup.py"}, "artifacts_not_staged"),
    ):
        code = str(EXAMPLES / "wordcount.py")
        body = {"runner_type": target, "code_path": code, "pipeline_options": options}
        error = api.call("POST", "/api/v1/jobs", body).json()["error"]
        assert error["details"]["reason"] == reason, error
        assert error["details"]["suggestion"], error
    assert ours(api) == []


def ours(api: Api) -> list[Any]:
    """The jobs that were submitted here; the cluster shows others too."""
    return [job for job in api.get("/api/v1/jobs")["data"]["jobs"] if job["origin"] == "submitted"]
