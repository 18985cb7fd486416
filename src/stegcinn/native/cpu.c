/* Which of the libraries this machine can run. */
#include "native.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* Whether processor and system know AVX2: 1 or 0. */
EXPORT int64_t runs_avx2(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d, low, high;
    const unsigned saves_registers = 1u << 27, avx = 1u << 28, avx2 = 1u << 5, ymm = 6;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & saves_registers) || !(c & avx))
        return 0;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & ymm) == ymm && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & avx2);
#else
    return 0;
#endif
}
