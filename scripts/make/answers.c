/* What the codes compute of made-up input, as one number: receivers' loops have to agree on all processors.
 *
 * scripts/make/wheels.py compiles it, with the loops, for another processor and for this one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "native.h"

enum { SIDE = 96, PIXELS = SIDE * SIDE, ROUNDS = 24, LONGEST = 5000, ENTRIES = 2 * REACH + 1, COLUMNS = 64 };

int64_t stc_memory(int64_t, int64_t);
int64_t stc_encode(uint8_t *, const int16_t *, const uint8_t *, int64_t, int64_t, int64_t, const int32_t *, void *,
                   int64_t);
void stc_decode(const uint8_t *, int64_t, int64_t, const int32_t *, int64_t, uint8_t *);

typedef struct {
    View parameters, guess_r, guess_b, luma, chosen, rgb;
    int64_t height, width;
} Tile;

typedef struct {
    const int32_t *logistic;
    const int64_t *inverse, *weights;
    const int32_t *red_low, *red_high;
    const double *quantile, *scale;
} Tables;

void draw_colours(const Tile *, const Tables *, const uint8_t *, int64_t, uint64_t *);
int64_t measure_colours(const Tile *, const Tables *, int32_t *, int64_t);
int64_t encode_counts(const int32_t *, int64_t, uint8_t *, int64_t, uint64_t *);

static uint64_t seed = 1, digest = 14695981039346656037u;

static uint32_t chance(uint32_t below) /* Knuth's generator */
{
    seed = 6364136223846793005u * seed + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static void add(const void *data, size_t size) /* FNV-1a */
{
    for (size_t i = 0; i < size; i++)
        digest = (digest ^ ((const uint8_t *)data)[i]) * 1099511628211u;
}

static void run_stc(void)
{
    static uint8_t bits[16 * LONGEST], targets[16 * LONGEST], read[16 * LONGEST];
    static int16_t costs[16 * LONGEST];
    int32_t columns[COLUMNS];
    for (int i = 0; i < COLUMNS; i++)
        columns[i] = (int32_t)(512 | chance(256) << 1 | 1);
    for (int round = 0; round < ROUNDS; round++) {
        const int64_t lanes = 1 + chance(16), length = chance(LONGEST), size = 1 + chance(400);
        for (int64_t i = 0; i < lanes * length; i++)
            bits[i] = (uint8_t)chance(2), costs[i] = (int16_t)(chance(5) ? chance(2561) : INT16_MAX);
        for (int64_t i = 0; i < lanes * size; i++)
            targets[i] = (uint8_t)chance(2);
        const int64_t bytes = stc_memory(length, size);
        void *memory = malloc((size_t)bytes);
        const int64_t found = stc_encode(bits, costs, targets, lanes, length, size, columns, memory, bytes);
        free(memory);
        stc_decode(bits, lanes, length, columns, size, read);
        if (found > 0 && memcmp(read, targets, (size_t)(lanes * size)))
            exit(1);
        add(&found, sizeof found), add(bits, (size_t)(lanes * length)), add(read, (size_t)(lanes * size));
    }
}

static void run_coder(void)
{
    static int32_t logistic[SYMBOLS * ENTRIES], low[256], high[256], counts[PIXELS * SYMBOLS * 3];
    static int64_t inverse[SYMBOLS * 256], weights[256];
    static double quantile[SYMBOLS * 256], scale[SYMBOLS * 256];
    static uint8_t parameters[PIXELS * PARAMETERS], luma[PIXELS], rgb[PIXELS * 3], chosen[PIXELS], message[PIXELS * 2];
    static uint8_t out[PIXELS * 12];
    static int16_t guesses[2][PIXELS];
    for (int i = 0; i < SYMBOLS * ENTRIES; i++)
        logistic[i] = (int32_t)((int64_t)MASS * (i % ENTRIES) / (ENTRIES - 1));
    for (int i = 0; i < SYMBOLS * 256; i++) {
        inverse[i] = 1100000 / (1 + i % 256 * (i % 256) / 40);
        scale[i] = 1024.0 / (double)inverse[i], quantile[i] = (i % 256 - 127.5) * REACH / 128;
    }
    for (int64_t y = 0; y < 256; y++) {
        weights[y] = 1 + y * y / 16;
        low[y] = (int32_t)at_least(-divided(WG * 255 + WB * 255 + 32768 - 65536 * y, WR), 0);
        high[y] = (int32_t)at_most((65536 * y + 32767) / WR, 255);
    }
    for (int i = 0; i < PIXELS * PARAMETERS; i++)
        parameters[i] = (uint8_t)(i % 5 ? 108 + chance(40) : chance(256));
    for (int i = 0; i < PIXELS; i++) {
        guesses[0][i] = (int16_t)((int)chance(601) - 300), guesses[1][i] = (int16_t)((int)chance(65536) - 32768);
        luma[i] = (uint8_t)chance(256), chosen[i] = chance(8) > 0;
    }
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)chance(256);
    const Tile tile = {
        {(char *)parameters, {1, SIDE * PARAMETERS, PARAMETERS}}, {(char *)guesses[0], {2 * SIDE, 2, 0}},
        {(char *)guesses[1], {2 * SIDE, 2, 0}}, {(char *)luma, {SIDE, 1, 0}}, {(char *)chosen, {SIDE, 1, 0}},
        {(char *)rgb, {3 * SIDE, 3, 1}}, SIDE, SIDE,
    };
    const Tables tables = {logistic, inverse, weights, low, high, quantile, scale};
    uint64_t drawn[3] = {0, UINT64_MAX, 8}, coded[3] = {0, UINT64_MAX, 0};
    for (int i = 0; i < 8; i++)
        drawn[0] = drawn[0] << 8 | message[i];
    draw_colours(&tile, &tables, message, sizeof message, drawn);
    const int64_t pixels = measure_colours(&tile, &tables, counts, PIXELS);
    if (pixels < 0 || encode_counts(counts, pixels, out, sizeof out, coded) || coded[2] != drawn[2] - 8)
        exit(2);
    if (memcmp(out, message, coded[2] - 8))
        exit(3);
    add(rgb, sizeof rgb), add(counts, (size_t)pixels * sizeof *counts * SYMBOLS * 3), add(out, coded[2]);
}

int main(void)
{
    run_stc();
    run_coder();
    printf("%016" PRIx64 "\n", digest);
    return 0;
}
