/* How likely moves of colours are: see codecs/stealth/noise.py. For senders only. */
#include "native.h"

/* What is expected of a pixel, as noise.py has it: scales are indices less ZERO. */
enum { OFF_R, OFF_B, SCALE_R, SCALE_B, FOLLOWS, OFFSET_G, SCALE_G, EXPECTED };

enum {
    FAR = 100, GREEN_FAR = 200, FINER = 4, MOST = 25, /* codecs/stealth/noise.py */
    MOVES = 27
};

/* The one or two levels of green that keep the luma, over `g`, and which entry tells how likely the lower one is.
 *
 * `rest` is what the luma of red, `g` and blue lacks, in 1/65536 levels: the luma is kept from -32767 to 32768.
 */
typedef struct {
    int64_t low, high, entry;
} Choice;

static Choice green_choice(int64_t rest, int64_t g, int64_t offset)
{
    Choice found;
    found.low = (rest > 32768) + (rest > 32768 - WG) + (rest > 32768 - 2 * WG) - 2;
    found.high = (rest >= -32767) + (rest >= WG - 32767) + (rest >= 2 * WG - 32767) - 1;
    found.low = at_least(found.low, -g), found.high = at_most(found.high, 255 - g);
    int64_t distance = GREEN_UNIT * found.low + GREEN_UNIT / 2 - divided(GREEN_UNIT * rest, WG) - offset;
    found.entry = within(distance, -GREEN_FAR, GREEN_FAR) + GREEN_FAR;
    return found;
}

/* How much less likely each move makes a pixel's colour, -MOST to MOST, and MOST for moves that change the luma.
 *
 * expected (count, EXPECTED) int8, rgb (count, 3) and luma (count,) uint8; near (2, 256, 256) int16 and green (256,
 * 2 GREEN_FAR + 1, 2) int16: logarithms of chances in 1/FINER of the units of what is found -> out (count, MOVES) int8.
 */
EXPORT void move_reluctance(const int8_t *expected, const uint8_t *rgb, const uint8_t *luma, int64_t count,
                            const int16_t *near, const int16_t *green, int8_t *out)
{
    for (int64_t i = 0; i < count; i++, expected += EXPECTED, rgb += 3, out += MOVES) {
        memset(out, MOST, MOVES);
        const int64_t r = rgb[0], g = rgb[1], b = rgb[2];
        const int64_t rest = 65536 * (int64_t)luma[i] - WR * r - WG * g - WB * b;
        const int16_t *of_red = near + 256 * (expected[SCALE_R] + ZERO);
        const int16_t *of_blue = near + 65536 + 256 * (expected[SCALE_B] + ZERO);
        const int16_t *of_green = green + (2 * GREEN_FAR + 1) * 2 * (expected[SCALE_G] + ZERO);
        const int64_t off_r = within(expected[OFF_R], -FAR, FAR) + ZERO;
        const int64_t off_b = within(expected[OFF_B], -FAR, FAR) + ZERO;
        const int64_t follows = expected[FOLLOWS], offset = expected[OFFSET_G];
        Choice here = green_choice(rest, g, offset);
        int64_t before = of_red[off_r] + of_blue[off_b];
        if (here.low < here.high)
            before += of_green[2 * here.entry + within(-here.low, 0, 1)];
        for (int64_t dr = -1; dr <= 1; dr++)
            for (int64_t db = -1; db <= 1; db++) {
                /* offsets stay within the tables: 100 + 8 + 16 < 128 */
                int64_t both = of_red[off_r + UNIT * dr] + of_blue[off_b + UNIT * db - divided(follows * dr, UNIT)];
                Choice there = green_choice(rest - WR * dr - WB * db, g, offset);
                for (int64_t dg = at_least(there.low, -1); dg <= at_most(there.high, 1); dg++) {
                    int64_t after = both;
                    if (there.low < there.high)
                        after += of_green[2 * there.entry + dg - there.low];
                    int64_t reluctance = divided(before - after + FINER / 2, FINER);
                    out[9 * (dr + 1) + 3 * (dg + 1) + db + 1] = (int8_t)within(reluctance, -MOST, MOST);
                }
            }
    }
}
