/**
 * An SHDR adapter that has gone mad, as a process of its own: it says a new value as often as it is heard. Says its port
 * over its channel; answers "lines" with the lines that were taken so far.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";

export interface Flood extends AsyncDisposable {
  readonly port: number;
  /** Lines that the client took so far. */
  lines(): Promise<number>;
}

const START_MS = 30_000;
const LINES_AT_ONCE = 500;

export async function startFlood(): Promise<Flood> {
  const child = fork(import.meta.filename, ["serve"]);
  const exited = once(child, "exit");
  const ask = async (question: string): Promise<number> => {
    const answer = once(child, "message", { signal: AbortSignal.timeout(START_MS) });
    child.send(question);
    return Number((await answer)[0]);
  };
  return {
    port: await ask("port"),
    lines: () => ask("lines"),
    async [Symbol.asyncDispose]() {
      child.disconnect();
      await exited;
    },
  };
}

async function serve(): Promise<void> {
  process.once("disconnect", () => process.exit());
  let lines = 0;
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    const say = (): void => {
      while (!socket.destroyed) {
        const stamp = new Date().toISOString();
        lines += LINES_AT_ONCE;
        if (!socket.write(Array.from({ length: LINES_AT_ONCE }, (_, number) => `${stamp}|S1speed|${(lines + number) % 9_000}\n`).join(""))) break;
      }
    };
    socket.on("drain", say);
    socket.write(`${new Date().toISOString()}|avail|AVAILABLE|pexecution|READY|pmode|AUTOMATIC\n`);
    say();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  process.on("message", (question) => process.send?.(question === "port" ? (server.address() as AddressInfo).port : lines));
}

if (process.argv[1] === import.meta.filename && process.argv[2] === "serve") await serve();
