/* Entropy-coded segments of JPEG files: ITU-T T.81, annexes F (sequential) and G (progressive), Huffman coding.
 *
 * One walk through a scan does one of three tasks: it decodes the scan's part of the coefficients, it writes the scan
 * again for other coefficients, or it tells which coefficients may change by one with the codes there are.
 *
 * A scan is made of units: a block, or in AC scans of progressive files a block with the run of blocks that its EOB
 * code ends. A unit whose coefficients stay is copied bit by bit, so that an encoder's habits stay too; others are
 * coded anew.
 *
 * Blocks are 64 int16 in natural order: 8 v + u, where u is the horizontal frequency. Tables, scans and blocks of a
 * forged file reach these loops as they are.
 */

#include "native.h"

enum { CUT_SHORT = -1, DAMAGED = -2, FULL = -3, WRONG = -4 }; /* what is returned: the data, no room, the arguments */
enum {
    BLOCK = 64,
    SYMBOLS_MAX = 256,
    COUNTS = 16,    /* numbers before the symbols of a table, as in a DHT segment: of the codes of 1..16 bits */
    LOOK = 10,      /* bits of codes that one look decodes */
    SLACK = 512,    /* bytes after the data: a block takes at most 64 codes of 16 + 15 bits before it is checked */
    VALUE_MAX = 15, /* bits of a value */
    ZRL = 0xF0,     /* sixteen zeros */
    RUNS_MAX = 14,  /* the largest n of EOBn */
    SIDE_MAX = 65535,
    PLUS = 1,       /* the coefficient may grow by one */
    MINUS = 2       /* the coefficient may fall by one */
};

typedef struct {
    int16_t *blocks;       /* (rows, columns, BLOCK): decoded into, or as the whole file has them */
    const int16_t *wanted; /* the same, as they shall be; NULL but to recode */
    uint8_t *moves;        /* the same, or NULL: PLUS and MINUS are taken away where codes lack */
    int64_t rows, columns; /* in blocks, with the padding of MCUs */
    int64_t visible_rows, visible_columns;
    int64_t h, v;      /* sampling factors */
    const uint8_t *dc; /* COUNTS numbers and SYMBOLS_MAX symbols; NULL where the scan needs none */
    const uint8_t *ac;
} Component;

typedef struct {
    Component components[3];
    int64_t count, mcu_rows, mcu_columns;
    int64_t restart;                             /* interval in MCUs, or 0 */
    int64_t progressive, first, last, high, low; /* Ss, Se, Ah, Al; 0, 63, 0, 0 in sequential files */
    const uint8_t *data;                         /* entropy-coded segments with their restart markers */
    int64_t size;
    uint8_t *scratch; /* size + SLACK bytes */
    int64_t scratch_size;
    uint8_t *out; /* for the scan written anew */
    int64_t out_size;
    int32_t *places; /* (places_size, 3): component, row, column of changed blocks that lack codes */
    int64_t places_size;
    int64_t places_count; /* how many there are */
    uint8_t *lacking;     /* (3, 2, SYMBOLS_MAX), by component, DC or AC, symbol: 1 where its code lacks */
} Scan;

static const uint8_t NATURAL[BLOCK] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
    41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
    30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
};

/* -- tables */

typedef struct {
    uint16_t look[1 << LOOK]; /* length << 8 | symbol of the code that begins so, 0 if it is longer */
    int32_t limit[COUNTS + 1], offset[COUNTS + 1];
    uint8_t symbols[SYMBOLS_MAX];
    uint16_t code[SYMBOLS_MAX];
    uint8_t length[SYMBOLS_MAX]; /* 0: there is no code */
    int64_t shortest_run;        /* of blocks that an EOB code can stand for, or INT64_MAX */
} Table;

