/* New chroma under the same luma, for senders: see codecs/robust/recolouring.py. */
#include "native.h"

static int64_t rounded(float x) { return within((int64_t)lrintf(x), 0, 255); }

/* Chroma added to colours whose luma stays.
 *
 * rgb (height, width, 3) uint8, planes (2, rows, columns) float32 between -1000 and 1000, Cb before Cr, a value for each
 * 2x2 pixels, of which there are enough -> out (height, width, 3) uint8. Where no colour of that luma is near, half as
 * much is added, up to `tries` times, and then nothing.
 */
EXPORT void recolour(const uint8_t *rgb, const float *planes, int64_t height, int64_t width, int64_t rows,
                     int64_t columns, int64_t tries, uint8_t *out)
{
    for (int64_t i = 0; i < height; i++) {
        const float *blue_line = planes + at_most(i / 2, rows - 1) * columns, *red_line = blue_line + rows * columns;
        for (int64_t j = 0; j < width; j++) {
            const uint8_t *from = rgb + 3 * (i * width + j);
            uint8_t *to = out + 3 * (i * width + j);
            float cb = blue_line[at_most(j / 2, columns - 1)], cr = red_line[at_most(j / 2, columns - 1)];
            memcpy(to, from, 3);
            if (cb == 0 && cr == 0)
                continue;
            int64_t luma = (WR * from[0] + WG * from[1] + WB * from[2] + 32768) >> 16;
            for (int64_t n = 0; n < tries; n++, cb /= 2, cr /= 2) {
                int64_t red = rounded(from[0] + 1.402f * cr), blue = rounded(from[2] + 1.772f * cb);
                int64_t low = (luma << 16) - 32768 - WR * red - WB * blue; /* of WG green, at least */
                int64_t least = at_least(divided(low + WG - 1, WG), 0), most = at_most(divided(low + 65535, WG), 255);
                if (least > most)
                    continue;
                float green = from[1] - 0.344136286f * cb - 0.714136286f * cr;
                to[0] = (uint8_t)red, to[1] = (uint8_t)within(lrintf(green), least, most), to[2] = (uint8_t)blue;
                break;
            }
        }
    }
}
