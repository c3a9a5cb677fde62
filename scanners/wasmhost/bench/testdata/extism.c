// The guests of ../../testdata behind Extism's kernel, in place of ov's ABI:
// clang --target=wasm32 -O2 [-msimd128 -DSIMD] -nostdlib -Wl,--no-entry -I ../../../../sdk/scanner/c
#ifdef SIMD
#include "../../testdata/simd.c"
#else
#include "../../testdata/scalar.c"
#endif

#define HOST(name) __attribute__((import_module("extism:host/env"), import_name(#name)))
HOST(input_length) uint64_t input_length(void);
HOST(input_load_u64) uint64_t input_load_u64(uint64_t);
HOST(input_load_u8) uint32_t input_load_u8(uint64_t);
HOST(alloc) uint64_t alloc(uint64_t);
HOST(store_u64) void store_u64(uint64_t, uint64_t);
HOST(output_set) void output_set(uint64_t, uint64_t);

__attribute__((export_name("scan"))) int32_t scan(void) {
    uint64_t n = input_length(), i = 0;
    for (; i + 8 <= n; i += 8) *(uint64_t *)(ov_in + i) = input_load_u64(i);
    for (; i < n; i++) ov_in[i] = (uint8_t)input_load_u8(i);
    ov_most = OV_MAX_SPANS;
    int32_t spans = ov_scan((uint32_t)n, 4);
    if (spans > 0) {
        uint64_t out = alloc(16 * spans);
        for (int32_t s = 0; s < 2 * spans; s++) store_u64(out + 8 * s, ((uint64_t *)ov_out)[s]);
        output_set(out, 16 * spans);
    }
    return 0;
}
