/**
 * Tests that need a Debian package. Where it is missing they are skipped with the line that enables them in the
 * title; under CI=true a missing one is a failure, so that a skip never hides there.
 */
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe } from "vitest";

export type Tool = "mosquitto" | "rabbitmq-server" | "faketime" | "openssl" | "gcc" | "strace" | "socat" | "pymodbus" | "libmodbus";

const PACKAGES: Readonly<Record<Tool, string>> = { mosquitto: "mosquitto", "rabbitmq-server": "rabbitmq-server", faketime: "faketime", openssl: "openssl", gcc: "gcc libc6-dev", strace: "strace", socat: "socat", pymodbus: "python3-pymodbus python3-serial-asyncio", libmodbus: "libmodbus-dev" };
/** What is no executable: a file of the package. */
const FILES: Partial<Readonly<Record<Tool, string>>> = { pymodbus: "/usr/lib/python3/dist-packages/serial_asyncio/__init__.py", libmodbus: "/usr/include/modbus/modbus.h" };
/** Debian keeps servers in sbin, which an ordinary user's PATH often leaves out. */
const PLACES = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"].filter(Boolean);

/** Absolute path of an executable, or of the file that stands for a package; null when it is not installed. */
export function findTool(tool: Tool): string | null {
  const file = FILES[tool];
  if (file !== undefined) return existsSync(file) ? file : null;
  for (const place of PLACES) {
    const path = join(place, tool);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      continue; // Not here: the next place may have it.
    }
  }
  return null;
}

/** The apt line that enables what is missing, or null when everything is there. */
export function needs(...tools: readonly Tool[]): string | null {
  const missing = tools.filter((tool) => findTool(tool) === null);
  return missing.length === 0 ? null : `sudo apt-get install -y ${missing.map((tool) => PACKAGES[tool]).join(" ")}`;
}

/** `describe` when all tools are there; else skipped, saying how to enable it. Under CI=true the whole file fails. */
export function describeNeeding(tools: readonly Tool[], title: string, body: () => void): void {
  const line = needs(...tools);
  if (line !== null && process.env["CI"] === "true") throw new Error(`${title} needs ${tools.join(", ")}. Enable it with: ${line}`);
  const define = line === null ? describe : describe.skip;
  define(line === null ? title : `${title} (skipped; enable with: ${line})`, body);
}