/* A table for both directions (annex C); false if the definition has more codes than there can be. */
static bool make_table(Table *t, const uint8_t *definition, int runs)
{
    memset(t, 0, sizeof *t);
    int32_t code = 0, index = 0;
    for (int length = 1; length <= COUNTS; length++, code <<= 1) {
        int32_t count = definition[length - 1];
        if (index + count > SYMBOLS_MAX || code + count > 1 << length)
            return false;
        t->offset[length] = index - code;
        for (; count; count--, code++, index++) {
            uint8_t symbol = definition[COUNTS + index];
            t->symbols[index] = symbol;
            if (!t->length[symbol]) {
                t->length[symbol] = (uint8_t)length;
                t->code[symbol] = (uint16_t)code;
            }
            for (int32_t i = 0; length <= LOOK && i < 1 << (LOOK - length); i++)
                t->look[(code << (LOOK - length)) + i] = (uint16_t)(length << 8 | symbol);
        }
        t->limit[length] = code << (COUNTS - length);
    }
    t->shortest_run = INT64_MAX;
    for (int n = runs; n >= 0; n--)
        if (t->length[n << 4])
            t->shortest_run = (int64_t)1 << n;
    return true;
}

/* The code at the head of `bits`: length << 8 | symbol, or 0 if there is none such. */
static inline int find_code(const Table *t, uint64_t bits)
{
    int found = t->look[bits >> (64 - LOOK)];
    if (found)
        return found;
    int32_t head = (int32_t)(bits >> (64 - COUNTS));
    for (int length = LOOK + 1; length <= COUNTS; length++)
        if (head < t->limit[length])
            return length << 8 | t->symbols[t->offset[length] + (head >> (COUNTS - length))];
    return 0;
}

/* -- numbers */

static inline int magnitude(int value) { return value < 0 ? -value : value; }

/* An AC coefficient without its `low` lowest bits: rounded to zero (G.1.2.2). DC ones are rounded down (G.1.2.1). */
static inline int truncated(int value, int low) { return value < 0 ? -(-value >> low) : value >> low; }

/* Bits that a magnitude takes (tables F.1 and F.2). */
static inline int size_of(int value)
{
    int size = 0;
    for (unsigned left = (unsigned)magnitude(value); left; left >>= 1)
        size++;
    return size;
}

/* The value of `size` bits at the head of `bits` (F.2.2.1, EXTEND). */
static inline int extended(uint64_t bits, int size)
{
    int value = (int)(bits >> (64 - size));
    return value >> (size - 1) ? value : value - (1 << size) + 1;
}

/* -- the Walk */

typedef enum { DECODE, RECODE, PRICE } Task;

typedef struct {
    const Scan *scan;
    Task task;
    int first, last, high, low;
    Table dc[3], ac[3];
    int64_t position, end;       /* bits of the scratch: read, and there */
    int dc_was[3], dc_wanted[3]; /* predictions, in the file and of what is wanted */
    int64_t before[3];           /* the block a prediction comes from, or -1 */
    int64_t copied;              /* bits of the scratch that are written */
    uint64_t bits;               /* to be written, bit_count of them */
    int bit_count;
    int64_t written, places;
    bool full;    /* there is no more room */
    bool changed; /* a unit of this interval */
    bool lacks;   /* a code for this unit */
} Walk;

/* At least 57 bits of the scratch from a position on, at the head of a word. */
static inline uint64_t peek(const Walk *w, int64_t position)
{
    const uint8_t *b = w->scan->scratch + (position >> 3);
    uint64_t word = (uint64_t)b[0] << 56 | (uint64_t)b[1] << 48 | (uint64_t)b[2] << 40 | (uint64_t)b[3] << 32 |
                    (uint64_t)b[4] << 24 | (uint64_t)b[5] << 16 | (uint64_t)b[6] << 8 | (uint64_t)b[7];
    return word << (position & 7);
}

static inline int read_bit(Walk *w)
{
    int64_t at = w->position++;
    return w->scan->scratch[at >> 3] >> (7 - (at & 7)) & 1;
}

/* Whether a block has no AC coefficients. */
static inline bool is_flat(const int16_t *block)
{
    unsigned any = 0;
    for (int k = 1; k < BLOCK; k++)
        any |= (uint16_t)block[k];
    return !any;
}

/* Where a block of a scan of one component is. */
static inline int64_t place_of(const Component *c, int64_t number)
{
    uint32_t row = (uint32_t)number / (uint32_t)c->visible_columns; /* two sides of 16 bits: the faster division */
    return number + row * (c->columns - c->visible_columns);
}

/* -- decoding: block is NULL where only positions matter */

