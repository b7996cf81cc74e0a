/**
 * Small texts beside the buffer that outlive a restart: one file each under `data_dir/kept/`, written beside, synced and
 * put in its place, so that a power cut leaves the old text or the new one. At most KEEP_BYTES a text.
 */
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { InvariantError } from "../contract/errors.ts";
import type { Keep } from "../contract/ports.ts";

const KEEP_BYTES = 65_536;

export function keepIn(dataDir: string): Keep {
  const folder = join(dataDir, "kept");
  const fileOf = (key: string): string => {
    if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$/.test(key)) throw new InvariantError(`${JSON.stringify(key)} is no name under which a text can be kept`);
    return join(folder, key);
  };
  return {
    async read(key) {
      try {
        return await readFile(fileOf(key), "utf8");
      } catch (cause) {
        if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null;
        throw cause;
      }
    },
    async write(key, text) {
      const file = fileOf(key);
      if (Buffer.byteLength(text) > KEEP_BYTES) throw new InvariantError(`the text to keep as ${key} is larger than ${KEEP_BYTES} bytes`);
      await mkdir(folder, { recursive: true, mode: 0o750 });
      const beside = `${file}.new`;
      await synced(beside, "w", (opened) => opened.writeFile(text));
      await rename(beside, file);
      await synced(folder, "r", () => Promise.resolve()); // The name too.
    },
  };
}

async function synced(path: string, flags: "w" | "r", work: (opened: Awaited<ReturnType<typeof open>>) => Promise<void>): Promise<void> {
  const opened = await open(path, flags, 0o640);
  try {
    await work(opened);
    await opened.sync();
  } finally {
    await opened.close();
  }
}
