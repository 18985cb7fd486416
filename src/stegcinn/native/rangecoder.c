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

/* A share of MASS: up to a distance from the mean, which is given times 2**SCALE_SHIFT / scale. */
static int64_t share_of(const int32_t *logistic, int64_t distance)
{
    /* shifted as a number that is not negative */
    const int64_t entry = at_least(distance + ((int64_t)REACH << SCALE_SHIFT), 0) >> SCALE_SHIFT;
    return logistic[at_most(entry, 2 * REACH)];
}

/* One of a colour's components: how many counts of MASS it has up to a distance in 1/UNIT levels from its mean. */
typedef struct {
    int64_t mean, rate, weight;
} Component;

static inline Component component_of(const Tables *tables, const uint8_t *parameters, int64_t plane, int symbol, int k,
                                     int64_t centre)
{
    const int p = BLUE * symbol + k;
    const int64_t fine = parameters[(p + FINE) * plane], coarse = parameters[(p + COARSE) * plane];
    Component found = {centre + fine - ZERO + UNIT * (coarse - ZERO),
                       tables->inverse[256 * symbol + parameters[(p + SCALE) * plane]],
                       tables->weights[parameters[p * plane]]};
    return found;
}

/* Counts of all levels from `low` to `v`, of which each has one of its own. */
static int64_t counts_to(const Component *components, const int32_t *logistic, int64_t low, int64_t v)
{
    int64_t counts = v - low + 1;
    for (int k = 0; k < K; k++)
        counts += components[k].weight * share_of(logistic, (UNIT * v + UNIT / 2 - components[k].mean) * components[k].rate);
    return counts;
}

/* Counts below and up to a level, and of all levels. The last one's go up to all of them, and the first one's begin at 0:
 * what lies beyond belongs to the ends. */
typedef struct {
    int64_t before, after, total;
} Counts;

static inline Counts counts_of(const Component *components, const int32_t *logistic, Bounds levels, int64_t v)
{
    Counts found = {v - levels.low, v - levels.low + 1, levels.high - levels.low + 1};
    for (int k = 0; k < K; k++) {
        const Component c = components[k];
        const int64_t distance = (UNIT * v + UNIT / 2 - c.mean) * c.rate;
        found.before += c.weight * share_of(logistic, distance - UNIT * c.rate);
        found.after += c.weight * share_of(logistic, distance);
        found.total += c.weight * MASS;
    }
    found.before = v > levels.low ? found.before : 0;
    found.after = v < levels.high ? found.after : found.total;
    return found;
}

/* Draw colours into the chosen pixels of a tile from message (size,) uint8, which goes on with zeros past its end.
 *
 * state (3,): how far the message lies above the interval's lower end, the interval's span less one, bytes shifted in.
 */
