/** How far long work has come, on standard error, at most twice a second on a terminal, every 5 s elsewhere. */
import type { Clock } from "../../contract/time.ts";
import { write, type Io } from "../terminal.ts";

export interface Progress {
  say(words: string): Promise<void>;
  /** Takes the line away again on a terminal. */
  end(): Promise<void>;
}

const TERMINAL_MS = 500;
const PLAIN_MS = 5_000;

export function progress(io: Io, clock: Clock): Progress {
  let saidMono = clock.now().monoMs as number;
  let wide = 0;
  return {
    async say(words) {
      const now = clock.now().monoMs;
      if (now - saidMono < (io.errorIsTerminal ? TERMINAL_MS : PLAIN_MS)) return;
      saidMono = now;
      const shown = io.errorIsTerminal ? words.slice(0, widthOf(io)) : words;
      await write(io.stderr, io.errorIsTerminal ? `\r${shown.padEnd(wide)}` : `${shown}\n`);
      wide = shown.length;
    },
    async end() {
      if (wide > 0 && io.errorIsTerminal) await write(io.stderr, `\r${" ".repeat(wide)}\r`);
      wide = 0;
    },
  };
}

/** Does the work, and takes the line away however it ends. */
export async function toldOf<T>(told: Progress, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await told.end();
  }
}

/** Less than a line: what wraps cannot be taken back with a carriage return. */
const widthOf = ({ stderr }: Io): number => ("columns" in stderr && typeof stderr.columns === "number" && stderr.columns > 1 ? stderr.columns - 1 : 79);
