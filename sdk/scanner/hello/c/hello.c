// A scanner in C: acme_ and 32 hex digits.
#include "ov_scanner.h"

static int hex(uint8_t c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

static void ov_scanner(const ov_window *w) {
    for (uint32_t i = 0; i + 37 <= w->len; i++) {
        const uint8_t *b = w->bytes + i;
        if (b[0] != 'a' || b[1] != 'c' || b[2] != 'm' || b[3] != 'e' || b[4] != '_') continue;
        uint32_t n = 5;
        while (n < 37 && hex(b[n])) n++;
        if (n == 37) ov_found(w, i, i + n), i += 36;
    }
}
