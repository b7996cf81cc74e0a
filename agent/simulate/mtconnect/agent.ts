/**
 * A simulated MTConnect agent: a real HTTP server on the loopback with a ring buffer, written from the published facts
 * (mtconnect.md §2 to §7) and sharing no code with the driver. Read-only like a real one, and it counts what was not
 * a GET. Faults are controls of the object. It holds one connection's worth of state per open stream and no more.
 */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { gzipSync } from "node:zlib";
import type { Clock } from "../../contract/time.ts";
import { Core, type Stats } from "./core.ts";
import { dialectOf, type Family } from "./dialect.ts";
import { devicesDocument, type AgentError } from "./documents.ts";
import type { Model } from "./model.ts";
import { Ingest } from "./ingest.ts";
import type { SimulatedObservation } from "./observation.ts";
import { currentPage, samplePage } from "./page.ts";
import { readRequest, rememberedSelect, type Request } from "./request.ts";
import { Ring } from "./ring.ts";
import { serveStream } from "./stream.ts";

export interface SimulatedAgentOptions {
  readonly model: Model;
  /** The agent's own time: stamps and creationTime; may be scaled. */
  readonly clock: Clock;
  /** Real time for intervals and heartbeats; default `clock`. */
  readonly network?: Clock;
  /** Default 1.3. */
  readonly schema?: string;
  /** Default: cpp1 before 2.0, cpp2 from then on. */
  readonly family?: Family;
  /** Default 131,072, as the reference agent. */
  readonly bufferSize?: number;
  /** Default: Unix seconds of the clock. */
  readonly instanceId?: string;
  /** Default 0: any free one. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Compress where the request allows it. */
  readonly gzip?: boolean;
}

/** `hang`: sockets stay, nothing is answered, new connections wait. `refuse`: as hang, and new ones are refused. `cut`: sockets are reset too. */
export type CableFault = "hang" | "refuse" | "cut";

export interface SimulatedAgent {
  readonly url: string;
  readonly port: number;
  readonly stats: Readonly<Stats>;
  readonly core: Core;
  readonly openStreams: number;
  /** Adds to the ring, in order. Throws when an item is not in the model. */
  push(observations: readonly SimulatedObservation[]): void;
  /** Every item of a device (default: all) becomes UNAVAILABLE now, as when its adapter is lost. */
  loseAdapter(device?: string): void;
  pullCable(fault?: CableFault): void;
  plugCable(): Promise<void>;
  /** Like a stopped process: sockets stay open and silent until `plugCable`. */
  hang(): void;
  /** New identity, empty ring, streams cut. `block` (default true) begins with every item UNAVAILABLE. */
  restart(instanceId?: string, options?: { readonly block?: boolean }): void;
  /** Rubbish into every open stream, and as the answer to the next `requests` (default 1). */
  garbage(requests?: number): void;
  /** Closes streams as a stopping 2.x agent does: no last part, no zero chunk. */
  endWithoutLastChunk(): void;
  /** Every stream gets the error part of a reader that was too slow, then ends. */
  slowReaderError(): void;
  close(): Promise<void>;
}

export async function startMTConnectAgent(options: SimulatedAgentOptions): Promise<SimulatedAgent> {
  const dialect = dialectOf(options.schema ?? "1.3", options.family);
  const core = new Core({
    model: options.model, dialect, ring: new Ring(options.bufferSize ?? 131_072),
    clock: options.clock, network: options.network ?? options.clock, instanceId: options.instanceId,
  });
  const server = new Server(core, options);
  await server.listen(options.port ?? 0);
  const ingest = new Ingest(core);
  const push = (observations: readonly SimulatedObservation[]): void => {
    core.store(ingest.entries(observations));
  };
  const loseAdapter = (device?: string): void => {
    push(ingest.unavailable(device, core.now()));
  };
  return {
    url: `http://${options.host ?? "127.0.0.1"}:${server.port}`,
    port: server.port,
    stats: core.stats,
    core, push, loseAdapter,
    get openStreams() {
      return core.listeners.size;
    },
    pullCable: (fault = "hang") => {
      core.pull();
      if (fault !== "hang") server.refuse(fault === "cut");
    },
    plugCable: async () => {
      core.plug();
      await server.listen(server.port);
    },
    hang: () => {
      core.pull();
    },
    restart: (instanceId, { block = true } = {}) => {
      server.resetStreams();
      core.restart(instanceId ?? String(Math.trunc(core.now() / 1000)));
      if (block) loseAdapter();
    },
    garbage: (requests = 1) => {
      server.garbage(requests);
    },
    endWithoutLastChunk: () => {
      server.endStreams();
    },
    slowReaderError: () => {
      for (const listener of core.listeners) {
        listener.expelled = true;
        listener.wake();
      }
    },
    close: () => server.close(),
  };
}

