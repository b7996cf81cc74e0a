/** `cellgate simulate haas`: a control that answers Q commands over the network, or on a pseudo-terminal. */
import { systemClock } from "../runtime/time/clock.ts";
import { UsageError } from "./arguments.ts";
import { shiftCommand } from "./simulate-shift.ts";

export const simulateHaasCommand = shiftCommand({
  kind: "haas",
  summary: "serve a simulated Haas control that plays a shift",
  port: 5051,
  options: {
    dialect: { kind: "value", value: "ngc|classic", default: "ngc", help: "Next Generation Control, or an older one" },
    serial: { kind: "value", value: "PATH", help: "also on a pseudo-terminal made at this path (needs socat)" },
    delay: { kind: "value", value: "MS", default: "150", help: "how long it takes to answer" },
  },
  async start({ clock, host, port, seed, args }) {
    const dialect = args.value("dialect");
    if (dialect !== "ngc" && dialect !== "classic") throw new UsageError(`--dialect is ${JSON.stringify(dialect)}; it must be ngc or classic`);
    const delayMs = Number(args.value("delay"));
    if (!(delayMs >= 0 && delayMs <= 60_000)) throw new UsageError(`--delay is ${JSON.stringify(args.value("delay"))}; it must be 0 to 60000`);
    const serial = args.value("serial");
    const { simulateHaas } = await import("../simulate/haas/start.ts");
    const simulation = await simulateHaas({ clock, network: systemClock(), host, port, seed, dialect, delayMs, ...(serial !== undefined && { serial }) });
    const source = serial === undefined ? { type: "haas", host, port: simulation.port.port } : { type: "haas", serial: { path: serial } };
    return { at: serial ?? `${host}:${simulation.port.port}`, source: JSON.stringify(source), close: () => simulation.close() };
  },
});
