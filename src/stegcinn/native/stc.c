/* Syndrome-trellis codes (Filler, Judas, Fridrich 2011): see coding/stc.py for the code and its layout. */
#include "native.h"

#if defined(__AVX2__) || defined(__SSE2__)
#include <immintrin.h>
#endif

enum {
    HEIGHT = 10, STATES = 1 << HEIGHT, WIDTH = 64, FIRST = 8, /* coding/stc.py */
    LANES = 16,                                                /* segments that run through one trellis side by side */
    NEVER = INT16_MAX                                          /* a price that no path has */
};

/* Where a block ends, and the next one starts. The first one is longer, as none before can help it. */
static int64_t end_of(int64_t block, int64_t length, int64_t size)
{
    int64_t first = within(length - size, 0, FIRST);
    return block < 0 ? 0 : first + (block + 1) * (length - first) / size;
}

/* How many of a segment's bits have prices of their own: of a wide block, columns that are alike share the cheapest. */
static int64_t steps_of(int64_t length, int64_t size)
{
    int64_t steps = 0;
    for (int64_t block = 0; block < size; block++)
        steps += at_most(end_of(block, length, size) - end_of(block - 1, length, size), WIDTH);
    return steps;
}

/* bits (segments, length) uint8 0 or 1, columns (WIDTH,) int32 -> out (segments, size) uint8. */
EXPORT void stc_decode(const uint8_t *bits, int64_t segments, int64_t length, const int32_t *columns, int64_t size,
                       uint8_t *out)
{
    for (int64_t segment = 0; segment < segments; segment++) {
        uint32_t carried = 0;
        int64_t end = 0;
        for (int64_t block = 0; block < size; block++) {
            int64_t start = end;
            end = end_of(block, length, size);
            for (int64_t k = start; k < end; k++)
                carried ^= bits[segment * length + k] ? (uint32_t)columns[(k - start) % WIDTH] : 0;
            out[segment * size + block] = carried & 1;
            carried >>= 1;
        }
    }
}

/* The encoder's memory, in this order; `flipped` has a bit for each state and lane of a step. */
typedef struct {
    uint32_t *flipped;  /* (steps, STATES / 2) */
    int32_t *cheapest;  /* (steps, LANES): the bit that a step flips */
    int16_t *weight;    /* (steps, LANES): what that costs */
    int16_t *wanted;    /* (size, LANES): the parities that are missing */
    int16_t *price;     /* (STATES, LANES) */
} Trellis;

static int64_t bytes_of(int64_t steps, int64_t size)
{
    return steps * (STATES / 2 * 4 + LANES * 4 + LANES * 2) + size * LANES * 2 + STATES * LANES * 2;
}

/* Bytes of memory that `stc_encode` needs. */
EXPORT int64_t stc_memory(int64_t length, int64_t size) { return bytes_of(steps_of(length, size), size); }

/* One bit's step through all states, all lanes at a time, in place.
 *
 * A flip leads from each state to one other and back, as columns are odd: an entry of `flipped` tells of both. Its bits
 * are those of eight lanes of the even state, of eight of the odd one, and the same for the other eight lanes.
 */