static int read_dc(Walk *w, int n, int16_t *block)
{
    uint64_t bits = peek(w, w->position);
    int found = find_code(&w->dc[n], bits), length = found >> 8, size = found & 255;
    if (!found || size > VALUE_MAX)
        return DAMAGED;
    w->position += length + size;
    if (size)
        w->dc_was[n] += extended(bits << length, size);
    int value = w->dc_was[n] * (1 << w->low);
    if (magnitude(w->dc_was[n]) > INT16_MAX || magnitude(value) > INT16_MAX)
        return DAMAGED;
    if (block)
        block[0] = (int16_t)value;
    return 0;
}

/* The coefficients of a block; returns how many blocks end with it, which is 1 but for EOB runs. */
static inline int64_t read_band(Walk *w, const Table *t, int16_t *block, int k, int last, int low, int runs)
{
    while (k <= last) {
        uint64_t bits = peek(w, w->position);
        int found = find_code(t, bits), length = found >> 8, run = found >> 4 & 15, size = found & 15;
        if (!found)
            return DAMAGED;
        w->position += length;
        bits <<= length;
        if (size) {
            k += run;
            if (k > last || size + low > VALUE_MAX)
                return DAMAGED;
            w->position += size;
            if (block)
                block[NATURAL[k]] = (int16_t)(extended(bits, size) * (1 << low));
            k++;
        } else if (run == 15) {
            k += 16;
            if (k > last + 1)
                return DAMAGED;
        } else {
            if (run > runs)
                return DAMAGED;
            w->position += run;
            return run ? ((int64_t)1 << run) + (int64_t)(bits >> (64 - run)) : 1;
        }
    }
    return 1;
}

/* A correction bit for a coefficient that earlier scans found to be other than zero. */
static inline void read_correction(Walk *w, int16_t *coefficient, bool store)
{
    if (read_bit(w) && store)
        *coefficient = (int16_t)(*coefficient + (*coefficient < 0 ? -(1 << w->low) : 1 << w->low));
}

/* One bit more for the coefficients of a block (G.1.2.3); returns as read_band. */
static int64_t refine_band(Walk *w, int16_t *block, bool store)
{
    int k = w->first;
    while (k <= w->last) {
        uint64_t bits = peek(w, w->position);
        int found = find_code(&w->ac[0], bits), length = found >> 8, run = found >> 4 & 15, size = found & 15;
        if (!found || size > 1)
            return DAMAGED;
        w->position += length + size;
        bits <<= length;
        int value = bits >> 63 ? 1 << w->low : -(1 << w->low);
        if (!size && run < 15) {
            w->position += run;
            for (; k <= w->last; k++)
                if (magnitude(block[NATURAL[k]]) >> w->high)
                    read_correction(w, &block[NATURAL[k]], store);
            return run ? ((int64_t)1 << run) + (int64_t)(bits >> (64 - run)) : 1;
        }
        for (;; k++) { /* to the zero after `run` others */
            if (k > w->last)
                return DAMAGED;
            if (magnitude(block[NATURAL[k]]) >> w->high)
                read_correction(w, &block[NATURAL[k]], store);
            else if (run-- == 0)
                break;
        }
        if (size && store)
            block[NATURAL[k]] = (int16_t)value;
        k++;
    }
    return 1;
}

/* A unit of an AC scan, which begins with block `number` of `left`; returns how many blocks it has. */
static int64_t read_unit(Walk *w, int64_t number, int64_t left)
{
    const Component *c = &w->scan->components[0];
    bool store = w->task == DECODE;
    int16_t *block = c->blocks + BLOCK * place_of(c, number);
    int64_t count = w->high ? refine_band(w, block, store)
                            : read_band(w, &w->ac[0], store ? block : NULL, w->first, w->last, w->low, RUNS_MAX);
    if (count > left)
        return DAMAGED;
    for (int64_t i = 1; w->high && i < count && w->position <= w->end; i++) {
        block = c->blocks + BLOCK * place_of(c, number + i);
        for (int k = is_flat(block) ? BLOCK : w->first; k <= w->last; k++)
            if (magnitude(block[NATURAL[k]]) >> w->high)
                read_correction(w, &block[NATURAL[k]], store);
    }
    return count < 0 ? count : w->position > w->end ? CUT_SHORT : count;
}

/* -- writing */

static void put_byte(Walk *w, uint8_t byte)
{
    if (w->written < w->scan->out_size)
        w->scan->out[w->written++] = byte;
    else
        w->full = true;
}

