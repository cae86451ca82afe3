import { access, constants, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { ZbudError } from "../base/index.ts";

const IN_PLACE: ReadonlySet<string | undefined> = new Set(["EACCES", "EPERM", "EBUSY", "EROFS", "EXDEV"]);

/**
 * Says before the work whether the file that an option names can be written after it.
 *
 * @throws {ZbudError} `ENOENT`, `EACCES` or `EINVAL`.
 */
export async function checkOutput(option: string, file: string): Promise<void> {
  if (file === "") throw new ZbudError("EINVAL", `${option} takes the name of a file to write, not ""`);
  const found = await stat(file).catch(() => null);
  if (found?.isDirectory()) {
    throw new ZbudError("EINVAL", `${option} takes the name of a file to write, and ${file} is a folder`);
  }
  try {
    await access(found === null ? dirname(file) : file, constants.W_OK);
  } catch (error) {
    throw cannotWrite(option, file, error);
  }
}

/**
 * Writes the file that an option names. An older one stays until it is complete, and its mode is kept.
 *
 * @param mode - of a new file, as far as the process lets it be.
 * @throws {ZbudError} `ENOENT` or `EACCES` if it cannot be written.
 */
export async function writeOutput(
  option: string,
  file: string,
  bytes: Uint8Array,
  mode = 0o666,
): Promise<void> {
  const { replaceFile } = await import("../backing/index.ts");
  try {
    const found = await stat(file).catch(() => null);
    if (found === null || found.isFile()) {
      await replaceFile(file, undefined, (write) => write(bytes), mode);
      return;
    }
  } catch (error) {
    // A file that may be written in a folder that takes no other one, or that is mounted by itself.
    if (!IN_PLACE.has((error as NodeJS.ErrnoException).code)) throw cannotWrite(option, file, error);
  }
  try {
    await writeFile(file, bytes, { mode });
  } catch (error) {
    throw cannotWrite(option, file, error);
  }
}

function cannotWrite(option: string, file: string, error: unknown): ZbudError {
  const { code } = error as NodeJS.ErrnoException;
  const missing = code === "ENOENT";
  const why = missing ? "there is no such folder" : `the system says ${code}`;
  return new ZbudError(
    missing ? "ENOENT" : "EACCES",
    `${option} ${file} cannot be written: ${why}; name another file`,
    { cause: error },
  );
}
