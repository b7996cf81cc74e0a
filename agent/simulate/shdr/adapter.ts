/**
 * A simulated SHDR adapter: greets each client with all it knows, sends changes as they come, answers PING. What clients
 * write beside PING is counted: a client has nothing to write. Facts: mtconnect.md §11.
 */
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";

export interface AdapterOptions {
  readonly host?: string;
  /** 0: any free one. */
  readonly port?: number;
  /** Answered to PING; null: an adapter that knows no PING. Default 10 s. */
  readonly heartbeatMs?: number | null;
  /** Sent first to each client, as they are: `* adapterVersion: 1.2`. */
  readonly commands?: readonly string[];
}
/** One item as it is sent: everything after the stamp. `key` tells what it replaces in the greeting. */
export interface Said {
  readonly key: string;
  readonly text: string;
  /** A condition that is no longer active: the greeting forgets it. */
  readonly forget?: string;
}

export interface SimulatedAdapter extends AsyncDisposable {
  readonly port: number;
  readonly clients: number;
  readonly connections: number;
  /** Bytes that clients wrote beside PING. */
  readonly writes: number;
  readonly pings: number;
  /** Items of one stamp go into one line unless `alone`. */
  say(stamp: string, items: readonly Said[], alone?: boolean): void;
  /** As it is, to every client. */
  raw(text: string): void;
  /** `cut` ends connections and refuses new ones; `hang` says nothing more, as a pulled cable. */
  pullCable(how: "cut" | "hang"): Promise<void>;
  plugCable(): Promise<void>;
  close(): Promise<void>;
}

export async function startShdrAdapter(options: AdapterOptions = {}): Promise<SimulatedAdapter> {
  const adapter = new Adapter(options);
  await adapter.plugCable();
  return adapter;
}

class Adapter implements SimulatedAdapter {
  connections = 0;
  writes = 0;
  pings = 0;
  readonly #options: AdapterOptions;
  readonly #state = new Map<string, string>();
  readonly #clients = new Set<Socket>();
  #isHung = false;
  #server: Server | null = null;
  #port: number;

  constructor(options: AdapterOptions) {
    this.#options = options;
    this.#port = options.port ?? 0;
  }

  get port(): number { return this.#port; }
  get clients(): number { return this.#clients.size; }

  say(stamp: string, items: readonly Said[], alone = false): void {
    for (const { key, text, forget } of items) {
      if (forget !== undefined) this.#state.delete(forget);
      this.#state.set(key, `${stamp}|${text}`);
    }
    if (alone) for (const { text } of items) this.raw(`${stamp}|${text}\n`);
    else if (items.length > 0) this.raw(`${stamp}|${items.map(({ text }) => text).join("|")}\n`);
  }

  raw(text: string): void {
    if (!this.#isHung) for (const client of this.#clients) client.write(text);
  }

  async pullCable(how: "cut" | "hang"): Promise<void> {
    this.#isHung = true;
    if (how === "cut") await this.close();
  }

  async plugCable(): Promise<void> {
    this.#isHung = false;
    // What hung has been given up by its client, or will be.
    for (const client of this.#clients) client.destroy();
    if (this.#server !== null) return;
    this.#server = createServer((socket) => { this.#serve(socket); }).listen(this.#port, this.#options.host ?? "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const stopping = this.#server;
    this.#server = null;
    if (stopping === null) return;
    const closed = once(stopping, "close");
    stopping.close();
    for (const client of this.#clients) client.destroy();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #serve(socket: Socket): void {
    this.connections++;
    this.#clients.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => undefined).on("close", () => this.#clients.delete(socket));
    let text = "";
    socket.on("data", (bytes: Buffer) => {
      const lines = (text + bytes.toString("latin1")).split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) this.#hear(socket, line);
    });
    if (!this.#isHung) socket.write([...this.#options.commands ?? [], ...this.#state.values()].map((line) => `${line}\n`).join(""));
  }

  #hear(socket: Socket, line: string): void {
    const { heartbeatMs = 10_000 } = this.#options;
    if (line.trim() !== "* PING") {
      this.writes += line.length + 1;
      return;
    }
    this.pings++;
    if (heartbeatMs !== null && !this.#isHung) socket.write(`* PONG ${heartbeatMs}\n`);
  }
}