/* Up to 32 bits, with a zero byte stuffed after each byte of ones (F.1.2.3). */
static void put_bits(Walk *w, uint32_t bits, int count)
{
    w->bits = w->bits << count | bits;
    w->bit_count += count;
    while (w->bit_count >= 8) {
        w->bit_count -= 8;
        uint8_t byte = (uint8_t)(w->bits >> w->bit_count);
        put_byte(w, byte);
        if (byte == 0xFF)
            put_byte(w, 0);
    }
}

/* Bytes as they are in the file, between whole bytes. */
static void put_raw(Walk *w, int64_t from, int64_t to)
{
    if (to - from > w->scan->out_size - w->written) {
        w->full = true;
        return;
    }
    memcpy(w->scan->out + w->written, w->scan->data + from, (size_t)(to - from));
    w->written += to - from;
}

/* What was read and not written, up to a position. */
static void copy_to(Walk *w, int64_t position)
{
    while (w->copied < position) {
        int count = position - w->copied < 32 ? (int)(position - w->copied) : 32;
        put_bits(w, (uint32_t)(peek(w, w->copied) >> (64 - count)), count);
        w->copied += count;
    }
}

/* A code, of which only that it lacks is noted if there is none, or none that may be read. */
static void put_symbol(Walk *w, int n, int is_ac, int symbol)
{
    const Table *t = is_ac ? &w->ac[n] : &w->dc[n];
    if (!t->length[symbol] || (!is_ac && symbol > VALUE_MAX)) {
        w->lacks = true;
        w->scan->lacking[(n * 2 + is_ac) * SYMBOLS_MAX + symbol] = 1;
    }
    put_bits(w, t->code[symbol], t->length[symbol]);
}

/* A symbol of a run of zeros and a size, and the value's bits (F.1.2.1, F.1.2.2). */
static void put_value(Walk *w, int n, int is_ac, int run, int value)
{
    int size = size_of(value);
    put_symbol(w, n, is_ac, run << 4 | size);
    put_bits(w, (uint32_t)(value < 0 ? value - 1 : value) & ((1u << size) - 1), size);
}

/* Correction bits of a block, from one coefficient to before another. */
static void put_corrections(Walk *w, const int16_t *block, int from, int to)
{
    for (int k = from; k < to; k++) {
        int rest = magnitude(block[NATURAL[k]]) >> w->low;
        if (rest > 1)
            put_bits(w, (uint32_t)rest & 1, 1);
    }
}

/* EOB codes for `count` blocks, the first of which ends before coefficient k, with the correction bits they bring.
 *
 * A table need not have all EOB codes. Any run of 2**s blocks or more can be made of EOBs, so the rest after a part is
 * kept as long as the shortest run.
 */
static void put_run(Walk *w, int64_t number, int k, int64_t count)
{
    const Table *t = &w->ac[0];
    const Component *c = &w->scan->components[0];
    int64_t shortest = t->shortest_run;
    while (count) {
        int size = RUNS_MAX;
        while (size && ((int64_t)1 << size > count || (!t->length[size << 4] && count >= shortest)))
            size--;
        int64_t part = count < ((int64_t)2 << size) ? count : ((int64_t)2 << size) - 1;
        if (part < count && count - part < shortest && count >= shortest)
            part -= shortest - (count - part);
        put_symbol(w, 0, 1, size << 4);
        put_bits(w, (uint32_t)(part - ((int64_t)1 << size)), size);
        for (int64_t i = 0; w->high && i < part; i++, number++, k = w->first)
            put_corrections(w, c->wanted + BLOCK * place_of(c, number), k, w->last + 1);
        count -= part;
    }
}

/* The coefficients of a block before its EOB; returns whether it has one. */
static bool put_band(Walk *w, int n, const int16_t *block, int first, int last)
{
    int run = 0;
    for (int k = first; k <= last; k++) {
        int value = truncated(block[NATURAL[k]], w->low);
        if (!value) {
            run++;
            continue;
        }
        for (; run > 15; run -= 16)
            put_symbol(w, n, 1, ZRL);
        put_value(w, n, 1, run, value);
        run = 0;
    }
    return run > 0;
}

