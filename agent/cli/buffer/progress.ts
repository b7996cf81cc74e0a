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
      await write(io.stderr, io.errorIsTerminal ? `\r${words.padEnd(wide)}` : `${words}\n`);
      wide = words.length;
    },
    async end() {
      if (wide > 0 && io.errorIsTerminal) await write(io.stderr, `\r${" ".repeat(wide)}\r`);
      wide = 0;
    },
  };
}
