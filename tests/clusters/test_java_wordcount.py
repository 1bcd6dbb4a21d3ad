"""Beam's Java WordCount (examples/java) on a real Flink or Spark: the jar a user builds, counted against Python.

Needs WORDCOUNT_JAR; run.sh asks for this file only where Beam's runner for the cluster is served.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pipelines
import pytest
from conftest import FLINK_URL, Api, Server

TARGET = "flink" if FLINK_URL else "spark"
OPTIONS = {
    "flink": {"runner": "FlinkRunner", "attachedMode": False, "executionModeForBatch": "BATCH_FORCED"},
    "spark": {"runner": "SparkRunner"},
}


@pytest.fixture
def api(server: Server) -> Api:
    """A server whose roots hold the jar."""
    jar = Path(os.environ["WORDCOUNT_JAR"])
    config = json.loads(server.config.read_text())
    server.config.write_text(json.dumps(config | {"roots": [str(jar.parent)]}))
    return server.start()


def test_wordcount_counts_the_same_words(api: Api, tmp_path: Path) -> None:
    options = {"input": str(pipelines.TEXT), "output": str(tmp_path / "words"), **OPTIONS[TARGET]}
    jar = os.environ["WORDCOUNT_JAR"]
    job = pipelines.submit(
        api, TARGET, code_path=jar, job_name="java-wordcount", pipeline_options=options
    )
    pipelines.finished(api, job)
    assert pipelines.counts(tmp_path) == Counter(pipelines.WORDS)
    words = pipelines.user_metrics(api, job, "words", seconds=60)["words"]
    assert (words["namespace"], words["attempted"]) == ("wordcount", len(pipelines.WORDS)), words
