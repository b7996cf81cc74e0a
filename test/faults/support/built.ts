/** Where the harness has put what its runs start and load (build.ts): the processes under test, and the libraries loaded before a process's own. */
import { join } from "node:path";

export type Program = "run-one" | "storage-process" | "tapped-agent" | "agent";
export type Library = "recorder" | "failing-disk";
/** Variable that tells a run the folder. */
export const BUILT = "FAULTS_BUILT";

/** For Node. */
export const program = (name: Program): string => join(process.env[BUILT] ?? "", `${name}.mjs`);
/** For LD_PRELOAD. */
export const library = (name: Library): string => join(process.env[BUILT] ?? "", `${name}.so`);
