"""Work spread over processes of this machine, or over the workers of a Dask or Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

from joblib import Parallel, delayed, parallel_config

from stegcinn.errors import UsageError

Result = TypeVar("Result")
Spread = Callable[[Callable[..., Any], Iterable[tuple[Any, ...]]], Iterator[Any]]  # results as they come
AHEAD = 2  # calls handed out for each worker of a Ray cluster, so that none waits for work


def spread(jobs: int, function: Callable[..., Result], calls: Iterable[tuple[Any, ...]]) -> Iterator[Result]:
    """Results of `function` for all argument tuples, which are taken as their turn nears, from `jobs` processes."""
    results: Iterator[Result] = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(function)(*arguments) for arguments in calls
    )
    return results


@contextmanager
def workers(backend: str, jobs: int, address: str | None = None) -> Iterator[Spread]:
    """What spreads work over `jobs` processes of this machine, or over all workers of the cluster at an address.

    `backend`: "loky" for processes, "dask" or "ray". UsageError for an address without a cluster, or where the package
    behind a backend is not installed.
    """
    if backend == "loky":
        if address is not None:
            raise UsageError("processes of this machine have no address; name --backend dask or ray")
        yield lambda function, calls: spread(jobs, function, calls)
        return
    try:
        with _dask(jobs, address) if backend == "dask" else _ray(jobs, address) as spreading:
            yield spreading
    except ModuleNotFoundError as error:
        if error.name not in ("dask", "distributed", "ray"):
            raise
        raise UsageError(f"--backend {backend} needs {error.name}: pip install 'stegcinn[{backend}]'") from None


@contextmanager
def _dask(jobs: int, address: str | None) -> Iterator[Spread]:
    """By joblib, over the cluster's workers, or over as many as there are jobs."""
    from distributed import Client, LocalCluster

    local: dict[str, Any] = {} if address else {"n_workers": jobs, "threads_per_worker": 1, "dashboard_address": None}
    try:
        client = Client(address) if address else Client(LocalCluster(**local))
    except (OSError, ValueError) as error:
        raise UsageError(f"no Dask scheduler answers at {address}: {error}") from error
    try:
        with parallel_config(backend="dask"):
            yield lambda function, calls: spread(-1, function, calls)
    finally:
        cluster = client.cluster
        client.close()
        if not address:
            cluster.close()


@contextmanager
def _ray(jobs: int, address: str | None) -> Iterator[Spread]:
    """By Ray's own tasks: its backend for joblib tells nothing before all is done."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else it reports to its makers
    import ray

    local: dict[str, Any] = {} if address else {"num_cpus": jobs, "include_dashboard": False}
    try:
        ray.init(address=address or "local", log_to_driver=False, **local)
    except (OSError, ValueError) as error:
        raise UsageError(f"no Ray cluster answers at {address}: {error}") from error

    def spreading(function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        task, waiting = ray.remote(function), iter(calls)
        most = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        running = [task.remote(*arguments) for arguments in islice(waiting, most)]
        while running:
            (done, *_), running = ray.wait(running)
            running += [task.remote(*arguments) for arguments in islice(waiting, 1)]
            yield ray.get(done)

    try:
        yield spreading
    finally:
        ray.shutdown()
