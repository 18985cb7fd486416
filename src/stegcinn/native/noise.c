/* What the colour model expects of a host's pixels: see colourmodel/summary.py and codecs/stealth/noise.py.
 *
 * For senders only.
 */
#include "native.h"

/* Planes of a summary, as summary.py has them. */
enum { OFF_R, OFF_B, SCALE_R, SCALE_B, FOLLOWS, OFFSET_G, SCALE_G };

enum {
    FAR = 100, GREEN_FAR = 200, FINER = 4, MOST = 127, /* codecs/stealth/noise.py */
    MOVES = 27
};

/* The mixtures of pixels, each summed up as one logistic of the same mean and variance.
 *
 * parameters (PARAMETERS, height, width) uint8, guesses (height, width) int16, luma (height, width) and rgb (height,
 * width, 3) uint8 -> out (7, height, width) int16, any strides. weights (256,) int64 of each logit; widths (256,)
 * float64, 1 / scale**2 of each scale's index, in levels. The variance of a logistic of scale s is (pi s)**2 / 3; means
 * that differ add theirs.
 */
EXPORT void summarise(const View *parameters, const View *guess_r, const View *guess_b, const View *luma,
                      const View *rgb, int64_t height, int64_t width, const int64_t *weights, const double *widths,
                      const View *out)
{
    const double pi = 3.14159265358979323846, unit = 3 / (pi * UNIT * pi * UNIT);
    const int64_t plane = parameters->stride[0];
    for (int64_t i = 0; i < height; i++)
        for (int64_t j = 0; j < width; j++) {
            const uint8_t *p = &AT3(uint8_t, parameters, 0, i, j);
            const int64_t y = AT2(uint8_t, luma, i, j);
            const int64_t red = UNIT * (AT3(uint8_t, rgb, i, j, 0) - y) - AT2(int16_t, guess_r, i, j);
            const int64_t blue = UNIT * (AT3(uint8_t, rgb, i, j, 2) - y) - AT2(int16_t, guess_b, i, j);
            /* 1/UNIT levels per level, as its unit is 1/UNIT**2 */
            const int64_t follows = p[SLOPE * plane] - ZERO;
            const double leant[2] = {(double)red, (double)blue - (double)(follows * red) / (UNIT * UNIT)};
            double index[2], wider[2]; /* logarithms come last: a call takes all registers */
            for (int s = 0; s < 2; s++) {
                int64_t total = 0, values = 0, squares = 0, indices = 0;
                for (int k = 0; k < K; k++) {
                    const uint8_t *of = p + (BLUE * s + k) * plane;
                    const int64_t weight = weights[of[0]];
                    const int64_t value = of[FINE * plane] - ZERO + UNIT * (of[COARSE * plane] - ZERO);
                    total += weight;
                    values += weight * value;
                    squares += weight * value * value;
                    indices += weight * of[SCALE * plane];
                }
                const double all = (double)total, mean = (double)values / all, away = rint(leant[s] - mean);
                const double spread = ((double)squares / all - mean * mean) * unit;
                index[s] = (double)indices / all;
                wider[s] = 1 + (spread > 0 ? spread : 0) * widths[(int64_t)(index[s] + 0.5)];
                AT3(int16_t, out, OFF_R + s, i, j) = (int16_t)(away > 32000 ? 32000 : away < -32000 ? -32000 : away);
            }
            for (int s = 0; s < 2; s++) {
                index[s] += 0.5 * SCALE_STEP * log2(wider[s]);
                AT3(int16_t, out, SCALE_R + s, i, j) = (int16_t)within((int64_t)(index[s] + 0.5), 0, 255);
            }
            AT3(int16_t, out, FOLLOWS, i, j) = (int16_t)follows;
            AT3(int16_t, out, OFFSET_G, i, j) = (int16_t)(p[GREEN * plane] - ZERO);
            AT3(int16_t, out, SCALE_G, i, j) = p[GREEN_SCALE * plane];
        }
}

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
 * summary (7, height, width) int16 and rgb (height, width, 3) uint8, any strides; luma (height, width) uint8; near (2,
 * 256, 256) int16 and green (256, 2 GREEN_FAR + 1, 2) int16: logarithms of chances in 1/FINER of the units of what is
 * found -> out (height, width, MOVES) int8.
 */
EXPORT void move_reluctance(const View *summary, const View *rgb, const uint8_t *luma, int64_t height, int64_t width,
                            const int16_t *near, const int16_t *green, int8_t *out)
{
    for (int64_t i = 0; i < height; i++)
        for (int64_t j = 0; j < width; j++, luma++, out += MOVES) {
            memset(out, MOST, MOVES);
            const int64_t r = AT3(uint8_t, rgb, i, j, 0), g = AT3(uint8_t, rgb, i, j, 1), b = AT3(uint8_t, rgb, i, j, 2);
            const int64_t rest = 65536 * (int64_t)*luma - WR * r - WG * g - WB * b;
            const int16_t *of_red = near + 256 * within(AT3(int16_t, summary, SCALE_R, i, j), 0, 255);
            const int16_t *of_blue = near + 65536 + 256 * within(AT3(int16_t, summary, SCALE_B, i, j), 0, 255);
            const int64_t scale_g = within(AT3(int16_t, summary, SCALE_G, i, j), 0, 255);
            const int16_t *of_green = green + (2 * GREEN_FAR + 1) * 2 * scale_g;
            const int64_t off_r = within(AT3(int16_t, summary, OFF_R, i, j), -FAR, FAR) + ZERO;
            const int64_t off_b = within(AT3(int16_t, summary, OFF_B, i, j), -FAR, FAR) + ZERO;
            const int64_t follows = within(AT3(int16_t, summary, FOLLOWS, i, j), -ZERO, ZERO - 1);
            const int64_t offset = AT3(int16_t, summary, OFFSET_G, i, j);
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
