/* Colours from message bytes and back: see colourmodel/rangecoder.py, and mixture.py for the distributions.
 *
 * Range coder after Martin (1979), with 64-bit registers. A pixel's parameters are PARAMETERS bytes, laid out as
 * mixture.py has them. Its colours are coded in the order red, blue, green.
 */
#include "native.h"

enum { QUANTILES = 256 };
static const uint64_t TOP = (uint64_t)1 << 56; /* a smaller span is renormalised */

/* Pixels (height, width), any strides: those are coded, in raster order, where `chosen`. */
typedef struct {
    View parameters; /* (PARAMETERS, height, width) uint8 */
    View guess_r;    /* (height, width) int16, first guess of red - luma in 1/UNIT levels */
    View guess_b;
    View luma;       /* uint8 */
    View chosen;     /* bool, a byte each */
    View rgb;        /* (height, width, 3) uint8 */
    int64_t height, width;
} Tile;

typedef struct {
    const int32_t *logistic; /* (SYMBOLS, 2 REACH + 1), rising from 0 to MASS */
    const int64_t *inverse;  /* (SYMBOLS, 256): fixed-point 1 / scale */
    const int64_t *weights;  /* (256,) */
    const int32_t *red_low;  /* (256,) */
    const int32_t *red_high;
    const double *quantile;  /* (SYMBOLS, QUANTILES): table entries from the mean; only says where to search */
    const double *scale;     /* (SYMBOLS, 256): 1/UNIT levels per table entry; likewise */
} Tables;

typedef struct {
    int64_t low, high;
} Bounds;

static Bounds blue_bounds(int64_t y, int64_t red)
{
    int64_t rest = 65536 * y - WR * red;
    Bounds found = {at_least(-divided(32768 + 255 * WG - rest, WB), 0), at_most(divided(rest + 32767, WB), 255)};
    return found;
}

/* One or two levels have the luma; `rest` is what green has to add to it, in 2**-16 levels. */
static Bounds green_bounds(int64_t rest)
{
    Bounds found = {at_least(-divided(32768 - rest, WG), 0), at_most(divided(rest + 32767, WG), 255)};
    return found;
}

/* Where blue's means count from, given red, in 1/UNIT levels. */
static int64_t blue_centre(int64_t y, int64_t red, int64_t guess_r, int64_t guess_b, int64_t slope)
{
    int64_t follows = (slope - ZERO) * (UNIT * (red - y) - guess_r) + SLOPE_UNIT / 2;
    return UNIT * y + guess_b + divided(follows, SLOPE_UNIT);
}

/* From green's mean to the border between its two levels, in 1/GREEN_UNIT levels. */
static int64_t green_distance(int64_t low, int64_t rest, int64_t offset)
{
    return GREEN_UNIT * low + GREEN_UNIT / 2 - divided(GREEN_UNIT * rest, WG) - (offset - ZERO);
}

static int64_t entry_of(int64_t distance, int64_t inverse)
{
    return within(shifted(distance * inverse, SCALE_SHIFT), -REACH, REACH) + REACH;
}

/* One of a colour's components: how many counts of MASS it has up to a distance in 1/UNIT levels from its mean. */
typedef struct {
    int64_t mean, rate, weight;
} Component;

static void read_components(const Tile *tile, const Tables *tables, int64_t i, int64_t j, int symbol, int64_t centre,
                            Component *found)
{
    for (int k = 0; k < K; k++) {
        const int p = BLUE * symbol + k;
        int64_t fine = AT3(uint8_t, &tile->parameters, p + FINE, i, j);
        int64_t coarse = AT3(uint8_t, &tile->parameters, p + COARSE, i, j);
        found[k].mean = centre + fine - ZERO + UNIT * (coarse - ZERO);
        found[k].rate = tables->inverse[256 * symbol + AT3(uint8_t, &tile->parameters, p + SCALE, i, j)];
        found[k].weight = tables->weights[AT3(uint8_t, &tile->parameters, p, i, j)];
    }
}

/* Counts of all levels from `low` to `v`, of which each has one of its own. */
static int64_t counts_to(const Component *components, const int32_t *logistic, int64_t low, int64_t v)
{
    int64_t counts = v - low + 1, edge = UNIT * v + UNIT / 2;
    for (int k = 0; k < K; k++)
        counts += components[k].weight * logistic[entry_of(edge - components[k].mean, components[k].rate)];
    return counts;
}

/* The last entry of a level counts up to `total`, and the first one from 0: what lies beyond belongs to the ends. */
static int64_t total_of(const Component *components, int64_t low, int64_t high)
{
    int64_t weights = 0;
    for (int k = 0; k < K; k++)
        weights += components[k].weight;
    return MASS * weights + high - low + 1;
}