static void step_through(int16_t *restrict price, const int16_t *restrict weight, uint32_t *restrict flipped,
                         uint32_t column)
{
#if defined(__AVX2__)
    const __m256i w = _mm256_loadu_si256((const __m256i *)weight);
    for (uint32_t half = 0; half < STATES / 2; half++) {
        int16_t *even = price + LANES * (2 * half), *odd = price + LANES * ((2 * half) ^ column);
        __m256i e = _mm256_loadu_si256((const __m256i *)even), o = _mm256_loadu_si256((const __m256i *)odd);
        __m256i to_e = _mm256_adds_epi16(o, w), to_o = _mm256_adds_epi16(e, w);
        __m256i in_e = _mm256_cmpgt_epi16(e, to_e), in_o = _mm256_cmpgt_epi16(o, to_o);
        _mm256_storeu_si256((__m256i *)even, _mm256_min_epi16(e, to_e));
        _mm256_storeu_si256((__m256i *)odd, _mm256_min_epi16(o, to_o));
        flipped[half] = (uint32_t)_mm256_movemask_epi8(_mm256_packs_epi16(in_e, in_o));
    }
#elif defined(__SSE2__)
    for (uint32_t half = 0; half < STATES / 2; half++) {
        uint32_t found = 0;
        for (int part = 0; part < 2; part++) {
            const __m128i w = _mm_loadu_si128((const __m128i *)(weight + 8 * part));
            int16_t *even = price + LANES * (2 * half) + 8 * part;
            int16_t *odd = price + LANES * ((2 * half) ^ column) + 8 * part;
            __m128i e = _mm_loadu_si128((const __m128i *)even), o = _mm_loadu_si128((const __m128i *)odd);
            __m128i to_e = _mm_adds_epi16(o, w), to_o = _mm_adds_epi16(e, w);
            __m128i in_e = _mm_cmpgt_epi16(e, to_e), in_o = _mm_cmpgt_epi16(o, to_o);
            _mm_storeu_si128((__m128i *)even, _mm_min_epi16(e, to_e));
            _mm_storeu_si128((__m128i *)odd, _mm_min_epi16(o, to_o));
            found |= (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(in_e, in_o)) << 16 * part;
        }
        flipped[half] = found;
    }
#else
    static const uint32_t bit_of[LANES] = {1u << 0,  1u << 1,  1u << 2,  1u << 3,  1u << 4,  1u << 5,
                                           1u << 6,  1u << 7,  1u << 16, 1u << 17, 1u << 18, 1u << 19,
                                           1u << 20, 1u << 21, 1u << 22, 1u << 23};
    for (uint32_t half = 0; half < STATES / 2; half++) {
        int16_t *even = price + LANES * (2 * half), *odd = price + LANES * ((2 * half) ^ column);
        int16_t e[LANES], o[LANES];
        uint32_t bits[LANES], found = 0;
        memcpy(e, even, sizeof e);
        memcpy(o, odd, sizeof o);
        for (int lane = 0; lane < LANES; lane++) {
            int32_t to_e = o[lane] + weight[lane], to_o = e[lane] + weight[lane];
            to_e = to_e > NEVER ? NEVER : to_e;
            to_o = to_o > NEVER ? NEVER : to_o;
            bits[lane] = (to_e < e[lane] ? bit_of[lane] : 0) | (to_o < o[lane] ? bit_of[lane] << 8 : 0);
            even[lane] = (int16_t)(to_e < e[lane] ? to_e : e[lane]);
            odd[lane] = (int16_t)(to_o < o[lane] ? to_o : o[lane]);
        }
        for (int lane = 0; lane < LANES; lane++)
            found |= bits[lane];
        flipped[half] = found;
    }
#endif
}

/* Where `step_through` keeps whether the state of this parity was reached by a flip. */
static inline int place_of(int lane, int odd) { return (lane & 7) + 8 * odd + 16 * (lane >> 3); }

/* At the end of a block only states whose lowest bit is the wanted one go on, without it; in place.
 *
 * `least` (LANES,) is taken off all prices, and then becomes the least one that is left.
 */
static void end_block(int16_t *restrict price, const int16_t *restrict wanted, int16_t *restrict least)
{
    int16_t found[LANES];
    for (int lane = 0; lane < LANES; lane++)
        found[lane] = NEVER;
    for (int state = 0; state < STATES / 2; state++) {
        int16_t pair[2 * LANES], kept[LANES];
        memcpy(pair, price + 2 * LANES * state, sizeof pair); /* the row that is written may be one of these */
        for (int lane = 0; lane < LANES; lane++) {
            int16_t chosen = wanted[lane] ? pair[LANES + lane] : pair[lane];
            kept[lane] = chosen == NEVER ? NEVER : (int16_t)(chosen - least[lane]);
            found[lane] = kept[lane] < found[lane] ? kept[lane] : found[lane];
        }
        memcpy(price + LANES * state, kept, sizeof kept);
    }
    for (int at = LANES * STATES / 2; at < LANES * STATES; at++)
        price[at] = NEVER;
    memcpy(least, found, sizeof found);
}

