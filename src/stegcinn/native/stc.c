/* Syndrome-trellis codes (Filler, Judas, Fridrich 2011): see coding/stc.py for the code and its layout. */
#include "native.h"

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

enum {
    HEIGHT = 10, STATES = 1 << HEIGHT, WIDTH = 64, FIRST = 8, /* coding/stc.py */
    LANES = 16,                                                /* segments that run through one trellis side by side */
    NEVER = INT16_MAX,                                         /* a price that no path has */
    GROUP = 16, WORDS = STATES / GROUP /* pairs of states whose flips make a word, and words of a step in each lane */
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

/* What a block's bits (count,) add to the parities; no branch on them, which would be guessed wrong half of the time. */
static uint32_t parities_of(const uint8_t *bits, int64_t count, const int32_t *columns)
{
    uint32_t found = 0;
    for (int64_t k = 0; k < count; k += WIDTH)
        for (int64_t place = 0; place < at_most(count - k, WIDTH); place++)
            found ^= (uint32_t)columns[place] & -(uint32_t)(bits[k + place] & 1);
    return found;
}

/* bits (segments, length) uint8 0 or 1, columns (WIDTH,) int32 -> out (segments, size) uint8. */
EXPORT void stc_decode(const uint8_t *bits, int64_t segments, int64_t length, const int32_t *columns, int64_t size,
                       uint8_t *out)
{
    for (int64_t first = 0; first < segments; first += LANES) { /* together, as they are cut alike */
        const int64_t last = at_most(first + LANES, segments);
        uint32_t carried[LANES] = {0};
        int64_t end = 0;
        for (int64_t block = 0; block < size; block++) {
            const int64_t start = end;
            end = end_of(block, length, size);
            for (int64_t segment = first; segment < last; segment++) {
                uint32_t *parities = carried + segment - first;
                *parities ^= parities_of(bits + segment * length + start, end - start, columns);
                out[segment * size + block] = *parities & 1;
                *parities >>= 1;
            }
        }
    }
}

/* The encoder's memory, in this order. `flipped` tells whether a step's state was reached by a flip: words of GROUP even
 * states, each followed by one of the odd states that belong to them, first the lowest bit. */
typedef struct {
    uint16_t *flipped;  /* (steps, WORDS, LANES) */
    int32_t *cheapest;  /* (steps, LANES): the bit that a step flips */
    int16_t *weight;    /* (steps, LANES): what that costs */
    int16_t *wanted;    /* (size, LANES): the parities that are missing */
} Trellis;

static int64_t bytes_of(int64_t steps, int64_t size)
{
    return steps * (WORDS * LANES * 2 + LANES * 4 + LANES * 2) + size * LANES * 2;
}

/* Bytes of memory that `stc_encode` needs. */
EXPORT int64_t stc_memory(int64_t length, int64_t size) { return bytes_of(steps_of(length, size), size); }

/* Prices of lanes that fit a register, as vectors of GCC and Clang; comparisons give -1 where they hold, else 0.
 *
 * What C has no vectors for: sums that are NEVER at most, the lesser of two, and words that lose their lowest bit and get
 * the one of a comparison as highest. (Rounded up, that is the average with 0 or 65535 while the lowest bit is 0.)
 */
#if defined(__AVX2__)
enum { PART = 16 };
#else
enum { PART = 8 };
#endif
typedef int16_t Part __attribute__((vector_size(2 * PART), aligned(2), may_alias));
#if defined(__AVX2__)
static inline Part sum(Part a, Part b) { return (Part)_mm256_adds_epi16((__m256i)a, (__m256i)b); }
static inline Part lesser(Part a, Part b) { return (Part)_mm256_min_epi16((__m256i)a, (__m256i)b); }
static inline Part with_bit(Part word, Part bit) { return (Part)_mm256_avg_epu16((__m256i)word, (__m256i)bit); }
#elif defined(__SSE2__)
static inline Part sum(Part a, Part b) { return (Part)_mm_adds_epi16((__m128i)a, (__m128i)b); }
static inline Part lesser(Part a, Part b) { return (Part)_mm_min_epi16((__m128i)a, (__m128i)b); }
static inline Part with_bit(Part word, Part bit) { return (Part)_mm_avg_epu16((__m128i)word, (__m128i)bit); }
#elif defined(__ARM_NEON)
static inline Part sum(Part a, Part b) { return (Part)vqaddq_s16((int16x8_t)a, (int16x8_t)b); }
static inline Part lesser(Part a, Part b) { return (Part)vminq_s16((int16x8_t)a, (int16x8_t)b); }
static inline Part with_bit(Part word, Part bit) { return (Part)vrhaddq_u16((uint16x8_t)word, (uint16x8_t)bit); }
#else
static inline Part lesser(Part a, Part b) { return a ^ ((a ^ b) & (Part)(b < a)); }
static inline Part sum(Part a, Part b) { return a + lesser(b, NEVER - a); }
static inline Part with_bit(Part word, Part bit) { return (word >> 1 & NEVER) | (bit & ~(Part){0} << 15); }
#endif

/* One bit's step through all states of a part of the lanes, in place: price (STATES, LANES), flipped (WORDS, LANES).
 *
 * Each state keeps its price or takes another one's with a flip, whichever is less. A flip leads from each state to one
 * other and back; from even ones to odd ones, as columns are odd.
 */
static void step_through(int16_t *price, const int16_t *weight, uint16_t *flipped, uint32_t column)
{
    const Part w = *(const Part *)weight;
    for (uint32_t state = 0; state < STATES; flipped += 2 * LANES) {
        Part of_even = {0}, of_odd = {0};
        for (int pair = 0; pair < GROUP; pair++, state += 2) {
            Part *even = (Part *)(price + LANES * state), *odd = (Part *)(price + LANES * (state ^ column));
            const Part e = *even, o = *odd, new_e = lesser(e, sum(o, w)), new_o = lesser(o, sum(e, w));
            *even = new_e, *odd = new_o;
            of_even = with_bit(of_even, (Part)(new_e < e)), of_odd = with_bit(of_odd, (Part)(new_o < o));
        }
        *(Part *)flipped = of_even, *(Part *)(flipped + LANES) = of_odd;
    }
}

/* Whether a step reached `state` by a flip: flipped (WORDS, LANES). */
static bool was_flipped(const uint16_t *flipped, uint32_t state, uint32_t column, int64_t lane)
{
    const uint32_t odd = state & 1, pair = (odd ? state ^ column : state) / 2;
    return flipped[LANES * (2 * (pair / GROUP) + odd) + lane] >> pair % GROUP & 1;
}

/* At the end of a block only states whose lowest bit is the wanted one go on, without it; a part of the lanes, in place.
 *
 * `least` is taken off all prices, and then becomes the least one that is left.
 */
static void end_block(int16_t *price, const int16_t *wanted, int16_t *least)
{
    const Part never = (Part){0} + NEVER, odd = -*(const Part *)wanted, less = *(const Part *)least;
    Part found = never;
    for (int state = 0; state < STATES / 2; state++) {
        const Part *pair = (const Part *)(price + 2 * LANES * state), zero = pair[0], one = pair[LANES / PART];
        Part kept = (odd & one) | (~odd & zero);
        kept -= less & (Part)(kept != never);
        *(Part *)(price + LANES * state) = kept;
        found = lesser(found, kept);
    }
    for (int state = STATES / 2; state < STATES; state++)
        *(Part *)(price + LANES * state) = never;
    *(Part *)least = found;
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
    t.flipped = (uint16_t *)memory;
    t.cheapest = (int32_t *)(void *)(t.flipped + steps * WORDS * LANES);
    t.weight = (int16_t *)(t.cheapest + steps * LANES);
    t.wanted = t.weight + steps * LANES;
    for (int64_t at = 0; at < steps * LANES; at++)
        t.weight[at] = NEVER;
    memset(t.cheapest, 0, (size_t)(steps * LANES) * sizeof *t.cheapest);
    memset(t.wanted, 0, (size_t)(size * LANES) * sizeof *t.wanted);
    for (int64_t lane = 0; lane < lanes; lane++) {
        int64_t step = 0, end = 0;
        uint32_t carried = 0;
        for (int64_t block = 0; block < size; block++) {
            int64_t start = end, place = 0;
            end = end_of(block, length, size);
            for (int64_t k = start; k < end; k++, place = place + 1 < WIDTH ? place + 1 : 0) {
                const int64_t at = (step + place) * LANES + lane;
                const int16_t cost = costs[lane * length + k];
                t.cheapest[at] = cost < t.weight[at] ? (int32_t)k : t.cheapest[at];
                t.weight[at] = cost < t.weight[at] ? cost : t.weight[at];
            }
            carried ^= parities_of(bits + lane * length + start, end - start, columns);
            t.wanted[block * LANES + lane] = (int16_t)((carried ^ targets[lane * size + block]) & 1);
            carried >>= 1;
            step += at_most(end - start, WIDTH);
        }
    }
    _Alignas(64) int16_t price[STATES * LANES]; /* a cache line each two states */
    int16_t least[LANES] = {0};
    for (int at = 0; at < STATES * LANES; at++)
        price[at] = at < LANES ? 0 : NEVER;
    int64_t step = 0;
    for (int64_t block = 0; block < size; block++) {
        int64_t width = at_most(end_of(block, length, size) - end_of(block - 1, length, size), WIDTH);
        for (int part = 0; part < LANES; part += PART) {
            for (int64_t place = 0; place < width; place++)
                step_through(price + part, t.weight + (step + place) * LANES + part,
                             t.flipped + (step + place) * WORDS * LANES + part, (uint32_t)columns[place]);
            end_block(price + part, t.wanted + block * LANES + part, least + part);
        }
        step += width;
        for (int64_t lane = 0; lane < lanes; lane++)
            if (least[lane] == NEVER)
                return 0;
    }
    uint32_t states[LANES] = {0};
    for (int64_t lane = 0; lane < lanes; lane++)
        for (uint32_t state = 0; state < STATES / 2; state++)
            if (price[state * LANES + lane] < price[states[lane] * LANES + lane])
                states[lane] = state;
    /* All lanes go back together: each waits for memory at every step. */
    for (int64_t block = size - 1; block >= 0; block--) {
        int64_t width = at_most(end_of(block, length, size) - end_of(block - 1, length, size), WIDTH);
        for (int64_t lane = 0; lane < lanes; lane++)
            states[lane] = 2 * states[lane] + (uint32_t)t.wanted[block * LANES + lane];
        for (int64_t place = width - 1; place >= 0; place--) {
            step--;
            for (int64_t lane = 0; lane < lanes; lane++)
                if (was_flipped(t.flipped + step * WORDS * LANES, states[lane], (uint32_t)columns[place], lane)) {
                    bits[lane * length + t.cheapest[step * LANES + lane]] ^= 1;
                    states[lane] ^= (uint32_t)columns[place];
                }
        }
    }
    return 1;
}
