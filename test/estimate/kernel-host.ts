import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Texts as kernels give them, by path. */
export type KernelFiles = Readonly<Record<string, string>>;

/** A machine with swap on a disk and zswap, of the time when zbud was its allocator. */
export const OLD_ZSWAP: KernelFiles = {
  "proc/meminfo":
    "MemTotal:       16000000 kB\nMemFree:          200000 kB\nMemAvailable:    3000000 kB\nAnonPages:       9000000 kB\nSwapTotal:       8388604 kB\nSwapFree:        4000000 kB\n",
  "proc/swaps":
    "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/nvme0n1p3                          partition\t8388604\t\t4388604\t\t-2\n",
  "sys/module/zswap/parameters/enabled": "Y\n",
  "sys/module/zswap/parameters/compressor": "lzo\n",
  "sys/module/zswap/parameters/zpool": "zbud\n",
  "sys/module/zswap/parameters/max_pool_percent": "20\n",
  "sys/module/zswap/parameters/accept_threshold_percent": "90\n",
  "sys/module/zswap/parameters/same_filled_pages_enabled": "Y\n",
  "sys/kernel/debug/zswap/stored_pages": "500000\n",
  "sys/kernel/debug/zswap/pool_total_size": "1024000000\n",
  "sys/kernel/debug/zswap/pool_limit_hit": "12\n",
  "sys/kernel/debug/zswap/reject_compress_poor": "3456\n",
  "sys/kernel/debug/zswap/written_back_pages": "78901\n",
};

/** A machine that swaps to zram, with zswap before it by mistake. */
export const ZRAM_IN_USE: KernelFiles = {
  "proc/meminfo":
    "MemTotal:        8000000 kB\nMemAvailable:    1000000 kB\nAnonPages:       5000000 kB\nSwapTotal:       8000000 kB\nZswap:             40000 kB\nZswapped:         100000 kB\n",
  "proc/swaps": "Filename\tType\tSize\tUsed\tPriority\n/dev/zram0 partition\t7999996\t3000000\t100\n",
  "sys/block/zram0/disksize": "8191995904\n",
  "sys/block/zram0/comp_algorithm": "lzo-rle lzo lz4 lz4hc [zstd] deflate 842 \n",
  "sys/block/zram0/algorithm_params": "",
  "sys/block/zram0/recomp_algorithm": "",
  "sys/block/zram0/mm_stat":
    "4096000000 1000000000 1200000000  1228800000 1210000000    50000      123   150000   160000\n",
  "sys/block/sda/size": "1\n",
  "sys/module/zswap/parameters/enabled": "Y\n",
  "sys/module/zswap/parameters/compressor": "lz4\n",
  "sys/module/zswap/parameters/max_pool_percent": "30\n",
  "sys/module/zswap/parameters/shrinker_enabled": "N\n",
};

/** A machine with nothing of the kind. */
export const BARE: KernelFiles = { "proc/meminfo": "MemTotal: 4000000 kB\nAnonPages: 100000 kB\n" };

/** Writes them below a folder. */
export function writeKernelFiles(root: string, files: KernelFiles): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}
