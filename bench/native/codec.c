/*
 * liblz4 and libzstd over a file in units, for bench/codec.ts.
 *
 *   cc -O2 codec.c -o codec -llz4 -lzstd
 *   ./codec FILE CODEC DIRECTION UNIT PASSES
 *
 * CODEC is lz4 (LZ4_compress_default, LZ4_decompress_safe) or zstd (level 1, contexts reused); DIRECTION is
 * compress, decompress or size. Prints "CHECKSUM NANOSECONDS": the fastest of PASSES passes over the file,
 * after one that is not timed. The checksum is that of bench/codec.ts over what is decompressed, the number
 * of units for compress, and the compressed bytes in total for size.
 */
#define _POSIX_C_SOURCE 200809L
#include <lz4.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zstd.h>

static int zstd;
static ZSTD_CCtx *cctx;
static ZSTD_DCtx *dctx;

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static size_t compress(const uint8_t *source, size_t n, uint8_t *target, size_t room) {
  if (zstd) return ZSTD_compressCCtx(cctx, target, room, source, n, 1);
  return (size_t)LZ4_compress_default((const char *)source, (char *)target, (int)n, (int)room);
}

static size_t decompress(const uint8_t *source, size_t n, uint8_t *target, size_t room) {
  if (zstd) return ZSTD_decompressDCtx(dctx, target, room, source, n);
  return (size_t)LZ4_decompress_safe((const char *)source, (char *)target, (int)n, (int)room);
}

static void *checked(void *memory) {
  if (!memory) exit(3);
  return memory;
}

int main(int argc, char **argv) {
  FILE *file = argc == 6 ? fopen(argv[1], "rb") : NULL;
  if (!file) {
    fprintf(stderr, "usage: codec FILE lz4|zstd compress|decompress|size UNIT PASSES\n");
    return 2;
  }
  zstd = strcmp(argv[2], "zstd") == 0;
  const int forth = strcmp(argv[3], "compress") == 0, back = strcmp(argv[3], "decompress") == 0;
  const size_t unit = (size_t)atol(argv[4]);
  const int passes = atoi(argv[5]);
  fseek(file, 0, SEEK_END);
  const size_t bytes = (size_t)ftell(file), count = bytes / unit, stride = unit + unit / 128 + 64;
  rewind(file);
  uint8_t *data = checked(malloc(bytes)), *target = checked(malloc(stride));
  uint8_t *packed = checked(malloc(count * stride));
  size_t *sizes = checked(malloc(count * sizeof *sizes));
  if (fread(data, 1, bytes, file) != bytes) return 2;
  fclose(file);
  cctx = checked(ZSTD_createCCtx());
  dctx = checked(ZSTD_createDCtx());

  size_t total = 0;
  for (size_t i = 0; i < count; i++) {
    sizes[i] = compress(data + i * unit, unit, packed + total, stride);
    total += sizes[i];
  }
  uint64_t best = UINT64_MAX;
  uint32_t checksum = 0;
  for (int pass = -1; pass < passes && (forth || back); pass++) {
    const uint64_t start = now();
    checksum = 0;
    if (forth) {
      for (size_t i = 0; i < count; i++) checksum += compress(data + i * unit, unit, target, stride) > 0;
    } else {
      const uint8_t *at = packed;
      for (size_t i = 0; i < count; i++) {
        const size_t n = decompress(at, sizes[i], target, unit);
        at += sizes[i];
        checksum = (checksum ^ target[0] ^ target[n >> 1] << 8 ^ target[n - 1] << 16) * 0x01000193u;
      }
    }
    const uint64_t ns = now() - start;
    if (pass >= 0 && ns < best) best = ns;
  }
  if (forth || back) printf("%u %llu\n", checksum, (unsigned long long)best);
  else printf("%zu 0\n", total);
  return 0;
}
