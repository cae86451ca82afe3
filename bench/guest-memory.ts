import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const QEMU = "/usr/bin/qemu-system-x86_64";
const BUSYBOX = "/bin/busybox";
const PAGE = 4096;
const MEMORY_MIB = 96;
const BOOT_TIMEOUT_MS = 180_000;
const READY = "guest is ready";

/** What the machine does before its memory is looked at: a file system in memory, with files, and programs that read them. */
const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t tmpfs none /tmp
for i in 1 2 3 4 5 6; do cat /proc/kallsyms | sed "s/^/$i /" > /tmp/symbols.$i; done
sort /tmp/symbols.3 > /tmp/sorted
awk '{ count[$3]++ } END { for (t in count) print t, count[t] }' /tmp/sorted > /tmp/counts
gzip -c /tmp/symbols.4 > /tmp/symbols.gz
rm /tmp/symbols.5
find / -xdev > /tmp/files
echo "${READY}"
sleep 1000
`;

/**
 * The memory of a virtual machine that booted Linux and did some work, as an emulator has it; null where there is no qemu,
 * kernel or busybox: Debian's qemu-system-x86, linux-image-cloud-amd64, busybox-static and cpio.
 */
export async function guestMemory(log: (line: string) => void): Promise<Buffer | null> {
  const [kernel] = globSync("/boot/vmlinuz*").sort();
  if (kernel === undefined || ![QEMU, BUSYBOX, "/usr/bin/cpio"].every((file) => existsSync(file))) {
    log(
      "no memory of an emulated machine: that takes Debian's qemu-system-x86, linux-image-cloud-amd64, busybox-static and cpio",
    );
    return null;
  }
  const folder = mkdtempSync(join(tmpdir(), "zbud-guest-"));
  try {
    const root = join(folder, "root");
    for (const name of ["bin", "proc", "sys", "tmp", "dev"]) mkdirSync(join(root, name), { recursive: true });
    writeFileSync(join(root, "bin/busybox"), readFileSync(BUSYBOX), { mode: 0o755 });
    writeFileSync(join(root, "init"), INIT, { mode: 0o755 });
    const initrd = join(folder, "initrd");
    const packed = spawnSync("sh", ["-c", `find . | cpio -o -H newc --quiet > ${initrd}`], { cwd: root });
    if (packed.status !== 0) throw new Error(`cpio: ${String(packed.stderr)}`);
    log(`booting ${kernel}`);
    return await dump(kernel, initrd, join(folder, "memory"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function dump(kernel: string, initrd: string, file: string): Promise<Buffer> {
  const options = [
    "-m",
    String(MEMORY_MIB),
    "-display",
    "none",
    "-no-reboot",
    "-nodefaults",
    "-serial",
    "stdio",
  ];
  const boot = ["-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet panic=-1"];
  const monitor = ["-monitor", `unix:${file}.monitor,server=on,wait=off`];
  const qemu = spawn(QEMU, [...options, ...monitor, ...boot], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await sees(qemu.stdout, READY);
    const socket = connect(`${file}.monitor`);
    await sees(socket, "(qemu)");
    socket.write(`stop\npmemsave 0 ${MEMORY_MIB * 2 ** 20} "${file}"\ninfo status\n`);
    await sees(socket, "paused");
    socket.end();
    return withoutZeros(readFileSync(file));
  } finally {
    qemu.kill("SIGKILL");
    await once(qemu, "exit");
  }
}

/** Pages that were never used say nothing: a store keeps each in its row. */
function withoutZeros(memory: Buffer): Buffer {
  const pages: Buffer[] = [];
  for (let at = 0; at < memory.length; at += PAGE) {
    const page = memory.subarray(at, at + PAGE);
    if (page.some((byte) => byte !== 0)) pages.push(page);
  }
  return Buffer.concat(pages);
}

/** Waits for a text. */
async function sees(stream: NodeJS.ReadableStream, text: string): Promise<void> {
  let seen = "";
  const timeout = AbortSignal.timeout(BOOT_TIMEOUT_MS);
  while (!seen.includes(text)) {
    const [chunk] = (await once(stream, "data", { signal: timeout })) as [Buffer];
    seen += chunk.toString();
  }
}
