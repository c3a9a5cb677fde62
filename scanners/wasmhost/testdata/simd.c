// The same as scalar.c, 64 bytes at a step: built with -msimd128.
#include "ov_scanner.h"
#include <wasm_simd128.h>

static int hex(uint8_t c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

static uint32_t check(const ov_window *w, uint32_t i) {
    const uint8_t *b = w->bytes + i;
    if (i + 37 > w->len || b[1] != 'c' || b[2] != 'm' || b[3] != 'e' || b[4] != '_') return 0;
    uint32_t n = 5;
    while (n < 37 && hex(b[n])) n++;
    return n == 37 ? n : 0;
}

static inline v128_t hits(const uint8_t *b) {
    v128_t a = wasm_i8x16_eq(wasm_v128_load(b), wasm_i8x16_splat('a'));
    return wasm_v128_and(a, wasm_i8x16_eq(wasm_v128_load(b + 4), wasm_i8x16_splat('_')));
}

static void ov_scanner(const ov_window *w) {
    const uint8_t *b = w->bytes;
    uint32_t i = 0, done = 0;
    for (; i + 64 + 4 <= w->len; i += 64) {
        v128_t any = wasm_v128_or(wasm_v128_or(hits(b + i), hits(b + i + 16)), wasm_v128_or(hits(b + i + 32), hits(b + i + 48)));
        if (!wasm_v128_any_true(any)) continue;
        for (uint32_t j = i; j < i + 64; j++) {
            uint32_t n = j >= done && b[j] == 'a' ? check(w, j) : 0;
            if (n) ov_found(w, j, j + n), done = j + n;
        }
    }
    for (; i < w->len; i++) {
        uint32_t n = i >= done && b[i] == 'a' ? check(w, i) : 0;
        if (n) ov_found(w, i, i + n), done = i + n;
    }
}
