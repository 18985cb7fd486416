/* What the colour model's networks are shown of a photo: see colourmodel/cells.py and networks.py. */
#include "native.h"

/* Luma of all places of cells, and colour differences of the settled ones, from cell (top, left) on.
 *
 * luma (height, width) uint8 and rgb (height, width, 3) uint8, of one lattice; places (4, 2) int64 0 or 1. y (4, rows,
 * columns) int16; r and b (settled, rows, columns) int16, of which settled is 1 to 4. Past the edge the nearest pixel of
 * that place is repeated. Where the lattice is a single row or column, its only place stands in for the missing one.
 */
EXPORT void gather_cells(const View *luma, const View *rgb, int64_t height, int64_t width, const int64_t *places,
                         int64_t top, int64_t left, int64_t rows, int64_t columns, int64_t settled, int16_t *y,
                         int16_t *r, int16_t *b)
{
    for (int64_t place = 0; place < 4; place++) {
        int64_t i = at_most(places[2 * place], height - 1), j = at_most(places[2 * place + 1], width - 1);
        int64_t last = (height - 1 - i) / 2, rightmost = (width - 1 - j) / 2;
        for (int64_t row = 0; row < rows; row++) {
            int64_t u = 2 * within(top + row, 0, last) + i;
            int64_t at = (place * rows + row) * columns;
            for (int64_t column = 0; column < columns; column++, at++) {
                int64_t v = 2 * within(left + column, 0, rightmost) + j;
                int16_t gray = AT2(uint8_t, luma, u, v);
                y[at] = gray;
                if (place < settled) {
                    r[at] = (int16_t)(AT3(uint8_t, rgb, u, v, 0) - gray);
                    b[at] = (int16_t)(AT3(uint8_t, rgb, u, v, 2) - gray);
                }
            }
        }
    }
}

/* Neighbours' values less `zero`, limited to 0..255.
 *
 * planes (4 or fewer, height + 2 margin, width + 2 margin) int16, neighbours (count, 3) int64: plane, and cells down and
 * to the right, at most `margin` away; zero (height, width) int16 -> out (count, height, width) uint8.
 */
EXPORT void show_neighbours(const int16_t *planes, const int64_t *neighbours, int64_t count, int64_t margin,
                            const int16_t *zero, int64_t height, int64_t width, uint8_t *out)
{
    const int64_t stride = width + 2 * margin, size = (height + 2 * margin) * stride;
    for (int64_t channel = 0; channel < count; channel++) {
        const int64_t *n = neighbours + 3 * channel;
        const int16_t *plane = planes + n[0] * size + (margin + n[1]) * stride + margin + n[2];
        for (int64_t i = 0; i < height; i++) {
            const int16_t *restrict from = plane + i * stride, *restrict less = zero + i * width;
            uint8_t *restrict to = out + (channel * height + i) * width;
            for (int64_t j = 0; j < width; j++) {
                int shown = from[j] - less[j];
                to[j] = (uint8_t)(shown < 0 ? 0 : shown > 255 ? 255 : shown);
            }
        }
    }
}