/* The same of a refining scan, up to the last coefficient that it makes other than zero. */
static void put_refined(Walk *w, const int16_t *block, int newest)
{
    int run = 0, from = w->first; /* correction bits before this one are written */
    for (int k = w->first; k <= newest; k++) {
        int value = block[NATURAL[k]], rest = magnitude(value) >> w->low;
        if (!rest) {
            run++;
            continue;
        }
        for (; run > 15; run -= 16, from = k) {
            put_symbol(w, 0, 1, ZRL);
            put_corrections(w, block, from, k);
        }
        if (rest == 1) {
            put_symbol(w, 0, 1, run << 4 | 1);
            put_bits(w, value > 0, 1);
            put_corrections(w, block, from, k);
            from = k + 1;
            run = 0;
        }
    }
}

/* The last coefficient of a block's band that has a symbol in this scan, or -1. */
static int last_event(const Walk *w, const int16_t *block)
{
    for (int k = w->last; k >= w->first; k--) {
        int rest = magnitude(block[NATURAL[k]]) >> w->low;
        if (w->high ? rest == 1 : rest > 0)
            return k;
    }
    return -1;
}

/* A unit of an AC scan. */
static void put_unit(Walk *w, int64_t number, int64_t count)
{
    const Component *c = &w->scan->components[0];
    int64_t pending = 0, since = 0; /* blocks of an EOB run, and the first of them */
    int k = 0;                      /* where its run begins */
    for (int64_t i = number; i < number + count; i++) {
        const int16_t *block = c->wanted + BLOCK * place_of(c, i);
        int newest = last_event(w, block);
        if (newest >= 0) {
            put_run(w, since, k, pending);
            pending = 0;
            if (w->high)
                put_refined(w, block, newest);
            else
                put_band(w, 0, block, w->first, newest);
        }
        if (newest < w->last && !pending++) {
            since = i;
            k = newest < 0 ? w->first : newest + 1;
        }
    }
    put_run(w, since, k, pending);
}

static void report(Walk *w, int n, int64_t place)
{
    const Component *c = &w->scan->components[n];
    if (w->places < w->scan->places_size) {
        int32_t *at = w->scan->places + 3 * w->places;
        at[0] = n, at[1] = (int32_t)(place / c->columns), at[2] = (int32_t)(place % c->columns);
    }
    w->places++;
}

/* Whether this scan's part of two blocks differs. */
static bool differs(const Walk *w, const int16_t *a, const int16_t *b)
{
    if (memcmp(a, b, BLOCK * sizeof *a) == 0)
        return false;
    for (int k = w->first; k <= w->last; k++) {
        int x = a[NATURAL[k]], y = b[NATURAL[k]];
        if (x != y && truncated(x, w->low) != truncated(y, w->low))
            return true;
    }
    return false;
}

/* A unit of an AC scan that was read from a position on: written again if it changed. */
static void recode_unit(Walk *w, int64_t start, int64_t number, int64_t count)
{
    const Component *c = &w->scan->components[0];
    bool changed = false;
    for (int64_t i = number; i < number + count && !changed; i++)
        changed = differs(w, c->blocks + BLOCK * place_of(c, i), c->wanted + BLOCK * place_of(c, i));
    if (!changed)
        return;
    w->changed = true;
    copy_to(w, start);
    put_unit(w, number, count);
    w->copied = w->position;
    for (int64_t i = number; w->lacks && i < number + count; i++) {
        int64_t place = place_of(c, i);
        if (differs(w, c->blocks + BLOCK * place, c->wanted + BLOCK * place))
            report(w, 0, place);
    }
    w->lacks = false;
}

/* The same for a block of a scan that has DC coefficients. */
static void recode_block(Walk *w, int64_t start, int n, int64_t place, int was_before)
{
    const Component *c = &w->scan->components[n];
    const int16_t *was = c->blocks + BLOCK * place, *wanted = c->wanted + BLOCK * place;
    int value = (int)shifted(wanted[0], w->low), step = value - w->dc_wanted[n], was_step = w->dc_was[n] - was_before;
    bool changed = w->high ? (((int)shifted(was[0], w->low) ^ value) & 1) : step != was_step;
    if (!w->scan->progressive)
        changed = changed || memcmp(was + 1, wanted + 1, (BLOCK - 1) * sizeof *was) != 0;
    w->dc_wanted[n] = value;
    if (!changed)
        return;
    w->changed = true;
    copy_to(w, start);
    if (w->high)
        put_bits(w, (uint32_t)value & 1, 1);
    else
        put_value(w, n, 0, 0, step);
    if (!w->scan->progressive && put_band(w, n, wanted, 1, BLOCK - 1))
        put_symbol(w, n, 1, 0);
    w->copied = w->position;
    if (w->lacks) {
        int64_t before = w->before[n];
        if (memcmp(was, wanted, BLOCK * sizeof *was) != 0)
            report(w, n, place);
        if (before >= 0 && c->blocks[BLOCK * before] != c->wanted[BLOCK * before])
            report(w, n, before);
    }
    w->lacks = false;
}

