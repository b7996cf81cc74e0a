/**
 * RabbitMQ with its MQTT and MQTT over WebSocket plugins, as a process of its own in a temporary folder: nothing of the
 * system's installation is touched, and it needs no rights. It speaks 3.1.1 in Debian 12 and takes ten seconds to start.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { access, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";

/** Debian's /usr/sbin/rabbitmq-server insists on its own user and folders; this is what it calls. */
const PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/** Erlang's name server. */
const NAME_SERVER = "/usr/bin/epmd";
const STARTED_MS = 120_000;

export interface RabbitMq extends AsyncDisposable {
  readonly port: number;
  /** MQTT over WebSocket, at /ws. */
  readonly webSocketPort: number;
}

export async function startRabbitMq(): Promise<RabbitMq> {
  await access(PROGRAM);
  const folder = await mkdtemp(join(tmpdir(), "cellgate-rabbitmq-"));
  const [port, webSocketPort, amqp, distribution, names] = [await freePort(), await freePort(), await freePort(), await freePort(), await freePort()];
  await mkdir(join(folder, "mnesia"));
  await writeFile(join(folder, "enabled"), "[rabbitmq_mqtt,rabbitmq_web_mqtt].\n");
  await writeFile(join(folder, "rabbitmq.conf"), [
    `mqtt.listeners.tcp.1 = 127.0.0.1:${port}`, "mqtt.allow_anonymous = true", `web_mqtt.tcp.port = ${webSocketPort}`, "web_mqtt.tcp.ip = 127.0.0.1",
    "disk_free_limit.absolute = 1MB", "vm_memory_high_watermark.relative = 0.9", "log.console = true", "log.console.level = info", "log.file = false", "",
  ].join("\n"));
  const environment = {
    PATH: process.env["PATH"], HOME: folder, LANG: "C.UTF-8",
    RABBITMQ_MNESIA_BASE: join(folder, "mnesia"), RABBITMQ_LOG_BASE: join(folder, "log"), RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "enabled"),
    RABBITMQ_CONFIG_FILE: join(folder, "rabbitmq.conf"), RABBITMQ_CONF_ENV_FILE: "/dev/null", RABBITMQ_NODENAME: "cellgate@localhost",
    RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1", RABBITMQ_NODE_PORT: String(amqp), RABBITMQ_DIST_PORT: String(distribution),
    ERL_EPMD_PORT: String(names), ERL_EPMD_ADDRESS: "127.0.0.1",
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "+S 1:1 +sbwt none",
  };
  // RabbitMQ would start one of its own, which stays behind as a daemon.
  const nameServer = spawn(NAME_SERVER, [], { env: environment, stdio: "ignore", detached: true });
  const server = spawn(PROGRAM, [], { env: environment, stdio: ["ignore", "pipe", "pipe"], cwd: folder, detached: true });
  const dispose = async (): Promise<void> => {
    await Promise.all([end(server), end(nameServer)]);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await started(server);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { port, webSocketPort, [Symbol.asyncDispose]: dispose };
}

function started(server: ChildProcess): Promise<void> {
  let log = "";
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`RabbitMQ has not started within ${STARTED_MS / 1_000} s:\n${log}`)), STARTED_MS);
    const read = (chunk: Buffer): void => {
      log = (log + chunk.toString()).slice(-20_000);
      if (!log.includes("Server startup complete")) return;
      clearTimeout(timer);
      resolve();
    };
    server.stdout?.on("data", read);
    server.stderr?.on("data", read);
    server.once("exit", () => {
      clearTimeout(timer);
      reject(new Error(`RabbitMQ ended at once:\n${log}`));
    });
    server.once("error", reject);
  });
}

/** With all that it started: it leads a process group of its own. */
async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  process.kill(-child.pid, "SIGKILL");
  await exited;
}
