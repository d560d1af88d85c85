"""Many machines: cases spread over the nodes of an engine that exists already (Ray, Slurm), into one store.

What is decided (which case next, on which node, once more or not) is here and pure; the engine only carries it out. May
import: core, store, probes, stats, engines, workloads, runner, analysis; ray and submitit inside functions.
"""