/* Ends an interval that was read from bytes `from` to `to` of the data: as it was if no unit changed.
 *
 * Whole bytes after the last unit stay. Padding is of the bits that the encoder pads with; ones if it had none to pad.
 */
static void finish_interval(Walk *w, int64_t from, int64_t to)
{
    if (!w->changed) {
        put_raw(w, from, to);
        return;
    }
    int64_t whole = (w->position + 7) & ~(int64_t)7;
    copy_to(w, w->position);
    uint32_t pad = whole > w->position ? (uint32_t)(peek(w, w->position) >> 63) : 1;
    if (((w->bit_count ^ w->position) & 7) == 0)
        copy_to(w, whole);
    while (w->bit_count)
        put_bits(w, pad, 1);
    w->copied = whole;
    copy_to(w, w->end);
}

/* -- which codes lack for changes by one */

static inline bool has_code(const Table *t, int run, int size)
{
    return size <= VALUE_MAX && t->length[(run & 15) << 4 | size] && (run < 16 || t->length[ZRL]);
}

static inline bool has_run(const Table *t, int64_t count) { return !count || count >= t->shortest_run; }

/* What a coefficient is to a scan: the size that its symbol has, 0 for a zero, -1 for a mere correction bit. */
static inline int kind_of(const Walk *w, int value)
{
    int rest = magnitude(value) >> w->low;
    return w->high ? (rest > 1 ? -1 : rest) : size_of(rest);
}

/* Block i of the `count` of a unit: takes the moves from it that need codes which lack.
 *
 * A change concerns the symbol of its coefficient, the one after it, whose run of zeros it cuts or joins, and the EOB
 * runs before and after it.
 */
static void price_band(const Walk *w, int n, int64_t place, int first, int last, int64_t i, int64_t count)
{
    const Component *c = &w->scan->components[n];
    const Table *t = &w->ac[n];
    const int16_t *block = c->blocks + BLOCK * place;
    if (w->low && is_flat(block)) /* one more or less has no bit in this scan */
        return;
    int kinds[BLOCK], zeros[BLOCK]; /* zeros since the symbol before */
    int run = 0, newest = -1, newer = -1;
    for (int k = first; k <= last; k++) {
        kinds[k] = kind_of(w, block[NATURAL[k]]);
        zeros[k] = run;
        run = kinds[k] > 0 ? 0 : run + (kinds[k] == 0);
        if (kinds[k] > 0)
            newer = newest, newest = k;
    }
    int next = 0; /* the size of the symbol after, and the zeros before it */
    run = 0;
    for (int k = last; k >= first; k--) {
        for (int move = PLUS; move <= MINUS; move++) {
            int kind = kind_of(w, block[NATURAL[k]] + (move == PLUS ? 1 : -1));
            if (kind == kinds[k])
                continue;
            int end = k == newest ? newer : newest; /* the last symbol there will be */
            if (kind > 0 && k > end)
                end = k;
            int64_t rest = count - i - 1 + (end < last);
            bool codable = end < 0 ? has_run(t, i + rest) : has_run(t, i) && has_run(t, rest);
            if (kind > 0)
                codable = codable && has_code(t, zeros[k], kind) && (!next || has_code(t, run, next));
            else if (next)
                codable = codable && has_code(t, zeros[k] + run + (kind == 0), next);
            if (!codable)
                c->moves[BLOCK * place + NATURAL[k]] &= (uint8_t)~move;
        }
        if (kinds[k] > 0)
            next = kinds[k], run = 0;
        else
            run += kinds[k] == 0;
    }
}

/* The DC coefficients of a block and of the one that predicts it, by the difference between them. */
static void price_dc(const Walk *w, int n, int64_t place, int step)
{
    const Component *c = &w->scan->components[n];
    for (int end = 0; end < 2; end++) {
        int64_t at = end ? place : w->before[n];
        if (at < 0)
            continue;
        int value = c->blocks[BLOCK * at];
        for (int move = PLUS; move <= MINUS; move++) {
            int by = (int)(shifted(value + (move == PLUS ? 1 : -1), w->low) - shifted(value, w->low));
            if (by && !has_code(&w->dc[n], 0, size_of(end ? step + by : step - by)))
                c->moves[BLOCK * at] &= (uint8_t)~move;
        }
    }
}

