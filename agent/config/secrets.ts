/**
 * Reads secrets from where the configuration says they lie, each time anew: a rotated one needs no restart.
 * Bounded to 64 KiB. What goes wrong is told with the place, never with the value.
 */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../contract/errors.ts";
import type { Log, SecretRef, Secrets } from "../contract/ports.ts";

const MAXIMUM_BYTES = 65_536;

export interface SecretPlaces {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
}

/** systemd puts credentials (`LoadCredential=`) into the folder that `CREDENTIALS_DIRECTORY` names. */
export function createSecrets({ env, log }: SecretPlaces): Secrets {
  const warned = new Set<string>();
  return async (reference: SecretRef): Promise<string> => {
    if ("env" in reference) {
      const value = env[reference.env];
      if (value === undefined || value === "") throw missing(`the environment variable ${reference.env} is ${value === undefined ? "not set" : "empty"}`, "set it for the service, or name a file in the configuration");
      return value;
    }
    if ("file" in reference) return readSecret(reference.file, (mode) => { warnIfOpen(reference.file, mode, warned, log); });
    const folder = env["CREDENTIALS_DIRECTORY"];
    if (folder === undefined || folder === "") throw missing(`the credential ${reference.credential} cannot be read: CREDENTIALS_DIRECTORY is not set`, `run under systemd with LoadCredential=${reference.credential}:PATH, or name a file in the configuration`);
    return readSecret(join(folder, reference.credential), () => undefined);
  };
}

/** The text without its last line end: editors and `echo` add one that no password has. */
async function readSecret(file: string, look: (mode: number) => void): Promise<string> {
  let bytes: Buffer;
  try {
    // Without O_NONBLOCK a named pipe in the file's place would hold us for ever.
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const { mode, size } = await handle.stat();
      if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw missing(`the secret ${file} is no plain file`, "put the secret alone into a plain file");
      if (size > MAXIMUM_BYTES) throw missing(`the secret ${file} has more than ${MAXIMUM_BYTES} bytes`, "put the secret alone into the file");
      look(mode);
      bytes = await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    throw missing(`the secret ${file} cannot be read (${code})`, code === "EACCES" ? "let the user that runs cellgate read it" : "put the secret into this file", error);
  }
  const text = bytes.toString("utf8").replace(/\r?\n$/, "");
  if (text === "") throw missing(`the secret ${file} is empty`, "put the secret into the file");
  return text;
}

const missing = (what: string, remedy: string, cause?: unknown): ConfigError => new ConfigError([`${what}; ${remedy}`], { cause });

function warnIfOpen(file: string, mode: number, warned: Set<string>, log: Log): void {
  if ((mode & constants.S_IROTH) === 0 || warned.has(file) || warned.size >= 100) return;
  warned.add(file);
  log.warn({ file, remedy: `chmod o-r ${file}` }, "every user of this host may read this secret");
}