/* Draw colours into the chosen pixels of a tile from message (size,) uint8, which goes on with zeros past its end.
 *
 * state (3,): how far the message lies above the interval's lower end, the interval's span less one, bytes shifted in.
 */
EXPORT void draw_colours(const Tile *tile, const Tables *tables, const uint8_t *message, int64_t size, uint64_t *state)
{
    uint64_t offset = state[0], span = state[1], position = state[2];
    for (int64_t i = 0; i < tile->height; i++)
        for (int64_t j = 0; j < tile->width; j++) {
            if (!AT2(uint8_t, &tile->chosen, i, j))
                continue;
            const int64_t y = AT2(uint8_t, &tile->luma, i, j);
            const int64_t guess_r = AT2(int16_t, &tile->guess_r, i, j), guess_b = AT2(int16_t, &tile->guess_b, i, j);
            int64_t low = tables->red_low[y], high = tables->red_high[y], centre = UNIT * y + guess_r;
            int64_t colour[2] = {0, 0}, green = 0;
            for (int s = 0; s < SYMBOLS; s++) {
                int64_t before, after, total;
                uint64_t unit;
                if (s < 2) {
                    const int32_t *logistic = tables->logistic + s * (2 * REACH + 1);
                    Component components[K];
                    double middle = 0, spread = 0, weights = 0;
                    read_components(tile, tables, i, j, s, centre, components);
                    for (int k = 0; k < K; k++) {
                        uint8_t scale = AT3(uint8_t, &tile->parameters, BLUE * s + k + SCALE, i, j);
                        weights += (double)components[k].weight;
                        middle += (double)(components[k].weight * components[k].mean);
                        spread += (double)components[k].weight * tables->scale[256 * s + scale];
                    }
                    /* Begin at the quantile of one component that lies in the middle of all: two times in three it is
                     * the level sought. Wherever the search begins, it ends at the same one. */
                    double share = (double)(offset >> 1) / (double)(span >> 1);
                    int64_t quantile = within((int64_t)(share * (QUANTILES - 0.01)), 0, QUANTILES - 1);
                    double start = (middle + tables->quantile[QUANTILES * s + quantile] * spread) / weights;
                    int64_t v = within(divided((int64_t)start + UNIT / 2, UNIT), low, high);
                    total = total_of(components, low, high);
                    unit = span / (uint64_t)total;
                    before = v > low ? counts_to(components, logistic, low, v - 1) : 0;
                    after = v < high ? counts_to(components, logistic, low, v) : total;
                    /* counts up to `below` lie at or under the message, counts up to `level` above it */
                    int64_t below = v - 1, level = v;
                    if (unit * (uint64_t)before > offset) {
                        below = low - 1, level = v - 1, after = before, before = 0, v -= 2;
                    } else if (v < high && unit * (uint64_t)after <= offset) {
                        below = v, level = high, before = after, after = total, v += 1;
                    }
                    for (int64_t step = 2; level - below > 1; step *= 2) {
                        if (v <= below || v >= level)
                            v = divided(below + level, 2);
                        int64_t counts = counts_to(components, logistic, low, v);
                        if (unit * (uint64_t)counts <= offset)
                            below = v, before = counts, v += step;
                        else
                            level = v, after = counts, v -= step;
                    }
                    colour[s] = level;
                    if (s == 0) {
                        Bounds blue = blue_bounds(y, level);
                        low = blue.low, high = blue.high;
                        centre = blue_centre(y, level, guess_r, guess_b, AT3(uint8_t, &tile->parameters, SLOPE, i, j));
                    }
                } else {
                    const int32_t *logistic = tables->logistic + s * (2 * REACH + 1);
                    int64_t rest = 65536 * y - WR * colour[0] - WB * colour[1];
                    Bounds levels = green_bounds(rest);
                    green = levels.low;
                    if (levels.low == levels.high)
                        break;
                    uint8_t scale = AT3(uint8_t, &tile->parameters, GREEN_SCALE, i, j);
                    int64_t distance = green_distance(green, rest, AT3(uint8_t, &tile->parameters, GREEN, i, j));
                    int64_t border = logistic[entry_of(distance, tables->inverse[256 * s + scale])] + 1;
                    total = MASS + 2;
                    unit = span / (uint64_t)total;
                    before = 0, after = border;
                    if (unit * (uint64_t)border <= offset)
                        green = levels.high, before = border, after = total;
                }
                uint64_t start = unit * (uint64_t)before;
                offset -= start;
                span = after == total ? span - start : unit * (uint64_t)(after - before) - 1;
                while (span < TOP) {
                    offset = offset << 8 | (position < (uint64_t)size ? message[position] : 0);
                    span = span << 8 | 255;
                    position++;
                }
            }
            AT3(uint8_t, &tile->rgb, i, j, 0) = (uint8_t)colour[0];
            AT3(uint8_t, &tile->rgb, i, j, 1) = (uint8_t)green;
            AT3(uint8_t, &tile->rgb, i, j, 2) = (uint8_t)colour[1];
        }
    state[0] = offset, state[1] = span, state[2] = position;
}