/* -- scans */

/* A block of a scan that has DC coefficients, and all coefficients in a sequential file. */
static int64_t walk_block(Walk *w, int n, int64_t place)
{
    const Component *c = &w->scan->components[n];
    int16_t *block = w->task == DECODE ? c->blocks + BLOCK * place : NULL;
    int64_t start = w->position, result = 0;
    int before = w->dc_was[n];
    if (!w->high)
        result = read_dc(w, n, block);
    else if (read_bit(w) && block)
        block[0] = (int16_t)(block[0] + (1 << w->low));
    if (result >= 0 && !w->scan->progressive)
        result = read_band(w, &w->ac[n], block, 1, BLOCK - 1, 0, 0);
    if (result < 0 || w->position > w->end)
        return result < 0 ? result : CUT_SHORT;
    if (w->task == RECODE)
        recode_block(w, start, n, place, before);
    if (w->task == PRICE && c->moves && !w->high)
        price_dc(w, n, place, w->dc_was[n] - before);
    if (w->task == PRICE && c->moves && !w->scan->progressive)
        price_band(w, n, place, 1, BLOCK - 1, 0, 1);
    w->before[n] = place;
    return 0;
}

/* MCUs from one to before another, of an AC scan. */
static int64_t walk_units(Walk *w, int64_t from, int64_t to)
{
    for (int64_t count; from < to; from += count) {
        int64_t start = w->position;
        count = read_unit(w, from, to - from);
        if (count < 0)
            return count;
        if (w->task == RECODE)
            recode_unit(w, start, from, count);
        const Component *c = &w->scan->components[0];
        for (int64_t i = 0; w->task == PRICE && c->moves && i < count; i++)
            price_band(w, 0, place_of(c, from + i), w->first, w->last, i, count);
    }
    return 0;
}

/* The same of other scans, in the order of A.2. */
static int64_t walk_mcus(Walk *w, int64_t from, int64_t to)
{
    const Scan *s = w->scan;
    int64_t result = 0;
    for (int64_t mcu = from; mcu < to && result >= 0; mcu++) {
        if (s->count == 1) {
            result = walk_block(w, 0, place_of(&s->components[0], mcu));
            continue;
        }
        int64_t row = mcu / s->mcu_columns, column = mcu % s->mcu_columns;
        for (int n = 0; n < s->count; n++) {
            const Component *c = &s->components[n];
            for (int64_t y = 0; y < c->v; y++)
                for (int64_t x = 0; x < c->h && result >= 0; x++)
                    result = walk_block(w, n, (row * c->v + y) * c->columns + column * c->h + x);
        }
    }
    return result;
}

/* Takes the stuffed zeros from the bytes of an interval; returns where it ends in the data. */
static int64_t unstuff(Walk *w, int64_t from)
{
    const Scan *s = w->scan;
    int64_t length = 0;
    while (from < s->size) {
        const uint8_t *ones = memchr(s->data + from, 0xFF, (size_t)(s->size - from));
        int64_t to = ones ? ones - s->data : s->size;
        bool stuffed = to + 1 < s->size && s->data[to + 1] == 0;
        int64_t count = to - from + stuffed;
        memcpy(s->scratch + length, s->data + from, (size_t)count);
        length += count;
        from = to + 2 * stuffed;
        if (!stuffed)
            break;
    }
    memset(s->scratch + length, 0, SLACK);
    w->end = 8 * length;
    w->position = w->copied = 0;
    return from;
}

/* Where the restart marker ends that the data has from a position on (B.1.1.2: fill bytes may come before it). */
static int64_t restart_marker(const Scan *s, int64_t from, int64_t number)
{
    int64_t at = from;
    while (at < s->size && s->data[at] == 0xFF)
        at++;
    if (at >= s->size)
        return CUT_SHORT;
    return at > from && s->data[at] == 0xD0 + number % 8 ? at + 1 : DAMAGED;
}

