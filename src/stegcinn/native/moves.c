/* Moves of single levels that keep the luma, and their prices: see codecs/stealth/moves.py. For senders only. */
#include "native.h"

enum {
    MOVES = 27, STAY = 13,           /* of -1, 0, 1 in red, green, blue; by index */
    LABELS = 16, LAYERS = 4,
    RED_WEIGHT = 1, GREEN_WEIGHT = 3, BLUE_WEIGHT = 6, /* of a label */
    NO_MOVE = 255
};

/* What each label's cheapest move costs, over that of the pixel's cheapest label, and that move.
 *
 * rgb (count, 3) uint8; prices (count, 3) float32 of one level's change of each channel, multiplied by `price`;
 * reluctance (count, MOVES) int8 in 1/nats, of which `pull` counts. costs (count, LABELS) uint8: in 1/nats up to `bend`,
 * in steps of `steep` of these beyond, NO_MOVE where no move leads. best (count, LABELS) uint8, STAY where there is none.
 */
EXPORT void move_costs(const uint8_t *rgb, const float *prices, float price, const int8_t *reluctance, int64_t count,
                       float pull, float nats, float bend, float steep, uint8_t *costs, uint8_t *best)
{
    for (int64_t i = 0; i < count; i++) {
        const int r = rgb[3 * i], g = rgb[3 * i + 1], b = rgb[3 * i + 2];
        const int rest = (WR * r + WG * g + WB * b + 32768) & 65535;
        const int label = RED_WEIGHT * r + GREEN_WEIGHT * g + BLUE_WEIGHT * b;
        const float red = prices[3 * i] * price, green = prices[3 * i + 1] * price, blue = prices[3 * i + 2] * price;
        float cost[LABELS], least = INFINITY;
        uint8_t *found = costs + LABELS * i, *by = best + LABELS * i;
        for (int k = 0; k < LABELS; k++)
            cost[k] = INFINITY;
        for (int dr = -1; dr <= 1; dr++)
            for (int dg = -1; dg <= 1; dg++)
                for (int db = -1; db <= 1; db++) {
                    const int after = rest + WR * dr + WG * dg + WB * db;
                    if (after < 0 || after >= 65536) /* another luma */
                        continue;
                    if (r + dr < 0 || r + dr > 255 || g + dg < 0 || g + dg > 255 || b + db < 0 || b + db > 255)
                        continue;
                    const int move = 9 * (dr + 1) + 3 * (dg + 1) + db + 1;
                    float each = pull * (float)reluctance[MOVES * i + move] / nats;
                    each += (dr ? red : 0) + (dg ? green : 0) + (db ? blue : 0);
                    const int target = (label + RED_WEIGHT * dr + GREEN_WEIGHT * dg + BLUE_WEIGHT * db) & (LABELS - 1);
                    if (each < cost[target]) {
                        cost[target] = each;
                        by[target] = (uint8_t)move;
                    }
                }
        for (int k = 0; k < LABELS; k++)
            least = cost[k] < least ? cost[k] : least;
        for (int k = 0; k < LABELS; k++) {
            if (cost[k] == INFINITY) {
                found[k] = NO_MOVE, by[k] = STAY;
                continue;
            }
            float units = (cost[k] - least) * nats;
            units = units < bend ? units : bend + (units - bend) / steep;
            found[k] = units < NO_MOVE - 1 ? (uint8_t)(units + 0.5f) : NO_MOVE - 1;
        }
    }
}

/* Entropies of labels' bits given those of the layers below, and open bits: totals (2, LAYERS) float64, added to.
 *
 * costs (count, LABELS) uint8; chances (256,) float32 of each cost, 0 for NO_MOVE, and logs (256,) float64, each chance
 * times its binary logarithm. A bit's entropy is the difference of x log x of the sum of its values' chances and of each
 * of them; it is open if both of its values have a chance.
 */
EXPORT void label_entropies(const uint8_t *costs, int64_t count, const float *chances, const double *logs,
                            double *totals)
{
    for (int64_t i = 0; i < count; i++) {
        double values[LABELS], log_of[LABELS], whole = 0;
        for (int label = 0; label < LABELS; label++) {
            const uint8_t cost = costs[LABELS * i + label];
            values[label] = chances[cost], log_of[label] = logs[cost];
            whole += values[label];
        }
        for (int layer = LAYERS - 1; layer >= 0; layer--) {
            const int half = 1 << layer;
            for (int low = 0; low < half; low++) {
                const double a = values[low], b = values[low + half];
                values[low] = a + b;
                if (a > 0 && b > 0) {
                    const double both = (a + b) * log2(a + b);
                    totals[layer] += (both - log_of[low] - log_of[low + half]) / whole;
                    totals[LAYERS + layer] += (a + b) / whole;
                    log_of[low] = both;
                } else {
                    log_of[low] += log_of[low + half];
                }
            }
        }
    }
}

/* The likelier value of each label's bit `layer`, given the settled ones below it, and what the other one costs.
 *
 * costs (count, LABELS) uint8, chances (256,) float32, settled (count,) uint8, layer 0 to 3 -> bits (count,) uint8,
 * flips (count,) float32: the logarithm of how many times likelier; infinite where there is no choice.
 */
EXPORT void label_preferences(const uint8_t *costs, int64_t count, const float *chances, const uint8_t *settled,
                              int64_t layer, uint8_t *bits, float *flips)
{
    const int half = 1 << layer;
    for (int64_t i = 0; i < count; i++) {
        float zero = 0, one = 0;
        for (int low = settled[i] & (half - 1); low < LABELS; low += 2 * half) {
            zero += chances[costs[LABELS * i + low]];
            one += chances[costs[LABELS * i + low + half]];
        }
        bits[i] = one > zero;
        flips[i] = zero > 0 && one > 0 ? fabsf(logf(one / zero)) : INFINITY;
    }
}
