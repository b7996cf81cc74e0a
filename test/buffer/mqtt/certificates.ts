/** Certificates for tests, made by openssl (and faketime, for those of another time). */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"] as const;
/** `when` as faketime takes it: "-40 days". */
function openssl(folder: string, args: readonly string[], when?: string): Promise<unknown> {
  return when === undefined ? promisify(execFile)("openssl", args, { cwd: folder }) : promisify(execFile)("faketime", ["-f", when, "openssl", ...args], { cwd: folder });
}

/** `{name}.pem` and `{name}.key`, signed by itself. */
export async function authority(folder: string, name: string, { days = 365, when }: { readonly days?: number; readonly when?: string } = {}): Promise<void> {
  await openssl(folder, ["req", "-x509", ...KEY, "-days", String(days), "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.pem`], when);
}

/** `{name}.pem` and `{name}.key`, signed by `ca`. */
export async function certificate(folder: string, name: string, names: string, { days = 365, when }: { readonly days?: number; readonly when?: string } = {}): Promise<void> {
  await writeFile(join(folder, `${name}.ext`), `subjectAltName=${names}\n`);
  await openssl(folder, ["req", ...KEY, "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.csr`]);
  await openssl(folder, ["x509", "-req", "-in", `${name}.csr`, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", String(days), "-extfile", `${name}.ext`, "-out", `${name}.pem`], when);
}
