/* The compiled inner loops: what they share.
 *
 * Every function is called through ctypes by `runtime/native.py`, which has checked element types, contiguity, alignment
 * and whether arrays may be written to. Shapes are passed and trusted to be those of the arrays; whatever is read from
 * an array and used as an index into another is bounded here. No function allocates, keeps state or raises: what can go
 * wrong is a return value below zero.
 *
 * Receivers have to compute the same integers on every machine, so their loops know no floating point, no shift of a
 * negative number and no overflow of a signed one. Floating point is for senders.
 */
#ifndef STEGCINN_NATIVE_H
#define STEGCINN_NATIVE_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

/* An array of up to three dimensions with any strides, in bytes. */
typedef struct {
    char *data;
    int64_t stride[3];
} View;

#define AT2(type, view, i, j) (*(type *)((view)->data + (i) * (view)->stride[0] + (j) * (view)->stride[1]))
#define AT3(type, view, i, j, k) \
    (*(type *)((view)->data + (i) * (view)->stride[0] + (j) * (view)->stride[1] + (k) * (view)->stride[2]))

/* What the container format fixes, written down in Python too; tests/runtime/test_native.py compares. */
enum {
    WR = 19595, WG = 38470, WB = 7471,       /* carriers.luma.LUMA_WEIGHTS */
    K = 3, SYMBOLS = 3, PARAMETERS = 27,      /* colourmodel.mixture ... */
    FINE = 3, COARSE = 6, SCALE = 9, BLUE = 12, SLOPE = 24, GREEN = 25, GREEN_SCALE = 26,
    ZERO = 128, UNIT = 8, GREEN_UNIT = 64, SLOPE_UNIT = 64, SCALE_SHIFT = 10, MASS = 65536,
    REACH = 6144,                             /* LOGISTIC_REACH * LOGISTIC_UNIT */
    SCALE_STEP = 24
};

static inline int64_t at_least(int64_t x, int64_t bound) { return x < bound ? bound : x; }
static inline int64_t at_most(int64_t x, int64_t bound) { return x > bound ? bound : x; }
static inline int64_t within(int64_t x, int64_t low, int64_t high) { return at_most(at_least(x, low), high); }

/* x / 2**n, rounded down; compilers make an arithmetic shift of it. */
static inline int64_t shifted(int64_t x, int n) { return x >= 0 ? x >> n : -1 - ((-1 - x) >> n); }

/* x / n, rounded down, for n > 0. */
static inline int64_t divided(int64_t x, int64_t n) { return x >= 0 ? x / n : -1 - (-1 - x) / n; }

#endif
