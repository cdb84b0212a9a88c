"""Aggregation stages: each takes a stream of documents and gives another."""

from storage.embedded.stages import grouping, joins, output, shaping, windows
from storage.embedded.stages.run import Run, Source, Target, check_pipeline, run_pipeline, stages

__all__ = ["Run", "Source", "Target", "check_pipeline", "run_pipeline", "stages"]

for _module in (shaping, grouping, joins, windows, output):
    stages.update(_module.STAGES)
