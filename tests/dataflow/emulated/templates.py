"""Templates the emulated Dataflow knows, described as templates describe themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PUBLIC = "gs://dataflow-templates"


@dataclass
class Template:
    """One template."""

    flex: bool
    name: str
    streaming: bool = False
    language: str = "JAVA"
    parameters: list[dict[str, Any]] = field(default_factory=list)

    def show(self) -> dict[str, Any]:
        """Answer of `templates:get`."""
        metadata = {"name": self.name, "description": "Emulated.", "streaming": self.streaming}
        return {
            "status": {},
            "templateType": "FLEX" if self.flex else "LEGACY",
            "metadata": metadata | {"parameters": self.parameters},
            "runtimeMetadata": {"sdkInfo": {"language": self.language, "version": "2.77.0"}},
        }


def parameter(name: str, *regexes: str, optional: bool = False) -> dict[str, Any]:
    """A parameter's description."""
    shown = {
        "name": name,
        "label": name,
        "helpText": f"Emulated: {name}.",
        "regexes": list(regexes),
    }
    return shown | ({"isOptional": True} if optional else {})


GCS = r"^gs:\/\/[^\n\r]+$"


def known(region: str) -> dict[str, Template]:
    """The templates by path."""
    ends = parameter("emulated", "fail|run", optional=True)
    words = [parameter("inputFile", GCS), parameter("output", GCS), ends]
    stream = [
        parameter("subscription", r"projects/[^/]+/subscriptions/.+"),
        parameter("table"),
        ends,
    ]
    yaml = [
        parameter("yaml_pipeline", optional=True),
        parameter("yaml_pipeline_file", optional=True),
    ]
    yaml.append(parameter("jinja_variables", optional=True))
    regional = f"{PUBLIC}-{region}/latest"
    return {
        f"{PUBLIC}/latest/Word_Count": Template(False, "Word Count", parameters=words),
        f"{PUBLIC}/latest/PubSub_to_Table": Template(False, "Stream", True, parameters=stream),
        f"{regional}/flex/Stream": Template(True, "Flex stream", True, "PYTHON", stream),
        f"{regional}/flex/Yaml_Template": Template(True, "YAML", language="YAML", parameters=yaml),
        "gs://elsewhere/templates/Own": Template(True, "Own", parameters=words),
    }
