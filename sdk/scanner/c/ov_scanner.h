/* The guest side of ov's scanner ABI in one header. Include it in one file and
 * write ov_scanner; ../ABI.md is the contract in bytes.
 *
 *   clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry -I sdk/scanner/c -o my.wasm my.c
 */
#ifndef OV_SCANNER_H
#define OV_SCANNER_H

#include <stdint.h>

/* What a scanner is shown. */
typedef struct {
    const uint8_t *bytes;
    uint32_t len;
    uint32_t rule;  /* index, in the manifest, of the rule whose keyword was seen */
    int begin, end; /* of the stream; begin in stream mode only */
} ov_window;

enum { OV_INFO, OV_LOW, OV_MEDIUM, OV_HIGH, OV_CRITICAL };

/* A finding as it lies in the output buffer. */
typedef struct {
    uint32_t offset, length;
    uint16_t rule;
    uint8_t severity, confidence; /* confidence: 0 to 100 */
    uint32_t flags;               /* OV_OPEN: mask on, until the rule's `until` */
} ov_span;

enum { OV_OPEN = 1 };

/* Yours: call ov_found for each finding. It depends on the window alone. */
static void ov_scanner(const ov_window *w);

#define OV_MAX_WINDOW (64 << 10)
#define OV_MAX_SPANS (4 << 10)

static uint8_t ov_in[OV_MAX_WINDOW] __attribute__((aligned(16)));
static ov_span ov_out[OV_MAX_SPANS];
static uint32_t ov_spans, ov_most;

/* ov_put reports a finding with all its fields. */
static inline void ov_put(ov_span s) {
    if (ov_spans < ov_most) ov_out[ov_spans] = s;
    ov_spans++;
}

/* ov_found reports [start, end) as a finding of a rule. */
static inline void ov_found(const ov_window *w, uint32_t start, uint32_t end) {
    ov_put((ov_span){start, end - start, (uint16_t)w->rule, OV_HIGH, 90, 0});
}

#define OV_EXPORT(name) __attribute__((export_name(#name), used))

OV_EXPORT(ov_abi_v1) void ov_abi_v1(void) {}

OV_EXPORT(ov_bufs) int64_t ov_bufs(uint32_t in_cap, uint32_t out_cap) {
    if (in_cap > sizeof ov_in || out_cap > sizeof ov_out) __builtin_trap();
    ov_most = out_cap / sizeof(ov_span);
    return (int64_t)(uintptr_t)ov_in << 32 | (int64_t)(uintptr_t)ov_out;
}

OV_EXPORT(ov_scan) int32_t ov_scan(uint32_t len, uint32_t flags) {
    ov_window w = {ov_in, len, flags >> 8 & 0xff, flags & 1, flags >> 1 & 1};
    ov_spans = 0;
    ov_scanner(&w);
    return ov_spans > ov_most ? -2 : (int32_t)ov_spans;
}

#endif
