/* Moves of single levels that keep the luma, and their prices: see codecs/stealth/moves.py. For senders only. */
#include "native.h"

enum {
    MOVES = 27, STAY = 13,           /* of -1, 0, 1 in red, green, blue; by index */
    LABELS = 16, LAYERS = 4,
    RED_WEIGHT = 1, GREEN_WEIGHT = 3, BLUE_WEIGHT = 6, /* of a label */
    NO_MOVE = 255
};

/* What moves change, by index. */
typedef struct {
    int32_t luma[MOVES], label[MOVES];
    int32_t red[MOVES], green[MOVES], blue[MOVES]; /* -1 where the channel changes */
    uint32_t down[3], up[3];                       /* bits of moves of red, green and blue */
} Changes;

static Changes all_changes(void)
{
    Changes found = {0};
    for (int move = 0; move < MOVES; move++) {
        const int by[3] = {move / 9 - 1, move / 3 % 3 - 1, move % 3 - 1};
        found.luma[move] = WR * by[0] + WG * by[1] + WB * by[2];
        found.label[move] = RED_WEIGHT * by[0] + GREEN_WEIGHT * by[1] + BLUE_WEIGHT * by[2];
        found.red[move] = -(by[0] != 0), found.green[move] = -(by[1] != 0), found.blue[move] = -(by[2] != 0);
        for (int c = 0; c < 3; c++) {
            found.down[c] |= (uint32_t)(by[c] < 0) << move;
            found.up[c] |= (uint32_t)(by[c] > 0) << move;
        }
    }
    return found;
}

/* What each label's cheapest move costs, over that of the pixel's cheapest label, and that move.
 *
 * rgb (count, 3) uint8; prices (count, 3) float32 of one level's change of each channel, multiplied by `price`;
 * reluctance (count, MOVES) int8, of which each unit costs `pull`. costs (count, LABELS) uint8: in 1/nats up to `bend`,
 * in steps that are `gentle` as high beyond, NO_MOVE where no move leads. best (count, LABELS) uint8, STAY where there is
 * none.
 */
EXPORT void move_costs(const uint8_t *rgb, const float *prices, float price, const int8_t *reluctance, int64_t count,
                       float pull, float nats, float bend, float gentle, uint8_t *costs, uint8_t *best)
{
    const Changes changes = all_changes();
    for (int64_t i = 0; i < count; i++) {
        const int rest = (WR * rgb[3 * i] + WG * rgb[3 * i + 1] + WB * rgb[3 * i + 2] + 32768) & 65535;
        const int label = RED_WEIGHT * rgb[3 * i] + GREEN_WEIGHT * rgb[3 * i + 1] + BLUE_WEIGHT * rgb[3 * i + 2];
        const float red = prices[3 * i] * price, green = prices[3 * i + 1] * price, blue = prices[3 * i + 2] * price;
        float each[MOVES], cost[LABELS], least = INFINITY;
        uint8_t by[LABELS];
        uint32_t possible = 0; /* a bit for each move: which are possible is anyone's guess, so no branch depends on it */
        for (int move = 0; move < MOVES; move++) {
            possible |= (uint32_t)((uint32_t)(rest + changes.luma[move]) < 65536) << move; /* the luma stays */
            each[move] = pull * (float)reluctance[MOVES * i + move];
            each[move] += changes.red[move] ? red : 0;
            each[move] += changes.green[move] ? green : 0;
            each[move] += changes.blue[move] ? blue : 0;
        }
        for (int c = 0; c < 3; c++) {
            possible &= rgb[3 * i + c] > 0 ? ~0u : ~changes.down[c];
            possible &= rgb[3 * i + c] < 255 ? ~0u : ~changes.up[c];
        }
        for (int k = 0; k < LABELS; k++)
            cost[k] = INFINITY, by[k] = STAY;
        for (; possible; possible &= possible - 1) {
            const int move = __builtin_ctz(possible), target = (label + changes.label[move]) & (LABELS - 1);
            if (each[move] < cost[target])
                cost[target] = each[move], by[target] = (uint8_t)move;
        }
        for (int k = 0; k < LABELS; k++)
            least = cost[k] < least ? cost[k] : least;
        for (int k = 0; k < LABELS; k++) {
            const float units = (cost[k] - least) * nats, beyond = bend + (units - bend) * gentle;
            const float rounded = (units < bend ? units : beyond) + 0.5f;
            const int32_t byte = (int32_t)(rounded < NO_MOVE - 1 ? rounded : NO_MOVE - 1);
            costs[LABELS * i + k] = (uint8_t)(cost[k] < INFINITY ? byte : NO_MOVE);
        }
        memcpy(best + LABELS * i, by, sizeof by);
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
