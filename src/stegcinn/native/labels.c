/* Bits of labels, layer by layer: see coding/labels.py. For senders only. */
#include "native.h"

enum { MOST_LABELS = 16 }; /* of two or four layers; loops are compiled for both */

/* Entropies of labels' bits given those of the layers below, and open bits: totals (2, layers) float64, added to.
 *
 * costs (count, 2**layers) uint8; chances (256,) float32 of each cost, 0 for NO_MOVE, and logs (256,) float64, each chance
 * times its binary logarithm. A bit's entropy is the difference of x log x of the sum of its values' chances and of each
 * of them; it is open if both of its values have a chance.
 */
static inline void entropies(const uint8_t *costs, int64_t count, const int layers, const float *chances,
                             const double *logs, double *totals)
{
    const int labels = 1 << layers;
    for (int64_t i = 0; i < count; i++) {
        double values[MOST_LABELS], log_of[MOST_LABELS], whole = 0;
        for (int label = 0; label < labels; label++) {
            const uint8_t cost = costs[labels * i + label];
            values[label] = chances[cost], log_of[label] = logs[cost];
            whole += values[label];
        }
        for (int layer = layers - 1; layer >= 0; layer--) {
            const int half = 1 << layer;
            for (int low = 0; low < half; low++) {
                const double a = values[low], b = values[low + half];
                values[low] = a + b;
                if (a > 0 && b > 0) {
                    const double both = (a + b) * log2(a + b);
                    totals[layer] += (both - log_of[low] - log_of[low + half]) / whole;
                    totals[layers + layer] += (a + b) / whole;
                    log_of[low] = both;
                } else {
                    log_of[low] += log_of[low + half];
                }
            }
        }
    }
}

/* The above, for 2 or 4 layers. */
EXPORT void label_entropies(const uint8_t *costs, int64_t count, int64_t layers, const float *chances,
                            const double *logs, double *totals)
{
    if (layers == 2)
        entropies(costs, count, 2, chances, logs, totals);
    else if (layers == 4)
        entropies(costs, count, 4, chances, logs, totals);
}

/* The likelier value of each label's bit `layer`, given the settled ones below it, and what the other one costs.
 *
 * costs (count, labels) uint8, chances (256,) float32, settled (count,) uint8, layer 0 to 3 -> bits (count,) uint8,
 * flips (count,) float32: the logarithm of how many times likelier; infinite where there is no choice.
 */
static inline void preferences(const uint8_t *costs, int64_t count, const int labels, const float *chances,
                               const uint8_t *settled, int64_t layer, uint8_t *bits, float *flips)
{
    const int half = 1 << layer;
    for (int64_t i = 0; i < count; i++) {
        float zero = 0, one = 0;
        for (int low = settled[i] & (half - 1); low < labels; low += 2 * half) {
            zero += chances[costs[labels * i + low]];
            one += chances[costs[labels * i + low + half]];
        }
        bits[i] = one > zero;
        flips[i] = zero > 0 && one > 0 ? fabsf(logf(one / zero)) : INFINITY;
    }
}

/* The above, for 2 or 4 layers. */
EXPORT void label_preferences(const uint8_t *costs, int64_t count, int64_t layers, const float *chances,
                              const uint8_t *settled, int64_t layer, uint8_t *bits, float *flips)
{
    if (layers == 2)
        preferences(costs, count, 4, chances, settled, layer, bits, flips);
    else if (layers == 4)
        preferences(costs, count, 16, chances, settled, layer, bits, flips);
}

/* A cost as a byte: 1/units up to `bend`, in steps that are `gentle` as high beyond. */
static uint8_t as_byte(float units, float bend, float gentle)
{
    enum { DEAREST = 254 };
    const float rounded = (units < bend ? units : bend + (units - bend) * gentle) + 0.5f;
    return (uint8_t)(rounded < 0 ? 0 : rounded < DEAREST ? (int32_t)rounded : DEAREST);
}

/* What -1, 0 and +1 cost for values with their labels modulo 4, as bytes like those of `move_costs` in moves.c.
 *
 * values (total,) int16; places (count,) uint32 of those that are asked for, below total; classes (total,) uint8 of
 * prices (256,) float32 of a change by one, in units of the bytes; errors (total,) int8, or none (`told` is 0): a change
 * towards the sign of the error costs (128 - 2 |error|) / 128 of that, the other way (128 + 2 |error|) / 128; ways
 * (total,) uint8, with bit 0 where +1 is possible and bit 1 where -1 is. costs (count, 4) uint8, NO_MOVE where no change
 * leads. -1 if a place is none.
 */
EXPORT int64_t ternary_costs(const int16_t *values, const uint32_t *places, const uint8_t *classes, const float *prices,
                             const int8_t *errors, int64_t told, const uint8_t *ways, int64_t total, int64_t count,
                             float bend, float gentle, uint8_t *costs)
{
    enum { UP = 1, DOWN = 2, NO_MOVE = 255, HALF = 64, CLASSES = 256 };
    uint8_t plain[CLASSES];
    for (int k = 0; k < CLASSES; k++)
        plain[k] = as_byte(prices[k], bend, gentle);
    for (int64_t i = 0; i < count; i++) {
        const int64_t at = places[i];
        if (at >= total || (told && at >= told))
            return -1;
        const uint32_t label = (uint32_t)values[at];
        uint8_t *cost = costs + 4 * i, up = plain[classes[at]], down = up;
        if (told && errors[at]) {
            const float price = prices[classes[at]], towards = (float)errors[at] / HALF;
            up = as_byte(price * (1 - towards), bend, gentle);
            down = as_byte(price * (1 + towards), bend, gentle);
        }
        cost[label & 3] = 0;
        cost[(label + 1) & 3] = ways[at] & UP ? up : NO_MOVE;
        cost[(label + 2) & 3] = NO_MOVE;
        cost[(label + 3) & 3] = ways[at] & DOWN ? down : NO_MOVE;
    }
    return 0;
}
