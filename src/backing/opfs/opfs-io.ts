import type { RecordIo } from "../file/io.ts";

/** Of a browser's `FileSystemSyncAccessHandle`, what is used. */
export interface OpfsAccess {
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void | Promise<void>;
  flush(): void | Promise<void>;
  getSize(): number | Promise<number>;
  close(): void | Promise<void>;
}

/** Of a browser's `FileSystemFileHandle`, what is used. The method is there in dedicated workers only. */
export interface OpfsFile {
  createSyncAccessHandle?(): Promise<OpfsAccess>;
}

/** Of a browser's `FileSystemDirectoryHandle`, what is used. */
export interface OpfsDirectory {
  getFileHandle(name: string, options: { create: boolean }): Promise<OpfsFile>;
}

/**
 * The one file behind an access handle. Its calls are done when they return. Some are awaited all the same:
 * browsers of before 2023 answer them with promises.
 */
export function opfsIo(access: OpfsAccess): RecordIo {
  const write = (bytes: Uint8Array, position: number): number => access.write(bytes, { at: position });
  const read = (bytes: Uint8Array, position: number): number => access.read(bytes, { at: position });
  return {
    closeSync: () => void access.close(),
    truncate: async (_file, size) => await access.truncate(size),
    write: async (_file, bytes, position) => write(bytes, position),
    writeSync: (_file, bytes, position) => write(bytes, position),
    read: async (_file, bytes, position) => read(bytes, position),
    readSync: (_file, bytes, position) => read(bytes, position),
    sync: async () => await access.flush(),
  };
}
