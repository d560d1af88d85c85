"""The mirror's tables that are about no single run: hardware, environments, metrics, cases, what people said.

May import: core, mirrors.shape.
"""

from __future__ import annotations

from assay.core.words import Direction, Mode
from assay.mirrors.shape import Field, Filling, Reference, Table

MANUFACTURERS = Table(
    "manufacturers",
    "Who makes hardware, as environments say it.",
    Filling.WHOLE,
    ("manufacturer",),
    (Field("manufacturer", "name", "Name, in one spelling", required=True),),
    source="SELECT * FROM known_manufacturers",
)
ARCHITECTURES = Table(
    "architectures",
    "Instruction sets of CPUs and compute capabilities of GPUs, as environments say them.",
    Filling.WHOLE,
    ("architecture",),
    (
        Field("architecture", "name", "Name: x86_64, aarch64, compute capability 9.0", required=True),
        Field("kind", "text", "What has it", required=True, words=("cpu", "gpu")),
        Field("manufacturer", "name", "Who alone makes it; null where several do or it is not known"),
    ),
    source="SELECT * FROM known_architectures",
    references=(Reference(("manufacturer",), "manufacturers"),),
    indexes=("manufacturer",),
)
DEVICES = Table(
    "devices",
    "Hardware that results are of. Rows come from results; what else is known comes from environments, never a guess.",
    Filling.WHOLE,
    ("hardware",),
    (
        Field("hardware", "name", "The text that series are keyed by; of an imported row, its source's", required=True),
        Field("kind", "text", "What it is; null where no environment says so", words=("cpu", "gpu")),
        Field("model", "text", "Name by its driver or the processor itself; null where not known"),
        Field("manufacturer", "name", "Who makes it; null where not known"),
        Field("architecture", "name", "Its architecture; null where not known"),
        Field("memory_bytes", "int", "Memory of its own, in bytes; null for a CPU, whose memory is the system's"),
        Field("power_limit_w", "float", "Power limit in watts, where the driver told it"),
    ),
    source="SELECT * FROM known_devices",
    references=(Reference(("manufacturer",), "manufacturers"), Reference(("architecture",), "architectures")),
    indexes=("manufacturer", "architecture"),
)
SYSTEMS = Table(
    "systems",
    "Machines. The same machine after a change of its hardware is another row.",
    Filling.WHOLE,
    ("system_id",),
    (
        Field("system_id", "text", "Hash of the row", required=True),
        Field("host_id", "name", "Hash of the machine's identity", required=True),
        Field("hardware_class", "name", "The machine's hardware in words", required=True),
        Field("sockets", "int", "Processors; null where not known"),
        Field("physical_cores", "int", "Cores; null where not known"),
        Field("logical_cores", "int", "Hardware threads; null where not known"),
        Field("memory_bytes", "int", "Memory as the operating system counts it, in bytes; null where not known"),
        Field("virtualisation", "text", "Hypervisor; null where there is none or it is not known"),
    ),
    source="SELECT * FROM known_systems",
    indexes=("host_id", "hardware_class"),
)
SYSTEM_DEVICES = Table(
    "system_devices",
    "Which devices a system has.",
    Filling.WHOLE,
    ("system_id", "hardware"),
    (
        Field("system_id", "text", "The system", required=True),
        Field("hardware", "name", "The device", required=True),
        Field("devices", "int", "How many of them", required=True),
    ),
    source="SELECT * FROM known_system_devices",
    references=(Reference(("system_id",), "systems"), Reference(("hardware",), "devices")),
    indexes=("hardware",),
)
ENVIRONMENTS = Table(
    "environments",
    "A machine with its software. Another environment is another segment of a trend.",
    Filling.WHOLE,
    ("env_id",),
    (
        Field("env_id", "text", "Hash of the facts", required=True),
        Field("system_id", "text", "The machine; null where the store has lost the environment"),
        Field("first_seen_at", "time", "When a run first met it"),
        Field("os", "text", "Operating system; null where not known"),
        Field("distribution", "text", "Its distribution and version; null where not known"),
        Field("kernel", "text", "Kernel version; null where not known"),
        Field("container", "text", "Kind of container; null where there is none or it is not known"),
        Field("python_version", "text", "Python that ran assay; null where not known"),
        Field(
            "facts",
            "json",
            "Everything that is known, as docs/environment.md describes it; of an import, its source's account",
        ),
        Field("schema_version", "int", "Schema of the store that the row was written by"),
    ),
    source="SELECT * FROM known_environments",
    references=(Reference(("system_id",), "systems"),),
    indexes=("system_id",),
)
METRIC_REGISTRY = Table(
    "metric_registry",
    "What each metric is. One that an extension defines, and this assay does not know, has a name alone.",
    Filling.WHOLE,
    ("metric",),
    (
        Field("metric", "name", "Name, with its unit at the end where it has one", required=True),
        Field("unit", "text", "Unit of every value; 1 for a plain number"),
        Field("direction", "text", "Which way is better", words=tuple(Direction)),
        Field("description", "text", "What it is"),
        Field("formula", "text", "How it is computed"),
        Field("source", "text", "Where that is written down"),
    ),
    source="SELECT * FROM known_metrics",
    grows=True,
)
WORKLOADS = Table(
    "workloads",
    "What is computed: a model family at a size, or the name that a source gives it.",
    Filling.SHARED,
    ("workload",),
    (
        Field("workload", "name", "Name: family/size", required=True),
        Field("family", "name", "The part before the slash", required=True),
    ),
    source="SELECT DISTINCT workload, family FROM batch_results",
    indexes=("family",),
)
CASES = Table(
    "cases",
    "One fully specified measurement, whatever machine it runs on.",
    Filling.SHARED,
    ("case_id",),
    (
        Field("case_id", "text", "Hash of the other columns", required=True),
        Field("workload", "name", "What is computed", required=True),
        Field("engine", "name", "Software that executes; of an imported row, null where its source does not say"),
        Field("device", "text", "Device asked for: cpu, cuda:0; null where a source does not say"),
        Field("mode", "text", "What kind of work is timed", required=True, words=tuple(Mode)),
        Field("precision", "text", "Arithmetic asked for; of an imported row, its source's own word"),
        Field("batch", "int", "Samples in one call; null where a source does not say"),
        Field("shape", "json", "Free dimensions of the inputs: name to size", required=True, source="to_json(shape)"),
        Field("options", "json", "What else is fixed: name to value", required=True),
    ),
    source=(
        "SELECT DISTINCT ON (case_id) case_id, workload, engine, device, mode, precision, batch, shape, options "
        "FROM batch_results"
    ),
    references=(Reference(("workload",), "workloads"),),
    indexes=("workload, engine",),
)
SERIES = Table(
    "series",
    "The same case on the same kind of hardware: one line of a trend plot.",
    Filling.SHARED,
    ("series_id",),
    (
        Field("series_id", "text", "Hash of case and hardware", required=True),
        Field("case_id", "text", "The case", required=True),
    ),
    source="SELECT DISTINCT ON (series_id) series_id, case_id FROM batch_results",
    references=(Reference(("case_id",), "cases"),),
    indexes=("case_id",),
)
ANNOTATIONS = Table(
    "annotations",
    "What a person says of a run, a result or a series. Never changed; a later row may take one back.",
    Filling.WHOLE,
    ("annotation_id",),
    (
        Field("annotation_id", "text", "UUIDv7", required=True),
        Field("kind", "text", "One word: note, accept, mute, split, retract", required=True),
        Field("subject_kind", "name", "Of what: run, result, series", required=True),
        Field("subject_id", "name", "Its id; no foreign key, as what it names may be gone", required=True),
        Field("text", "text", "What is said", required=True),
        Field("author", "text", "Who says it", required=True),
        Field("created_at", "time", "When", required=True),
        Field("metric", "name", "The metric it is about; null: all"),
        Field("expires_at", "time", "Until when it holds; null: for good"),
        Field("retracts", "text", "The annotation that it takes back"),
        Field("schema_version", "int", "Schema of the store that the row was written by", required=True),
    ),
    source="SELECT * FROM annotations",
    indexes=("subject_kind, subject_id", "created_at"),
)
BASELINES = Table(
    "baselines",
    "Runs pinned under a name. The newest row of a name counts.",
    Filling.WHOLE,
    ("baseline_id",),
    (
        Field("baseline_id", "text", "UUIDv7", required=True),
        Field("name", "name", "The name", required=True),
        Field("run_id", "text", "The run; null ends the name; no foreign key, as the run may be gone"),
        Field("created_at", "time", "When", required=True),
        Field("author", "text", "Who pinned it", required=True),
        Field("series_id", "text", "The one series it is for; null: all of the run"),
        Field("note", "text", "Why"),
        Field("schema_version", "int", "Schema of the store that the row was written by", required=True),
    ),
    source="SELECT * FROM baselines",
    indexes=("name, created_at DESC", "run_id"),
)
PREDICTIONS = Table(
    "predictions",
    "Numbers that a model gave, never mixed with those of results. Empty until assay predicts.",
    Filling.NONE,
    ("prediction_id",),
    (
        Field("prediction_id", "text", "UUIDv7", required=True),
        Field("case_id", "text", "The case", required=True),
        Field("hardware", "name", "The device", required=True),
        Field("metric", "name", "The metric", required=True),
        Field("value", "float", "What is predicted, in the metric's unit", required=True),
        Field("lower", "float", "Lower end of the interval"),
        Field("upper", "float", "Upper end of the interval"),
        Field("level", "float", "Share of such intervals that hold the true value: 0.9"),
        Field("predictor", "text", "The model that gave it", required=True),
        Field("predictor_version", "text", "Its version", required=True),
        Field("extrapolated", "bool", "Whether the question lies outside of what the model was fitted on"),
        Field("predicted_at", "time", "When", required=True),
    ),
    references=(
        Reference(("case_id",), "cases"),
        Reference(("hardware",), "devices"),
        Reference(("metric",), "metric_registry"),
    ),
    indexes=("case_id, hardware", "hardware", "metric"),
)