/* Counts (pixels, SYMBOLS, 3) int32 of the chosen pixels' colours: below and up to each, and of all.
 *
 * The number of chosen pixels; -1 at a colour without its pixel's luma, -2 if there are more than `pixels`.
 */
EXPORT int64_t measure_colours(const Tile *tile, const Tables *tables, int32_t *counts, int64_t pixels)
{
    int64_t n = 0;
    for (int64_t i = 0; i < tile->height; i++)
        for (int64_t j = 0; j < tile->width; j++) {
            if (!AT2(uint8_t, &tile->chosen, i, j))
                continue;
            if (n == pixels)
                return -2;
            const int64_t y = AT2(uint8_t, &tile->luma, i, j);
            const int64_t guess_r = AT2(int16_t, &tile->guess_r, i, j), guess_b = AT2(int16_t, &tile->guess_b, i, j);
            const int64_t red = AT3(uint8_t, &tile->rgb, i, j, 0), blue = AT3(uint8_t, &tile->rgb, i, j, 2);
            const int64_t green = AT3(uint8_t, &tile->rgb, i, j, 1), rest = 65536 * y - WR * red - WB * blue;
            int32_t *of_green = counts + (n * SYMBOLS + 2) * 3;
            Bounds levels = green_bounds(rest);
            if (green < levels.low || green > levels.high)
                return -1;
            of_green[0] = 0, of_green[1] = 1, of_green[2] = 1;
            if (levels.low < levels.high) {
                const int32_t *logistic = tables->logistic + 2 * (2 * REACH + 1);
                uint8_t scale = AT3(uint8_t, &tile->parameters, GREEN_SCALE, i, j);
                int64_t distance = green_distance(levels.low, rest, AT3(uint8_t, &tile->parameters, GREEN, i, j));
                int32_t border = logistic[entry_of(distance, tables->inverse[512 + scale])] + 1;
                of_green[0] = green == levels.high ? border : 0;
                of_green[1] = green == levels.high ? MASS + 2 : border;
                of_green[2] = MASS + 2;
            }
            int64_t low = tables->red_low[y], high = tables->red_high[y], centre = UNIT * y + guess_r, v = red;
            for (int s = 0; s < 2; s++) {
                const int32_t *logistic = tables->logistic + s * (2 * REACH + 1);
                int32_t *of_colour = counts + (n * SYMBOLS + s) * 3;
                Component components[K];
                read_components(tile, tables, i, j, s, centre, components);
                int64_t total = total_of(components, low, high);
                of_colour[0] = v > low ? (int32_t)counts_to(components, logistic, low, v - 1) : 0;
                of_colour[1] = v < high ? (int32_t)counts_to(components, logistic, low, v) : (int32_t)total;
                of_colour[2] = (int32_t)total;
                Bounds next = blue_bounds(y, red);
                low = next.low, high = next.high, v = blue;
                centre = blue_centre(y, red, guess_r, guess_b, AT3(uint8_t, &tile->parameters, SLOPE, i, j));
            }
            n++;
        }
    return n;
}

/* Append to out (size,) uint8 the bytes that counts (pixels, SYMBOLS, 3) int32 stand for.
 *
 * state (3,): lower end of the interval, its span less one, bytes shifted out. 0, or -1 if `out` is too short or counts
 * are none: what is in `state` and `out` is then undefined.
 */
EXPORT int64_t encode_counts(const int32_t *counts, int64_t pixels, uint8_t *out, int64_t size, uint64_t *state)
{
    uint64_t low = state[0], span = state[1], position = state[2];
    if (position > (uint64_t)size)
        return -1;
    for (int64_t n = 0; n < pixels * SYMBOLS; n++) {
        const int32_t before = counts[3 * n], after = counts[3 * n + 1], total = counts[3 * n + 2];
        if (before < 0 || after <= before || total < after)
            return -1;
        uint64_t unit = span / (uint64_t)total, start = unit * (uint64_t)before;
        low += start;
        if (low < start) { /* wrapped around. The whole number stays below 1, so some byte takes the carry */
            uint64_t k = position;
            do {
                if (k == 0)
                    return -1;
                out[--k]++;
            } while (out[k] == 0);
        }
        span = after == total ? span - start : unit * (uint64_t)(after - before) - 1;
        while (span < TOP) {
            if (position >= (uint64_t)size)
                return -1;
            out[position++] = (uint8_t)(low >> 56);
            low <<= 8;
            span = span << 8 | 255;
        }
    }
    state[0] = low, state[1] = span, state[2] = position;
    return 0;
}