class Server {
  port = 0;
  private readonly core: Core;
  private readonly options: SimulatedAgentOptions;
  private readonly http;
  private readonly sockets = new Set<Socket>();
  private readonly streaming = new Set<ServerResponse>();
  private readonly select;
  private rubbish = 0;

  constructor(core: Core, options: SimulatedAgentOptions) {
    this.core = core;
    this.options = options;
    this.select = rememberedSelect(core.model);
    this.http = createServer((request, response) => {
      void this.answer(request, response);
    });
    this.http.on("connection", (socket: Socket) => {
      this.sockets.add(socket);
      socket.once("close", () => this.sockets.delete(socket));
      // A client that resets its connection is its own business.
      socket.on("error", () => socket.destroy());
    });
  }
  async listen(port: number): Promise<void> {
    if (this.http.listening) return;
    await new Promise<void>((resolve, reject) => {
      this.http.once("error", reject);
      this.http.listen(port, this.options.host ?? "127.0.0.1", () => {
        this.http.off("error", reject);
        resolve();
      });
    });
    this.port = (this.http.address() as AddressInfo).port;
  }
  refuse(reset: boolean): void {
    this.http.close();
    if (reset) for (const socket of this.sockets) socket.resetAndDestroy();
  }
  resetStreams(): void {
    for (const response of this.streaming) response.destroy();
  }
  endStreams(): void {
    for (const response of this.streaming) response.socket?.end();
  }
  garbage(requests: number): void {
    this.rubbish = requests;
    for (const response of this.streaming) response.write(randomBytes(4096));
  }
  async close(): Promise<void> {
    this.core.plug();
    const closed = this.http.listening ? new Promise<void>((resolve) => {
      this.http.close(() => {
        resolve();
      });
    }) : Promise.resolve();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private async answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const { core } = this;
    message.resume();
    await core.connected();
    if (response.destroyed) return;
    core.begin();
    if (message.method !== "GET") return this.refuseMethod(message, response);
    if (this.rubbish > 0) {
      this.rubbish--;
      response.end(randomBytes(4096));
      return;
    }
    const request = readRequest(message.url ?? "/", { model: core.model, ring: core.ring, dialect: core.dialect, select: this.select });
    if (!("kind" in request)) return this.send(message, response, core.error(request), this.status(request));
    core.stats[request.kind]++;
    if (request.interval !== null && (request.kind === "sample" || request.kind === "current")) return this.stream(message, response, request);
    this.send(message, response, this.document(request), 200);
  }
  private async stream(message: IncomingMessage, response: ServerResponse, request: Request): Promise<void> {
    this.streaming.add(response);
    await serveStream(this.core, response, request, { compress: this.compresses(message) });
    this.streaming.delete(response);
  }
  private document(request: Request): string {
    const { core } = this;
    switch (request.kind) {
      case "probe":
        return devicesDocument(core.model, core.facts, core.dialect, request.device);
      case "current":
        return core.streams(currentPage(core.ring, core.model, request.filter, request.at));
      case "sample":
        return core.streams(samplePage(core.ring, core.model, request));
      case "assets":
        return core.error([{ status: 200, code: "UNSUPPORTED", text: "this agent holds no assets", request: "MTConnectAssets" }]);
    }
  }
  /** HEAD is 404, anything else 400: only GET is for clients (mtconnect.md §2). */
  private refuseMethod(message: IncomingMessage, response: ServerResponse): void {
    this.core.stats.nonGet++;
    if (message.method === "HEAD") {
      response.writeHead(404).end();
      return;
    }
    this.core.stats.writes++;
    this.send(message, response, this.core.error([{ status: 400, code: "INTERNAL_ERROR", text: "this agent is read-only", uri: message.url ?? "/" }]), 400);
  }
  /** 1.x answers errors with 200. */
  private status(errors: readonly AgentError[]): number {
    return this.core.dialect.since("2.0") || this.core.dialect.family === "net" ? errors[0]?.status ?? 400 : 200;
  }
  private compresses(message: IncomingMessage): boolean {
    return this.options.gzip === true && (message.headers["accept-encoding"] ?? "").includes("gzip");
  }
  private send(message: IncomingMessage, response: ServerResponse, document: string, status: number): void {
    const { dialect, stats } = this.core;
    const compress = this.compresses(message);
    const body = compress ? gzipSync(`${document}\n`) : Buffer.from(`${document}\n`);
    stats.bytes += body.length;
    response.writeHead(status, {
      Server: "MTConnectAgent", Expires: "-1", "Cache-Control": "no-store, max-age=0",
      "Content-Type": dialect.family === "cpp2" ? "application/xml" : "text/xml", "Content-Length": body.length,
      ...(compress ? { "Content-Encoding": "gzip" } : {}), ...(dialect.family === "cpp1" ? { Connection: "close" } : {}),
    });
    response.end(body);
  }
}
