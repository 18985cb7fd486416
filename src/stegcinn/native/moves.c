/* Moves of single levels that keep the luma, and their prices: see codecs/stealth/moves.py. For senders only. */
#include "native.h"

enum {
    MOVES = 27, STAY = 13,           /* of -1, 0, 1 in red, green, blue; by index */
    LABELS = 16,
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
