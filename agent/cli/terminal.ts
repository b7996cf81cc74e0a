/** What a command may write to and who reads it: a person at a terminal (colours), or a program (none). */
import type { Writable } from "node:stream";

export interface Io {
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** True only where a person reads: then colours are used. */
  readonly outIsTerminal: boolean;
  readonly errorIsTerminal: boolean;
}

type Stream = Writable & { readonly isTTY?: boolean };

/** The process's own streams. `NO_COLOR` (no-color.org) and `TERM=dumb` switch colours off. */
export function terminal(process: { readonly stdout: Stream; readonly stderr: Stream; readonly env: Readonly<Record<string, string | undefined>> }): Io {
  const plain = (process.env["NO_COLOR"] ?? "") !== "" || process.env["TERM"] === "dumb";
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    outIsTerminal: process.stdout.isTTY === true && !plain,
    errorIsTerminal: process.stderr.isTTY === true && !plain,
  };
}

/**
 * Writes and waits until the stream has taken it, so that a slow reader slows the writer and the memory stays bounded.
 * False when the reader has gone (`cellgate tail | head`): the command should end, without an error.
 */
export function write(stream: Writable, text: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    if (stream.destroyed || stream.writableEnded) {
      resolve(false);
      return;
    }
    stream.write(text, (error) => {
      if (!error) resolve(true);
      else if ("code" in error && (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED")) resolve(false);
      else reject(error);
    });
  });
}

/** A stream without a listener for `error` ends the process when the reader goes; `write` has reported it already. */
export function tolerateClosedReader(io: Io): () => void {
  const ignore = (): void => undefined;
  io.stdout.on("error", ignore);
  io.stderr.on("error", ignore);
  return () => {
    io.stdout.off("error", ignore);
    io.stderr.off("error", ignore);
  };
}
