"""prototype"""
from __future__ import annotations
from dataclasses import dataclass
from functools import lru_cache
from hashlib import shake_256
import numpy as np
from numpy.typing import NDArray

BASE = 120
PROFILES = {60: ((13, 15), (3, 45))}
TINY = np.float32(1e-9)
T_MAX = np.float32(1 - 2**-22)
CLIP = 10.0

@dataclass(frozen=True)
class Graph:
    Z: int
    kb: int
    mb: int
    layers: tuple  # per row: tuple of (block, shift) for info

@lru_cache(maxsize=64)
def graph(kb: int, Z: int, profile) -> Graph:
    mb = BASE - kb
    stream = shake_256(b"stegcinn ldpc %d %d" % (kb, Z)).digest(1 << 17)
    words = np.frombuffer(stream, "<u4").tolist()
    pos = 0
    load = [0] * mb
    rows = [[] for _ in range(mb)]
    used = {}
    for r in range(mb):
        a, b = r, (r + 1) % mb
        used.setdefault((min(a, b), max(a, b)), set()).add(0 if r + 1 < mb else (1 % Z))
    g = 0
    bad = 0
    for weight, count in profile:
        for _ in range(count):
            keys = []
            for r in range(mb):
                keys.append((load[r], words[pos], r)); pos += 1
            chosen = sorted(r for _, _, r in sorted(keys)[:weight])
            best = None
            for _try in range(20):
                shifts = [words[pos + j] % Z for j in range(weight)]; pos += weight
                hits = 0
                diffs = []
                for i in range(weight):
                    for j in range(i):
                        key = (chosen[j], chosen[i]); d = (shifts[i] - shifts[j]) % Z
                        diffs.append((key, d)); hits += d in used.get(key, ())
                if best is None or hits < best[0]:
                    best = (hits, shifts, diffs)
                if not hits: break
            bad += best[0]
            for key, d in best[2]: used.setdefault(key, set()).add(d)
            for r, s in zip(chosen, best[1]):
                rows[r].append((g, s)); load[r] += 1
            g += 1
    gr = Graph(Z, kb, mb, tuple(tuple(r) for r in rows))
    object.__setattr__(gr, "bad", bad)
    return gr

def sums(gr, bits):
    """bits (kb.., Z, B) uint8 -> (mb, Z, B)"""
    out = np.zeros((gr.mb,) + bits.shape[1:], np.uint8)
    Z = gr.Z
    for r, layer in enumerate(gr.layers):
        acc = out[r]
        for g, s in layer:
            acc[: Z - s] ^= bits[g, s:]
            if s: acc[Z - s :] ^= bits[g, :s]
    return out

def encode(gr, info):
    """info (B, kb*Z)"""
    B = info.shape[0]
    bits = np.ascontiguousarray(info.T).reshape(gr.kb, gr.Z, B)
    s = sums(gr, bits).transpose(1, 0, 2).reshape(-1, B)
    p = np.bitwise_xor.accumulate(s, axis=0).reshape(gr.Z, gr.mb, B).transpose(1, 0, 2)
    return np.ascontiguousarray(np.concatenate([bits, p]).reshape(-1, B).T)

def syndrome(gr, hard):
    s = sums(gr, hard)
    p = hard[gr.kb:]
    s ^= p
    s[1:] ^= p[:-1]
    s[0, 1:] ^= p[-1, :-1]
    return s

def views(gr, L, work):
    Z = gr.Z
    plan = []
    for r, layer in enumerate(gr.layers):
        full = list(layer) + [(gr.kb + r, 0)]
        if r: full.append((gr.kb + r - 1, 0))
        moves = []
        for j, (g, s) in enumerate(full):
            moves.append((L[g, s:], work[j, : Z - s]))
            if s: moves.append((L[g, :s], work[j, Z - s :]))
        if r == 0:
            moves.append((L[gr.kb + gr.mb - 1, : Z - 1], work[len(full), 1:]))
        plan.append((moves, len(full) + (r == 0)))
    return plan

MODE = "spa"
ALPHA = 0.8
def decode(gr, llr, iterations=60, stats=None):
    """llr (B, n) -> info (B,k), ok (B)"""
    B0 = llr.shape[0]
    Z = gr.Z
    L = np.ascontiguousarray(np.clip(llr.T * np.float32(0.5), -CLIP, CLIP)).reshape(BASE, Z, B0).astype(np.float32)
    deg = [len(l) + 2 for l in gr.layers]
    c2v = np.zeros((sum(deg), Z, B0), np.float32)
    out = np.zeros((B0, gr.kb * Z), np.uint8)
    ok = np.zeros(B0, bool)
    alive = np.arange(B0)
    work = np.empty((max(deg), Z, B0), np.float32); tmp = np.empty_like(work)
    plan = views(gr, L, work)
    its = np.full(B0, iterations)
    for it in range(iterations):
        o = 0
        for r, (moves, d) in enumerate(plan):
            for src, dst in moves: dst[...] = src
            v = work[:d]; t = tmp[:d]; c = c2v[o:o + d]; o += d
            if r == 0: v[d - 1, 0] = CLIP
            np.subtract(v, c, out=v)
            if MODE == "spa":
                np.tanh(v, out=t)
                np.add(t, TINY, out=t)
                P = np.multiply.reduce(t, axis=0)
                np.divide(P, t, out=t)
                np.clip(t, -T_MAX, T_MAX, out=t)
                np.arctanh(t, out=c)
            else:
                a = np.abs(v, out=t)
                s = np.signbit(v)
                tot = np.bitwise_xor.reduce(s, axis=0)
                m1 = a[0].copy(); m2 = np.full_like(m1, 1e9)
                for j in range(1, d):
                    hi = np.maximum(m1, a[j]); np.minimum(m2, hi, out=m2); np.minimum(m1, a[j], out=m1)
                eq = a == m1
                m1 *= np.float32(ALPHA); m2 *= np.float32(ALPHA)
                np.copyto(c, m1[None]); np.copyto(c, np.broadcast_to(m2, c.shape), where=eq)
                np.negative(c, out=c, where=s ^ tot)
            np.add(v, c, out=v)
            if r == 0: d -= 1; 
            for (src, dst) in moves: src[...] = dst
        hard = (L < 0).view(np.uint8)
        bad = syndrome(gr, hard).any(axis=(0, 1))
        done = ~bad
        if done.any():
            done &= np.abs(L).min(axis=(0, 1)) > 0.05
        if done.any():
            idx = np.flatnonzero(done)
            new = alive[idx]
            sel = new[~ok[new]]
            out[new] = hard[: gr.kb].reshape(-1, hard.shape[-1])[:, idx].T
            its[sel] = it + 1
            ok[new] = True
            left = ~done
            n_left = int((~ok[alive]).sum())
            if not n_left: break
            if n_left <= 0.7 * len(alive):
                keep = np.flatnonzero(~ok[alive])
                alive = alive[keep]
                L = np.ascontiguousarray(L[:, :, keep]); c2v = np.ascontiguousarray(c2v[:, :, keep])
                work = np.empty((max(deg), Z, len(keep)), np.float32); tmp = np.empty_like(work)
                plan = views(gr, L, work)
    if stats is not None: stats["its"] = its
    bad = ~ok
    if bad.any():
        for i, w in enumerate(alive):
            if not ok[w]: out[w] = (L[: gr.kb, :, i].reshape(-1) < 0)
    return out, ok
