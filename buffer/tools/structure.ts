/**
 * The structure of a whole database, looked through by a process of its own (buffer/damage/check-database.ts), so that a person
 * can break off a check of gigabytes. Unlike the agent's own look after an unclean stop it has no time limit, and says
 * when it came to no verdict.
 */
import { execFile } from "node:child_process";
import { CHECK_DATABASE, type Verdict } from "../damage/check-database.ts";

export type StructureCheck = (path: string, signal: AbortSignal) => Promise<Verdict | { readonly none: string }>;

const OUTPUT_BYTES = 64 * 1024;
const FLAGS = ["--max-old-space-size=32", "--max-semi-space-size=1"];

/** `program`: the file of our own program, which knows the word. Rejects with the signal's reason. */
export const structureCheckBy = (program: string): StructureCheck => (path, signal) => new Promise((resolve, reject) => {
  execFile(process.execPath, [...FLAGS, program, CHECK_DATABASE, path], { signal, killSignal: "SIGKILL", maxBuffer: OUTPUT_BYTES }, (error, stdout, stderr) => {
    if (signal.aborted) return reject(signal.reason instanceof Error ? signal.reason : new Error("stopped"));
    if (error) return resolve({ none: (stderr.trim() || error.message).slice(0, 300) });
    resolve(JSON.parse(stdout) as Verdict);
  });
});