/* Flip bits (lanes, length) uint8 0 or 1, in place, so that they carry targets (lanes, size) uint8 at the least cost.
 *
 * costs (lanes, length) int16: of flipping each, 0 to 80 * 32, or NEVER. columns (WIDTH,) int32, all odd and below
 * STATES. memory: `stc_memory(length, size)` bytes. 1, or 0 if some target is out of reach; -1 if the memory is of
 * another size or not aligned to four, or if there are more than LANES lanes.
 */
EXPORT int64_t stc_encode(uint8_t *bits, const int16_t *costs, const uint8_t *targets, int64_t lanes, int64_t length,
                      int64_t size, const int32_t *columns, void *memory, int64_t bytes)
{
    const int64_t steps = steps_of(length, size);
    if (bytes != bytes_of(steps, size) || (uintptr_t)memory % 4 || lanes > LANES)
        return -1;
    Trellis t;
    t.flipped = (uint32_t *)memory;
    t.cheapest = (int32_t *)(t.flipped + steps * (STATES / 2));
    t.weight = (int16_t *)(t.cheapest + steps * LANES);
    t.wanted = t.weight + steps * LANES;
    t.price = t.wanted + size * LANES;
    for (int64_t at = 0; at < steps * LANES; at++)
        t.weight[at] = NEVER;
    memset(t.cheapest, 0, (size_t)(steps * LANES) * sizeof *t.cheapest);
    memset(t.wanted, 0, (size_t)(size * LANES) * sizeof *t.wanted);
    for (int64_t lane = 0; lane < lanes; lane++) {
        int64_t step = 0, end = 0;
        uint32_t carried = 0;
        for (int64_t block = 0; block < size; block++) {
            int64_t start = end;
            end = end_of(block, length, size);
            for (int64_t k = start; k < end; k++) {
                int64_t place = (k - start) % WIDTH, at = (step + place) * LANES + lane;
                if (bits[lane * length + k])
                    carried ^= (uint32_t)columns[place];
                if (costs[lane * length + k] < t.weight[at]) {
                    t.weight[at] = costs[lane * length + k];
                    t.cheapest[at] = (int32_t)k;
                }
            }
            t.wanted[block * LANES + lane] = (int16_t)((carried ^ targets[lane * size + block]) & 1);
            carried >>= 1;
            step += at_most(end - start, WIDTH);
        }
    }
    int16_t least[LANES] = {0};
    for (int at = 0; at < STATES * LANES; at++)
        t.price[at] = at < LANES ? 0 : NEVER;
    int64_t step = 0;
    for (int64_t block = 0; block < size; block++) {
        int64_t width = at_most(end_of(block, length, size) - end_of(block - 1, length, size), WIDTH);
        for (int64_t place = 0; place < width; place++, step++)
            step_through(t.price, t.weight + step * LANES, t.flipped + step * (STATES / 2), (uint32_t)columns[place]);
        end_block(t.price, t.wanted + block * LANES, least);
        for (int64_t lane = 0; lane < lanes; lane++)
            if (least[lane] == NEVER)
                return 0;
    }
    uint32_t states[LANES] = {0};
    for (int64_t lane = 0; lane < lanes; lane++)
        for (uint32_t state = 0; state < STATES / 2; state++)
            if (t.price[state * LANES + lane] < t.price[states[lane] * LANES + lane])
                states[lane] = state;
    /* All lanes go back together: each waits for memory at every step. */
    for (int64_t block = size - 1; block >= 0; block--) {
        int64_t width = at_most(end_of(block, length, size) - end_of(block - 1, length, size), WIDTH);
        for (int64_t lane = 0; lane < lanes; lane++)
            states[lane] = 2 * states[lane] + (uint32_t)t.wanted[block * LANES + lane];
        for (int64_t place = width - 1; place >= 0; place--) {
            step--;
            for (int64_t lane = 0; lane < lanes; lane++) {
                uint32_t odd = states[lane] & 1, other = states[lane] ^ (uint32_t)columns[place];
                uint32_t entry = t.flipped[step * (STATES / 2) + ((odd ? other : states[lane]) >> 1)];
                if (entry >> place_of((int)lane, (int)odd) & 1) {
                    bits[lane * length + t.cheapest[step * LANES + lane]] ^= 1;
                    states[lane] = other;
                }
            }
        }
    }
    return 1;
}