EXPORT void draw_colours(const Tile *pixels, const Tables *given, const uint8_t *message, int64_t size, uint64_t *state)
{
    const Tile of_ours = *pixels, *tile = &of_ours; /* copies, so that writing colours does not change what is known */
    const Tables tables_of_ours = *given, *tables = &tables_of_ours;
    uint64_t offset = state[0], span = state[1], position = state[2];
    for (int64_t i = 0; i < tile->height; i++)
        for (int64_t j = 0; j < tile->width; j++) {
            if (!AT2(uint8_t, &tile->chosen, i, j))
                continue;
            const uint8_t *parameters = &AT3(uint8_t, &tile->parameters, 0, i, j);
            const int64_t y = AT2(uint8_t, &tile->luma, i, j), plane = tile->parameters.stride[0];
            const int64_t guess_r = AT2(int16_t, &tile->guess_r, i, j), guess_b = AT2(int16_t, &tile->guess_b, i, j);
            Bounds levels = {tables->red_low[y], tables->red_high[y]};
            int64_t centre = UNIT * y + guess_r, colour[2] = {0, 0}, green = 0;
            for (int s = 0; s < SYMBOLS; s++) {
                int64_t before, after, total;
                uint64_t unit;
                if (s < 2) {
                    const int32_t *logistic = tables->logistic + s * (2 * REACH + 1);
                    Component components[K];
                    double middle = 0, spread = 0, weights = 0;
                    for (int k = 0; k < K; k++) {
                        components[k] = component_of(tables, parameters, plane, s, k, centre);
                        uint8_t scale = parameters[(BLUE * s + k + SCALE) * plane];
                        weights += (double)components[k].weight;
                        middle += (double)(components[k].weight * components[k].mean);
                        spread += (double)components[k].weight * tables->scale[256 * s + scale];
                    }
                    /* Begin at the quantile of one component that lies in the middle of all: two times in three it is
                     * the level sought. Wherever the search begins, it ends at the same one. */
                    double share = (double)(offset >> 1) / (double)(span >> 1);
                    int64_t quantile = within((int64_t)(share * (QUANTILES - 0.01)), 0, QUANTILES - 1);
                    double start = (middle + tables->quantile[QUANTILES * s + quantile] * spread) / weights;
                    int64_t v = within(divided((int64_t)start + UNIT / 2, UNIT), levels.low, levels.high);
                    const Counts counts = counts_of(components, logistic, levels, v);
                    before = counts.before, after = counts.after, total = counts.total;
                    unit = span / (uint64_t)total;
                    /* counts up to `below` lie at or under the message, counts up to `level` above it */
                    int64_t below = v - 1, level = v;
                    if (unit * (uint64_t)before > offset) {
                        below = levels.low - 1, level = v - 1, after = before, before = 0, v -= 2;
                    } else if (v < levels.high && unit * (uint64_t)after <= offset) {
                        below = v, level = levels.high, before = after, after = total, v += 1;
                    }
                    for (int64_t step = 2; level - below > 1; step *= 2) {
                        if (v <= below || v >= level)
                            v = divided(below + level, 2);
                        int64_t middle_counts = counts_to(components, logistic, levels.low, v);
                        if (unit * (uint64_t)middle_counts <= offset)
                            below = v, before = middle_counts, v += step;
                        else
                            level = v, after = middle_counts, v -= step;
                    }
                    colour[s] = level;
                    if (s == 0) {
                        levels = blue_bounds(y, level);
                        centre = blue_centre(y, level, guess_r, guess_b, parameters[SLOPE * plane]);
                    }
                } else {
                    const int32_t *logistic = tables->logistic + s * (2 * REACH + 1);
                    int64_t rest = 65536 * y - WR * colour[0] - WB * colour[1];
                    levels = green_bounds(rest);
                    green = levels.low;
                    if (levels.low == levels.high)
                        break;
                    uint8_t scale = parameters[GREEN_SCALE * plane];
                    int64_t distance = green_distance(green, rest, parameters[GREEN * plane]);
                    int64_t border = share_of(logistic, distance * tables->inverse[256 * s + scale]) + 1;
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
EXPORT int64_t measure_colours(const Tile *given, const Tables *given_tables, int32_t *counts, int64_t pixels)
{
    const Tile of_ours = *given, *tile = &of_ours;
    const Tables tables_of_ours = *given_tables, *tables = &tables_of_ours;
    int64_t n = 0;
    for (int64_t i = 0; i < tile->height; i++)
        for (int64_t j = 0; j < tile->width; j++) {
            if (!AT2(uint8_t, &tile->chosen, i, j))
                continue;
            if (n == pixels)
                return -2;
            const uint8_t *parameters = &AT3(uint8_t, &tile->parameters, 0, i, j);
            const int64_t y = AT2(uint8_t, &tile->luma, i, j), plane = tile->parameters.stride[0];
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
                uint8_t scale = parameters[GREEN_SCALE * plane];
                int64_t distance = green_distance(levels.low, rest, parameters[GREEN * plane]);
                int32_t border = (int32_t)share_of(logistic, distance * tables->inverse[512 + scale]) + 1;
                of_green[0] = green == levels.high ? border : 0;
                of_green[1] = green == levels.high ? MASS + 2 : border;
                of_green[2] = MASS + 2;
            }
            int64_t centre = UNIT * y + guess_r, v = red;
            levels = (Bounds){tables->red_low[y], tables->red_high[y]};
            for (int s = 0; s < 2; s++) {
                const int32_t *logistic = tables->logistic + s * (2 * REACH + 1);
                int32_t *of_colour = counts + (n * SYMBOLS + s) * 3;
                Component components[K];
                for (int k = 0; k < K; k++)
                    components[k] = component_of(tables, parameters, plane, s, k, centre);
                const Counts found = counts_of(components, logistic, levels, v);
                of_colour[0] = (int32_t)found.before, of_colour[1] = (int32_t)found.after;
                of_colour[2] = (int32_t)found.total;
                levels = blue_bounds(y, red), v = blue;
                centre = blue_centre(y, red, guess_r, guess_b, parameters[SLOPE * plane]);
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
