/**
 * Real brokers for tests, on a free port: Mosquitto as its own process, to be stopped, killed and started again on the
 * same port, and aedes in this process, which speaks MQTT 3.1.1 only (with WebSocket beside it). And an independent
 * subscriber. RabbitMQ is in rabbitmq.ts.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { Aedes, type AedesOptions } from "aedes";
import { connectAsync } from "mqtt";
import { createWebSocketStream, WebSocketServer } from "ws";
import { findTool } from "./needs.ts";
import { freePort } from "./free-port.ts";

export interface Mosquitto extends AsyncDisposable {
  readonly port: number;
  /** Holds its configuration, and what the test puts beside it (certificates, access lists). */
  readonly folder: string;
  /** SIGKILL: what it had in memory is gone. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** SIGSTOP and SIGCONT: alive, and answering nothing. */
  freeze(frozen: boolean): void;
  /** Reads passwords and access lists again. */
  reload(): void;
}

/** `extra` are lines of mosquitto.conf; `{folder}` in them stands for its folder. Allows anonymous clients unless a line says otherwise. */
export async function startMosquitto(extra: readonly string[] = [], prepare?: (folder: string) => Promise<void>): Promise<Mosquitto> {
  const program = findTool("mosquitto");
  if (program === null) throw new Error("mosquitto is not installed");
  const folder = await mkdtemp(join(tmpdir(), "cellgate-mosquitto-"));
  await prepare?.(folder);
  const port = await freePort();
  const own = [`user ${userInfo().username}`, `listener ${port} 127.0.0.1`, "log_dest stderr", "log_type error", "log_type warning", "log_type notice", "log_type information", ...(extra.some((line) => line.startsWith("allow_anonymous")) ? [] : ["allow_anonymous true"])];
  const file = join(folder, "mosquitto.conf");
  await writeFile(file, [...own, ...extra].join("\n").replaceAll("{folder}", folder) + "\n");
  let child: ChildProcess | null = null;
  const broker: Mosquitto = {
    port, folder,
    async start() {
      child = await run(program, file);
    },
    async kill() {
      const running = child;
      child = null;
      if (!running || running.exitCode !== null || running.signalCode !== null) return;
      const exited = once(running, "exit");
      running.kill("SIGKILL");
      await exited;
    },
    freeze: (frozen) => void child?.kill(frozen ? "SIGSTOP" : "SIGCONT"),
    reload: () => void child?.kill("SIGHUP"),
    async [Symbol.asyncDispose]() {
      await broker.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
  await broker.start();
  return broker;
}

async function run(program: string, file: string): Promise<ChildProcess> {
  const child = spawn(program, ["-c", file], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  await new Promise<void>((resolve, reject) => {
    child.stderr?.on("data", (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-20_000);
      if (/mosquitto version .* running/.test(log)) resolve();
    });
    child.once("exit", () => reject(new Error(`mosquitto ended at once:\n${log}`)));
    child.once("error", reject);
  });
  return child;
}

export interface AedesBroker extends AsyncDisposable {
  readonly port: number;
  /** Of its MQTT over WebSocket, at any path. */
  readonly webSocketPort: number;
  readonly aedes: Aedes;
}

export async function startAedes(options: AedesOptions = {}): Promise<AedesBroker> {
  const aedes = await Aedes.createBroker(options);
  const server: Server = createServer((socket) => void aedes.handle(socket)).listen(0, "127.0.0.1");
  const webSockets = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: (offered) => (offered.has("mqtt") ? "mqtt" : false) });
  webSockets.on("connection", (webSocket) => void aedes.handle(createWebSocketStream(webSocket).on("error", () => undefined)));
  await Promise.all([once(server, "listening"), once(webSockets, "listening")]);
  return {
    port: (server.address() as AddressInfo).port,
    webSocketPort: (webSockets.address() as AddressInfo).port,
    aedes,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => aedes.close(resolve));
      for (const webSocket of webSockets.clients) webSocket.terminate();
      webSockets.close();
      server.close();
    },
  };
}

export interface Received {
  readonly topic: string;
  readonly text: string;
  readonly retained: boolean;
  readonly contentType: string | undefined;
}
export interface Subscriber extends AsyncDisposable {
  readonly received: readonly Received[];
  /** As a bridge speaks to the agent: QoS 1. */
  publish(topic: string, payload: string | Buffer, retain?: boolean): Promise<void>;
  /** Resolves when the condition holds; it is looked at with each message. Rejects after `timeoutMs`. */
  until(condition: (received: readonly Received[]) => boolean, timeoutMs?: number): Promise<void>;
}

/** Directly at the broker, never through a proxy. QoS 0: what the broker has acknowledged to others is then already on its way to us. */
export async function subscribe(port: number, filter = "#", protocolVersion: 4 | 5 = 4): Promise<Subscriber> {
  const client = await connectAsync({ host: "127.0.0.1", port, protocol: "mqtt", protocolVersion, reconnectPeriod: 0, clientId: `test-${port}-${Math.random().toString(36).slice(2)}` });
  const received: Received[] = [];
  const waiting = new Set<() => void>();
  client.on("error", () => undefined);
  client.on("message", (topic, payload, packet) => {
    received.push({ topic, text: payload.toString(), retained: packet.retain, contentType: packet.properties?.contentType });
    for (const look of waiting) look();
  });
  await client.subscribeAsync(filter, { qos: 0, ...(protocolVersion === 5 && { rap: false }) });
  return {
    received,
    async publish(topic, payload, retain = false) {
      await client.publishAsync(topic, payload, { qos: 1, retain });
    },
    until(condition, timeoutMs = 10_000) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(look);
          reject(new Error(`not seen within ${timeoutMs} ms; ${received.length} messages received, last: ${received.at(-1)?.text.slice(0, 200) ?? "none"}`));
        }, timeoutMs);
        const look = (): void => {
          if (!condition(received)) return;
          clearTimeout(timer);
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      });
    },
    async [Symbol.asyncDispose]() {
      await client.endAsync(true);
    },
  };
}
