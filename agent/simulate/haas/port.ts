/**
 * A simulated control's port: TCP with a prompt, two clients and every reply to both of them, or one serial line with STX
 * and ETB; and what goes wrong on them: late, lost, cut and doubled replies. Facts: haas.md §1, §6.
 */
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../../contract/time.ts";
import type { Control } from "./control.ts";

/** Changed while it runs. */
export interface Troubles {
  /** Before each reply. A real NGC takes about 150 ms. */
  delayMs: number;
  /** Replies leave one byte at a time. */
  fragments: boolean;
  /** A second prompt before each reply. */
  doublePrompt: boolean;
  /** So many questions of each connection are answered with themselves. */
  firstUnknown: number;
  /** So many questions from now on are answered by nothing. */
  loses: number;
  /** Neither takes nor says anything. */
  hangs: boolean;
}
const noTroubles = (): Troubles => ({ delayMs: 0, fragments: false, doublePrompt: false, firstUnknown: 0, loses: 0, hangs: false });

const MAXIMUM_CLIENTS = 2;
const LINE_LIMIT = 1_024;

/** Everybody on `lines` hears everything; each asks in its own time, and the control answers one after the other. */
export class Lines {
  readonly troubles = noTroubles();
  readonly streams = new Set<Duplex>();
  readonly #control: Control;
  readonly #clock: Clock;
  #turn: Promise<void> = Promise.resolve();

  /** `clock`: of delays. */
  constructor(control: Control, clock: Clock) {
    this.#control = control;
    this.#clock = clock;
  }

  serve(stream: Duplex): void {
    const closed = new AbortController();
    this.streams.add(stream);
    stream.on("error", () => undefined).on("close", () => {
      this.streams.delete(stream);
      closed.abort(new Error("closed"));
    });
    let text = "";
    let unknown = this.troubles.firstUnknown;
    stream.on("data", (bytes: Buffer) => {
      const lines = (text + bytes.toString("latin1")).split("\n");
      text = (lines.pop() ?? "").slice(-LINE_LIMIT);
      for (const line of lines) this.#turn = this.#turn.then(() => this.#reply(line, unknown-- > 0, closed.signal));
    });
    if (this.#control.dialect === "ngc") stream.write(">");
  }

  /** A reply that this program made, to everybody: as if another client had asked. */
  say(reply: string): void {
    const { doublePrompt, fragments, hangs } = this.troubles;
    if (hangs) return;
    const framed = this.#control.dialect === "classic" ? `\u0002${reply}\u0017\r\n>` : `${doublePrompt ? ">" : ""}${reply}\r\n>`;
    for (const stream of this.streams) {
      if (fragments) for (const letter of framed) stream.write(letter, "latin1");
      else stream.write(framed, "latin1");
    }
  }

  async #reply(line: string, isUnknown: boolean, signal: AbortSignal): Promise<void> {
    const reply = this.#control.answer(line);
    if (reply === null) return;
    if (this.troubles.delayMs > 0) await this.#clock.sleep(this.troubles.delayMs, signal).catch(() => undefined);
    if (this.troubles.loses > 0) this.troubles.loses--;
    else this.say(isUnknown ? `?, ${line.trim()}` : reply);
  }
}

export interface HaasPort extends AsyncDisposable {
  readonly port: number;
  readonly lines: Lines;
  readonly clients: number;
  pullCable(how: "cut" | "hang"): Promise<void>;
  plugCable(): Promise<void>;
  close(): Promise<void>;
}

export async function startHaasPort(control: Control, { host = "127.0.0.1", port: wanted = 0, clock }: { readonly host?: string; readonly port?: number; readonly clock: Clock }): Promise<HaasPort> {
  const lines = new Lines(control, clock);
  const sockets = new Set<Socket>();
  let server: Server | null = null;
  let port = wanted;
  const listen = async (): Promise<void> => {
    server = createServer((socket) => {
      // A control takes two, and cuts the third.
      if (sockets.size >= MAXIMUM_CLIENTS) return void socket.destroy();
      sockets.add(socket.setNoDelay(true).on("close", () => sockets.delete(socket)));
      lines.serve(socket);
    }).listen(port, host);
    await once(server, "listening");
    ({ port } = server.address() as AddressInfo);
  };
  const close = async (): Promise<void> => {
    const stopping = server;
    server = null;
    if (stopping === null) return;
    const closed = once(stopping, "close");
    stopping.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  await listen();
  return {
    lines, close,
    get port() { return port; },
    get clients() { return sockets.size; },
    async pullCable(how) {
      lines.troubles.hangs = true;
      if (how === "cut") await close();
    },
    async plugCable() {
      lines.troubles.hangs = false;
      for (const socket of sockets) socket.destroy();
      if (server === null) await listen();
    },
    [Symbol.asyncDispose]: close,
  };
}
