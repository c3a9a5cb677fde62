// acme_ and 32 hex digits, byte by byte: what most scanners look like.
#include "ov_scanner.h"

static int hex(uint8_t c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

static void ov_scanner(const ov_window *w) {
    const uint8_t *b = w->bytes;
    for (uint32_t i = 0; i + 37 <= w->len; i++) {
        if (b[i] != 'a' || b[i + 1] != 'c' || b[i + 2] != 'm' || b[i + 3] != 'e' || b[i + 4] != '_') continue;
        uint32_t n = 5;
        while (n < 37 && hex(b[i + n])) n++;
        if (n == 37) ov_found(w, i, i + n), i += 36;
    }
}
