"""Compare error-correction candidates on the same soft decisions: net rate, time, install size, licence.

    python scripts/measure/ecc_compare.py               # the candidates at 97.5 %, 95 % and 90 % raw accuracy
    python scripts/measure/ecc_compare.py --calibrate   # word failures at the least information best_rate accepts

The channel is the one of the sign-coded latent: z ~ N(0, 1) with |z| > 0.1, the bit is its sign, the receiver sees
z + sigma n with sigma log-normal over positions, and some positions are erased. A candidate's net rate is payload
bits per position at the highest of its rates with no failure in the run. The optional candidates are not
dependencies of the project: `pip install -e . galois reedsolo ldpc` in an environment of their own.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import time
from collections.abc import Callable, Iterator
from importlib import import_module, metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stegcinn.coding import ldpc

POSITIONS = 768 * 512 * 2
THRESHOLD = 0.1  # least |z| of a position that carries a bit
LOG_STD, ERASED = 0.6, 0.03  # spread of sigma over positions, share of erased positions
ACCURACIES = (0.975, 0.95, 0.90)
# Other spreads and erased shares (relative to 1 - rate) for --calibrate: the margin must hold for all of them.
SHAPES = ((0.3, 0.0), (0.6, 0.25), (1.0, 0.5))

Floats = NDArray[np.float32]
Result = tuple[float, float]  # net rate, seconds for POSITIONS positions


def log_ndtr(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """log of the normal distribution function; exact enough for LLRs that are clipped at 20 anyway."""
    erfc = np.asarray(np.frompyfunc(math.erfc, 1, 1)(-np.maximum(x, -35.0) / math.sqrt(2)), np.float64)
    return np.log(erfc / 2)


def channel(
    rng: np.random.Generator, count: int, median: float, log_std: float = LOG_STD, erased: float = ERASED
) -> Floats:
    """(count,) float32 LLRs of the all-zero code word (z > 0 everywhere): a negative one is a raw error."""
    z = np.abs(rng.standard_normal(2 * count))
    z = z[z > THRESHOLD][:count]
    sigma = median * np.exp(log_std * rng.standard_normal(count))
    mean = (z + sigma * rng.standard_normal(count)) / (1 + sigma**2)
    std = sigma / np.sqrt(1 + sigma**2)
    llr = log_ndtr((mean - THRESHOLD) / std) - log_ndtr((-mean - THRESHOLD) / std)
    return np.where(rng.random(count) < erased, 0, llr).astype(np.float32)


def accuracy(llr: Floats) -> float:
    """Share of right hard decisions; an erased position is right half the time."""
    return float(np.mean(llr > 0) + np.mean(llr == 0) / 2)


def median_for(goal: float, measure: Callable[[Floats], float], log_std: float, erased: float) -> float:
    """The median sigma at which `measure` of the channel (falling in sigma) reaches `goal`."""
    low, high = -7.0, 3.0
    for _ in range(14):
        middle = (low + high) / 2
        sample = channel(np.random.default_rng(0), 60_000, math.exp(middle), log_std, erased)
        low, high = (middle, high) if measure(sample) > goal else (low, middle)
    return math.exp((low + high) / 2)


def ours(llr: Floats) -> Iterator[Result]:
    """Rates that decode every word, from what best_rate promises upwards, until one does not."""
    start = ldpc.best_rate(ldpc.mutual_information(llr), len(llr))
    for rate in range(start if start is not None else 0, len(ldpc.RATES)):
        plan = ldpc.plan(len(llr), rate)
        began = time.perf_counter()
        bits, ok = ldpc.decode(plan, llr[: plan.used])
        if not ok.all() or bits.any():
            return
        yield plan.info_bits / len(llr), time.perf_counter() - began


def ldpc_package(llr: Floats, words: int = 2) -> Iterator[Result]:
    """The package `ldpc`: belief propagation in syndrome form on our parity checks, on the first `words` words."""
    package, sparse = import_module("ldpc"), import_module("scipy.sparse")
    start = ldpc.best_rate(ldpc.mutual_information(llr), len(llr))
    for rate in range(start if start is not None else 0, len(ldpc.RATES)):
        plan = ldpc.plan(len(llr), rate)
        rows, columns = ldpc.edges(plan)
        checks = sparse.csr_matrix(
            (np.ones(len(rows), np.uint8), (rows, columns)), shape=(plan.length - plan.info, plan.length)
        )
        began = time.perf_counter()
        for word in llr[: words * plan.length].reshape(words, plan.length):
            chances = 1 / (1 + np.exp(np.minimum(np.abs(word.astype(np.float64)), 20.0)))
            decoder = package.BpDecoder(checks, error_channel=chances, max_iter=100, bp_method="product_sum")
            raw = (word < 0).astype(np.uint8)
            if not np.array_equal(decoder.decode((checks @ raw % 2).astype(np.uint8)), raw):
                return
        yield plan.words * plan.info / len(llr), (time.perf_counter() - began) * plan.words / words


def hard_bits(llr: Floats, count: int) -> NDArray[np.uint8]:
    """(count,) uint8 hard decisions against the all-zero word; every second erased position guesses wrong."""
    return np.where(llr == 0, np.arange(len(llr)) % 2, llr < 0)[:count].astype(np.uint8)


def galois_bch(llr: Floats, words: int = 100) -> Iterator[Result]:
    """Hard-decision BCH of length 1023 from `galois`: the code that corrects the worst of the first `words` words."""
    galois = import_module("galois")
    length = 1023
    raw = hard_bits(llr, words * length).reshape(words, length)
    worst = int(raw.sum(axis=1).max())
    if worst > 115:  # above, BCH codes of this length have next to no payload
        return
    code = galois.BCH(length, d=2 * worst + 1)
    received = galois.GF2(raw)
    code.decode(received[:2])  # compiles
    began = time.perf_counter()
    if not np.asarray(code.decode(received)).any():
        yield code.k / length, (time.perf_counter() - began) * len(llr) / raw.size


def reed_solomon(llr: Floats, words: int = 12) -> Iterator[Result]:
    """Hard-decision Reed-Solomon over bytes, length 255, from `reedsolo`, for the worst of the first `words` words."""
    reedsolo = import_module("reedsolo")
    raw = np.packbits(hard_bits(llr, words * 255 * 8)).reshape(words, 255)
    worst = int(np.count_nonzero(raw, axis=1).max())
    if worst > 127:
        return
    code = reedsolo.RSCodec(2 * worst)
    began = time.perf_counter()
    if not any(any(code.decode(bytes(word))[0]) for word in raw):
        yield 1 - 2 * worst / 255, (time.perf_counter() - began) * len(llr) / (raw.size * 8)


def installed_megabytes(package: str, seen: set[str]) -> float:
    """Size on disk of a package and what it requires beyond NumPy, which the project has anyway."""
    if package in seen:
        return 0.0
    seen.add(package)
    try:
        found = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return 0.0
    size = sum(
        path.stat().st_size for file in found.files or () if (path := Path(str(found.locate_file(file)))).is_file()
    )
    needs = [line.split(";")[0] for line in found.requires or () if "extra ==" not in line]
    names = ["".join(c if c.isalnum() or c in "-_" else " " for c in need).split()[0] for need in needs]
    return size / 1e6 + sum(installed_megabytes(name.lower(), seen) for name in names)


CANDIDATES: tuple[tuple[str, str, str, Callable[[Floats], Iterator[Result]]], ...] = (
    ("stegcinn.coding.ldpc", "", "MIT", ours),
    ("ldpc BpDecoder", "ldpc", "MIT", ldpc_package),
    ("galois BCH(1023)", "galois", "MIT", galois_bch),
    ("reedsolo RS(255)", "reedsolo", "MIT-0", reed_solomon),
)


def compare() -> None:
    """Print one line per operating point and candidate."""
    for goal in ACCURACIES:
        median = median_for(goal, accuracy, LOG_STD, ERASED)
        llr = channel(np.random.default_rng(1), POSITIONS, median)
        information = ldpc.mutual_information(llr)
        print(f"\nraw accuracy {accuracy(llr):.4f}, information {information:.4f} bits per position")
        print(f"{'candidate':18}{'net rate':>10}{'of info.':>10}{'seconds':>10}{'extra MB':>10}  licence")
        promised = ldpc.best_rate(information, POSITIONS)
        for name, package, licence, run in CANDIDATES:
            if package and importlib.util.find_spec(package) is None:
                print(f"{name:18}skipped: {package} is not installed")
                continue
            size = installed_megabytes(package, {"numpy"}) if package else 0.0
            results = list(run(llr))
            if not results:
                print(f"{name:18}no rate of this family decodes{size:>20.0f}  {licence}")
                continue
            if run is ours and promised is not None:
                rate, seconds = results[0]
                print(
                    f"{name + ' sure':18}{rate:10.4f}{rate / information:10.3f}{seconds:10.2f}{size:10.0f}  {licence}"
                )
            rate, seconds = results[-1]
            print(f"{name:18}{rate:10.4f}{rate / information:10.3f}{seconds:10.2f}{size:10.0f}  {licence}")


def calibrate() -> None:
    """Print, per rate and length, the words that fail at the least information that best_rate accepts."""
    total = 0
    for length, words in ((1920, 480), (4080, 240), (14_400, 64), (64_800, 32)):
        for rate, value in enumerate(ldpc.RATES):
            need = ldpc.required_information(rate, length)
            if need >= 1:
                print(f"{length:6} {value:.4f} needs more than 1 bit per position: not offered")
                continue
            line = ""
            for log_std, share in SHAPES:
                erased = min(0.1, share * (1 - need))
                median = median_for(need, ldpc.mutual_information, log_std, erased)
                llr = channel(np.random.default_rng(rate), words * length, median, log_std, erased)
                bits, ok = ldpc._decode(
                    ldpc._graph(ldpc._PROFILES[rate], length // ldpc.BLOCKS),
                    llr.reshape(words, -1),
                    ldpc.ITERATIONS,
                )
                line += f"  {np.count_nonzero(~ok | bits.any(axis=1))}/{words}"
                total += words
            print(f"{length:6} {value:.4f} needs {need:.4f}:{line}", flush=True)
    print(total, "words")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calibrate", action="store_true", help="measure word failures at the promised margins")
    calibrate() if parser.parse_args().calibrate else compare()
