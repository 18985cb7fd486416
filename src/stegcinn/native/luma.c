/* The gray-scale of colours: see carriers/luma.py. */
#include "native.h"

/* What Pillow's conversion gives: rgb (count, 3) uint8 -> gray (count,) uint8. */
EXPORT void gray_scale(const uint8_t *rgb, int64_t count, uint8_t *gray)
{
    for (int64_t i = 0; i < count; i++)
        gray[i] = (uint8_t)((WR * (uint32_t)rgb[3 * i] + WG * (uint32_t)rgb[3 * i + 1] + WB * (uint32_t)rgb[3 * i + 2] +
                             32768) >> 16);
}
