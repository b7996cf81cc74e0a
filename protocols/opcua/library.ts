/**
 * Loads node-opcua when the first OPC UA source connects: 60 to 76 MB of memory that an agent without one must not pay
 * (facts §4.2). What the library would print goes into the log: its warnings are for programmers, and repeat.
 */
import { stripVTControlCharacters } from "node:util";
import type { Log } from "../../agent/contract/ports.ts";
import type * as packages from "./node-opcua.ts";

export type Client = typeof packages.client;
export type Certificates = typeof packages.certificates;
export interface Library {
  readonly client: Client;
  readonly certificates: Certificates;
  readonly transport: typeof packages.transport;
}

/** Lines of the library are cut: some hold whole certificates. */
const LINE_LIMIT = 400;

export async function loadLibrary(log: Log): Promise<Library> {
  const { client, certificates, transport } = await import("./node-opcua.ts");
  routeInto(client, log.child({ part: "node-opcua" }));
  return { client, certificates, transport };
}

/** One log for all sources: which of them the library speaks of, it does not say. Its errors mend themselves or end the link, which tells of it. */
function routeInto({ setErrorLogger, setWarningLogger, setDebugLogger }: Client, log: Log): void {
  const line = (said: readonly unknown[]): string => said.slice(1).map(plain).join(" ").replaceAll(/\s+/gu, " ").trim().slice(0, LINE_LIMIT);
  setErrorLogger((...said) => {
    log.debug({ said: line(said) }, "the OPC UA library says");
  });
  setWarningLogger((...said) => {
    log.debug({ said: line(said) }, "the OPC UA library says");
  });
  setDebugLogger(() => undefined);
  // Some of its parts print past their own log. We never print by the console: whatever comes there is a library's.
  for (const method of ["log", "info", "warn", "error", "debug", "trace"] as const)
    globalThis.console[method] = (...said: readonly unknown[]) => {
      log.debug({ said: line(["", ...said]) }, "the OPC UA library says");
    };
}

/** Without the colours of a terminal. */
const plain = (one: unknown): string => (typeof one === "string" ? stripVTControlCharacters(one) : one instanceof Error ? one.message : "");
