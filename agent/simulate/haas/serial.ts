/** A simulated control on a pseudo-terminal, made by socat: its other end is a serial port for whoever opens the path. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { Duplex } from "node:stream";
import type { Clock } from "../../contract/time.ts";
import type { Control } from "./control.ts";
import { Lines } from "./port.ts";

export interface HaasSerial extends AsyncDisposable {
  readonly path: string;
  readonly lines: Lines;
  close(): Promise<void>;
}

/** Resolves when the path is there. Rejects when socat is not installed, or cannot make it. */
export async function startHaasSerial(control: Control, { path, clock }: { readonly path: string; readonly clock: Clock }): Promise<HaasSerial> {
  const child = spawn("socat", ["-d", "-d", "-", `PTY,link=${path},raw,echo=0`], { stdio: ["pipe", "pipe", "pipe"] });
  const ended = once(child, "exit").catch(() => undefined);
  const lines = new Lines(control, clock);
  let told = "";
  await new Promise<void>((resolve, reject) => {
    child.once("error", (cause) => { reject(new Error(`socat cannot be started: ${cause.message}`, { cause })); });
    child.once("exit", () => { reject(new Error(`socat made no pseudo-terminal at ${path}: ${told.slice(-300)}`)); });
    child.stderr.on("data", (bytes: Buffer) => {
      told = (told + bytes.toString("latin1")).slice(-2_000);
      if (told.includes("starting data transfer loop")) resolve();
    });
  });
  lines.serve(Duplex.from({ readable: child.stdout, writable: child.stdin }));
  const close = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
    await rm(path, { force: true });
  };
  return { path, lines, close, [Symbol.asyncDispose]: close };
}