static int64_t walk_scan(Walk *w)
{
    const Scan *s = w->scan;
    const Component *c = &s->components[0];
    int64_t total = s->count == 1 ? c->visible_rows * c->visible_columns : s->mcu_rows * s->mcu_columns;
    int64_t step = s->restart ? s->restart : total, at = 0, number = 0;
    for (int64_t done = 0; done < total; done += step) {
        if (done) {
            int64_t marker = restart_marker(s, at, number++);
            if (marker < 0)
                return marker;
            if (w->task == RECODE)
                put_raw(w, at, marker);
            at = marker;
        }
        int64_t start = at, to = step < total - done ? done + step : total;
        at = unstuff(w, start);
        w->changed = false;
        for (int n = 0; n < s->count; n++)
            w->dc_was[n] = w->dc_wanted[n] = 0, w->before[n] = -1;
        int64_t result = w->first ? walk_units(w, done, to) : walk_mcus(w, done, to);
        if (result < 0)
            return result;
        if (w->task == RECODE)
            finish_interval(w, start, at);
    }
    if (w->task == RECODE)
        put_raw(w, at, s->size);
    return w->full ? FULL : w->written;
}

static bool between(int64_t low, int64_t value, int64_t high) { return value >= low && value <= high; }

/* Whether the walk stays in its arrays. */
static bool is_sound(const Scan *s, Task task)
{
    bool sound = between(1, s->count, 3) && between(0, s->restart, SIDE_MAX) && s->size >= 0 && s->data &&
                 s->scratch && s->scratch_size >= SLACK && s->scratch_size - SLACK >= s->size &&
                 between(1, s->mcu_rows, SIDE_MAX) && between(1, s->mcu_columns, SIDE_MAX);
    if (!s->progressive)
        sound = sound && s->first == 0 && s->last == BLOCK - 1 && s->high == 0 && s->low == 0;
    else if (s->first == 0)
        sound = sound && s->last == 0;
    else
        sound = sound && s->count == 1 && s->first >= 1 && s->last >= s->first && s->last < BLOCK;
    sound = sound && between(0, s->low, 13) && (s->high == 0 || s->high == s->low + 1);
    for (int n = 0; sound && n < s->count; n++) {
        const Component *c = &s->components[n];
        sound = c->blocks && between(1, c->rows, SIDE_MAX) && between(1, c->columns, SIDE_MAX) && between(1, c->h, 4) &&
                between(1, c->v, 4) && between(1, c->visible_rows, c->rows) &&
                between(1, c->visible_columns, c->columns) && (task != RECODE || c->wanted);
        if (s->count > 1)
            sound = sound && s->mcu_rows * c->v <= c->rows && s->mcu_columns * c->h <= c->columns;
        sound = sound && (s->first || s->high || c->dc) && ((s->progressive && !s->first) || c->ac);
    }
    if (task == RECODE)
        sound = sound && s->out && s->out_size >= 0 && s->lacking && s->places && s->places_size >= 0;
    return sound;
}

static int64_t start_walk(Scan *s, Task task)
{
    if (!s || !is_sound(s, task))
        return WRONG;
    Walk w = {.scan = s, .task = task};
    w.first = (int)s->first, w.last = (int)s->last, w.high = (int)s->high, w.low = (int)s->low;
    for (int n = 0; n < s->count; n++) {
        const Component *c = &s->components[n];
        if (!w.first && !w.high && !make_table(&w.dc[n], c->dc, 0))
            return DAMAGED;
        if ((w.first || !s->progressive) && !make_table(&w.ac[n], c->ac, s->progressive ? RUNS_MAX : 0))
            return DAMAGED;
    }
    int64_t result = walk_scan(&w);
    s->places_count = w.places;
    return result;
}

/* Decodes a scan into the components' blocks, which hold what the scans before it left. */
EXPORT int64_t jpeg_decode(Scan *scan) { return start_walk(scan, DECODE); }

/* Writes a scan to `out` for the wanted blocks; returns its size, or FULL. `blocks` are those of the whole file.
 *
 * Where codes lack, `places` and `lacking` tell, and what is written is of no use.
 */
EXPORT int64_t jpeg_recode(Scan *scan) { return start_walk(scan, RECODE); }

/* Takes PLUS and MINUS from the moves for which a scan lacks codes; `blocks` are those of the whole file. */
EXPORT int64_t jpeg_price(Scan *scan) { return start_walk(scan, PRICE); }
