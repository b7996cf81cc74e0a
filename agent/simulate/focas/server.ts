/**
 * A simulated FANUC control: a real TCP server with few connections, written from focas.md §1, §2, §10 alone. It refuses
 * what would write, and counts it. A connection holds one frame's worth of bytes and no more. Faults are controls of the
 * object.
 */
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { Clock } from "../../contract/time.ts";
import { isWrite, say } from "./answers.ts";
import { SimulatedControl } from "./control.ts";
import { send, type Fault } from "./faults.ts";
import { PROFILES, type Profile, type Series } from "./profile.ts";
import { block, blocks, blocksIn, frame, openTable, refusal, requestsIn, type Asked, type Request } from "./wire.ts";

export interface SimulatedControlOptions {
  /** Its own time: timers; may be scaled. */
  readonly clock: Clock;
  /** Default 31i-B. */
  readonly series?: Series;
  /** Default 1. */
  readonly paths?: number;
  /** Connections at a time; default 2. */
  readonly slots?: number;
  /** Default 0: any free one. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
}

export interface Stats {
  opened: number;
  /** Connections refused because all slots were taken. */
  refused: number;
  /** Connections that ended with, and without, a farewell. */
  closed: number;
  forgotten: number;
  asked: number;
  /** Blocks and frames that would have changed something: all refused. */
  writes: number;
}

const STATUS = { function: 1, protected: 7 } as const;
const REFUSED = 4;
const MALFORMED = -17;

interface Client {
  readonly socket: Socket;
  role: "none" | "command" | "transfer";
  held: Buffer;
  saidGoodbye: boolean;
}

export class FocasServer {
  readonly control: SimulatedControl;
  readonly profile: Profile;
  readonly stats: Stats = { opened: 0, refused: 0, closed: 0, forgotten: 0, asked: 0, writes: 0 };
  /** Commands asked for, each as often. */
  readonly asked = new Map<number, number>();
  /** Applies to every answer until it is taken away. */
  fault: Fault | null = null;
  /** Called before each answer: a script shows what is due by then. */
  beforeAnswer: () => void = () => undefined;
  /** By command: the status of its block instead of 0, or that the frame which asks for it is refused whole. */
  readonly refuse = new Map<number, number | "broken">();
  readonly #options: SimulatedControlOptions;
  readonly #server: Server;
  readonly #clients = new Set<Client>();
  #pulled = false;
  #port = 0;

  private constructor(options: SimulatedControlOptions) {
    this.#options = options;
    this.profile = PROFILES[options.series ?? "31i-B"];
    this.control = new SimulatedControl(options.clock, options.paths);
    this.#server = createServer({ noDelay: true }, (socket) => { this.#accept(socket); });
  }

  static async start(options: SimulatedControlOptions): Promise<FocasServer> {
    const server = new FocasServer(options);
    await server.#listen(options.port ?? 0);
    return server;
  }

  get port(): number { return this.#port; }
  get host(): string { return this.#options.host ?? "127.0.0.1"; }
  /** Open command and transfer channels. */
  get connections(): number { return [...this.#clients].filter(({ role }) => role !== "none").length; }

  /** As with a pulled cable: sockets stay, nothing is answered, and what was connected is dropped when it is plugged. */
  pull(): void {
    this.#pulled = true;
  }
  plug(): void {
    this.#pulled = false;
    this.drop();
  }
  /** Power off and on: every connection is cut. */
  drop(): void {
    for (const { socket } of this.#clients) socket.resetAndDestroy();
  }
  /** Power off: connections are cut, and new ones refused until `powerOn`. */
  async powerOff(): Promise<void> {
    this.drop();
    await this.#stopListening();
  }
  async powerOn(): Promise<void> {
    await this.#listen(this.#port);
  }
  async close(): Promise<void> {
    for (const { socket } of this.#clients) socket.destroy();
    await this.#stopListening();
  }

  async #stopListening(): Promise<void> {
    if (this.#server.listening) await new Promise<void>((resolve) => { this.#server.close(() => { resolve(); }); });
  }

  async #listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, this.host, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  #accept(socket: Socket): void {
    const client: Client = { socket, role: "none", held: Buffer.alloc(0), saidGoodbye: false };
    this.#clients.add(client);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#clients.delete(client);
      if (client.role !== "none") this.stats[client.saidGoodbye ? "closed" : "forgotten"]++;
    });
    socket.on("data", (bytes: Buffer) => {
      this.beforeAnswer();
      if (this.#pulled) return;
      const taken = requestsIn(Buffer.concat([client.held, bytes]));
      if (taken === null) return void socket.resetAndDestroy();
      client.held = taken.rest;
      for (const request of taken.requests) this.#answer(client, request);
    });
  }

  #answer(client: Client, request: Request): void {
    switch (request.kind) {
      case 0x01: return this.#open(client, request);
      case 0x02: return this.#goodbye(client);
      case 0x21: return this.#tell(client, request);
      default:
        // Programs up and down.
        if (request.kind >= 0x11 && request.kind <= 0x13) this.stats.writes++;
        client.socket.resetAndDestroy();
    }
  }

  #open(client: Client, { payload }: Request): void {
    const { version } = this.profile;
    // A second opening is not answered, and ends the connection (§1.1).
    if (client.role !== "none") return void client.socket.resetAndDestroy();
    if (this.connections >= (this.#options.slots ?? 2)) {
      this.stats.refused++;
      return void client.socket.end(frame(version, 0x01, 3, refusal(REFUSED)));
    }
    client.role = payload.length >= 2 && payload.readUInt16BE(0) === 2 ? "command" : "transfer";
    this.stats.opened++;
    this.#send(client, frame(version, 0x01, 2, openTable(version)));
  }

  #goodbye(client: Client): void {
    client.saidGoodbye = true;
    client.socket.end(frame(this.profile.version, 0x02, 2, Buffer.alloc(0)));
  }

  #tell(client: Client, { payload }: Request): void {
    // On the transfer channel, and before any opening, a question resets the connection (§1.1).
    if (client.role !== "command") return void client.socket.resetAndDestroy();
    const { version } = this.profile;
    const all = blocksIn(payload);
    if (all === null) return this.#send(client, frame(version, 0x21, 3, refusal(MALFORMED, 1)));
    const said: Buffer[] = [];
    for (const one of all) {
      const answer = this.#say(one);
      if (answer === "broken") return this.#send(client, frame(version, 0x21, 3, refusal(MALFORMED, 1)));
      said.push(answer);
    }
    this.#send(client, frame(version, 0x21, 2, blocks(said)));
  }

  #say(one: Asked): Buffer | "broken" {
    this.stats.asked++;
    this.asked.set(one.command, (this.asked.get(one.command) ?? 0) + 1);
    if (isWrite(one)) {
      this.stats.writes++;
      return block(one, STATUS.protected, Buffer.alloc(0));
    }
    const refused = this.refuse.get(one.command);
    if (refused === "broken") return refused;
    if (refused !== undefined) return block(one, refused, Buffer.alloc(0));
    const said = say(this.control, this.profile, one);
    if (said === "broken") return said;
    return typeof said === "number" ? block(one, said, Buffer.alloc(0)) : block(one, 0, said);
  }

  #send({ socket }: Client, bytes: Buffer): void {
    send(socket, bytes, this.fault);
  }
}
