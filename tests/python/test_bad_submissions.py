"""Every wrong way to submit, to each runner: answered before anything is sent to it, whatever the runner would say.

Flink, Spark and Dataflow answer every read with 404 here, so nothing that a refusal says can have come from them, and
any request that would change something fails the test. Nobody listens where the job service should be: who asked it
anything would be told that.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fake_server import FakeServer, Seen, answer, serving
from real_server import RealServer

READS = {"GET", "HEAD"}
POOL = {"environment_type": "EXTERNAL", "environment_config": "127.0.0.1:9"}
YAML = "pipeline: {transforms: [{type: Create, config: {elements: [1]}}]}"
JAR = {"code_path": "batch.jar"}
FORMS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a missing jar": {"code_path": "gone.jar"},
    "a jar without a main class": {"code_path": "nomain.jar"},
    "a jar that is none": {"code_path": "text.jar"},
    "a jar outside": {"code_path": "../x.jar"},
    "an artifact that is not there": {"code_path": "artifact:sha256:" + "0" * 64},
    "a class that is not in it": {**JAR, "entry_class": "no.such.Main"},
    "two codes": {**JAR, "module": "os"},
    "a Python file": {"code_path": "ok.py"},
    "a module": {"module": "os.path"},
    "a module of no name": {"module": "-m os"},
    "YAML": {"yaml": YAML},
    "YAML that is none": {"yaml": "pipeline: ["},
    "YAML with a slip of a key": {"yaml": YAML.replace("elements", "element")},
    "a template of others": {"template_path": "gs://a/b"},
    "a template on this machine": {"template_path": "file:///etc/x"},
    "a savepoint elsewhere": {**JAR, "savepoint_path": "file:/s"},
    "code as option": {**JAR, "pipeline_options": {"setup_file": "x"}},
    "a count that is no number": {**JAR, "pipeline_options": {"max_num_workers": "many"}},
    "no parallelism": {**JAR, "parallelism": 0},
    "an argument that ends options": {**JAR, "args": ["--", "x"]},
    "an unknown preset": {**JAR, "preset": "nightly"},
    "a job type of no meaning": {**JAR, "job_type": "SOMETIMES"},
    "requirements that are not there": {
        "code_path": "ok.py",
        "pipeline_options": {"requirements_file": "no.txt"},
    },
}
CLUSTER = {
    "nothing": (400, "missing_code_path"),
    "a missing jar": (404, "not_found"),
    "a jar without a main class": (400, "no_main_class"),
    "a jar that is none": (400, "not_a_jar"),
    "a jar outside": (403, "outside_roots"),
    "an artifact that is not there": (404, "not_found"),
    "a class that is not in it": (400, "no_main_class"),
    "two codes": (422, "no_job_server"),
    "a Python file": (422, "no_job_server"),
    "a module": (422, "no_job_server"),
    "a module of no name": (422, "no_job_server"),
    "YAML": (422, "no_job_server"),
    "YAML that is none": (422, "no_job_server"),
    "YAML with a slip of a key": (422, "no_job_server"),
    "a template of others": (422, "template_unsupported"),
    "a template on this machine": (422, "template_unsupported"),
    "a savepoint elsewhere": (403, "savepoint_path_not_allowed"),
    "code as option": (403, "operator_only_option"),
    "a count that is no number": (400, "bad_option_value"),
    "no parallelism": (400, "bad_parallelism"),
    "an argument that ends options": (400, "bad_argument"),
    "an unknown preset": (400, "unknown_preset"),
    "a job type of no meaning": (400, "bad_job_type"),
    "requirements that are not there": (422, "no_job_server"),
}
NO_CODE = (422, "unsupported_code")
SERVICE = dict.fromkeys(FORMS, NO_CODE) | {
    "nothing": (400, "no_code"),
    "an artifact that is not there": (404, "not_found"),
    "a class that is not in it": (422, "unsupported_by_runner"),
    "two codes": (400, "two_codes"),
    "a Python file": (400, "no_pipeline"),
    "a module": (403, "module_not_allowed"),
    "a module of no name": (400, "bad_module"),
    "YAML that is none": (400, "bad_yaml"),
    "YAML with a slip of a key": (400, "bad_yaml"),
    "a template of others": (422, "unsupported_by_runner"),
    "a template on this machine": (422, "unsupported_by_runner"),
    "a savepoint elsewhere": (422, "unsupported_by_runner"),
    "code as option": (422, "artifacts_not_staged"),
    "a count that is no number": (400, "bad_option_value"),
    "an unknown preset": (400, "unknown_preset"),
    "a job type of no meaning": (400, "bad_job_type"),
    "requirements that are not there": (422, "artifacts_not_staged"),
}
del SERVICE["YAML"]  # it is right there
CLOUD = dict.fromkeys(FORMS, (422, "template_needed")) | {
    "nothing": (400, "no_template"),
    "YAML": (400, "no_such_template"),
    "YAML that is none": (400, "bad_yaml"),
    "YAML with a slip of a key": (400, "bad_yaml"),
    "a template of others": (403, "template_not_allowed"),
    "a template on this machine": (400, "bad_template_path"),
    "an unknown preset": (400, "unknown_preset"),
    "a job type of no meaning": (400, "bad_job_type"),
}
EXPECTED = {
    "flink": CLUSTER,
    "spark": CLUSTER | {"a savepoint elsewhere": (422, "unsupported_by_runner")},
    "service": SERVICE,
    "cloud": CLOUD,
}
ROWS = [(target, form) for target, forms in EXPECTED.items() for form in forms]


def nobody(_: Seen) -> bytes:
    """There is nothing."""
    return answer(404, b"{}")


def with_files(roots: Path) -> None:
    for name, main in (("batch", "Main-Class: a.B\n"), ("nomain", "")):
        with zipfile.ZipFile(roots / f"{name}.jar", "w") as jar:
            jar.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\n{main}")
            jar.writestr("a/B.class", "x")
    (roots / "text.jar").write_text("no jar")
    (roots / "ok.py").write_text("")


@pytest.fixture(scope="module")
def runner() -> Iterator[FakeServer]:
    with serving(nobody) as fake:
        yield fake


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, runner: FakeServer) -> Iterator[RealServer]:
    folder = tmp_path_factory.mktemp("bad-submissions")
    (folder / "jars").mkdir()
    (folder / "token").write_text("token")
    spark = {"runner": "spark", "master_url": runner.url, "jar_folder": str(folder / "jars")}
    cloud = {"runner": "dataflow", "project": "acme-prod", "region": "us-central1"}
    targets = {
        "flink": {"runner": "flink", "url": runner.url},
        "spark": spark | {"url": runner.url},
        "service": {
            "runner": "portable",
            "url": "http://127.0.0.1:9",
            "python": sys.executable,
            "options": POOL,
        },
        "cloud": cloud
        | {"url": runner.url, "credential": {"token": {"file": str(folder / "token")}}},
    }
    made = RealServer(folder, {"targets": targets})
    with_files(made.roots)
    made.start()
    yield made
    made.kill()


@pytest.mark.parametrize(("target", "form"), ROWS)
def test_a_wrong_submission_is_refused_before_anything_is_sent(
    server: RealServer, runner: FakeServer, target: str, form: str
) -> None:
    status, body = server.call("POST", "/jobs", {"target": target, "job_name": "x", **FORMS[form]})
    error = body["error"]
    assert (status, error["details"]["reason"]) == EXPECTED[target][form], json.dumps(body)
    assert error["details"]["suggestion"]
    assert [seen for seen in runner.seen if seen.method not in READS] == []
